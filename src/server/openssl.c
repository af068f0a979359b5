/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL: see openssl.h
 *
 * libssl is opened by the name that its headers were made for, and brings libcrypto with it; names
 * of both are found through it. It is never closed. What the program opens so is written into it
 * as the note that packagers' tools read (ELF dlopen metadata).
 *
 * Law: the table is written once, before openssl_open() first says 0.
 */
#include "server/openssl.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/dlopen_note.h"

#define TEXT_OF(number)  #number
#define SONAME_OF(major) "libssl.so." TEXT_OF(major)
#define SONAME           SONAME_OF(OPENSSL_SHLIB_VERSION)

struct openssl openssl;

static const char *const names[] = {
#define NAME(name) #name,
    OPENSSL_FUNCTIONS(NAME)
#undef NAME
};
#define N_NAMES (sizeof names / sizeof *names)

_Static_assert(sizeof openssl == N_NAMES * sizeof(void *), "one place in the table for each name");

static struct {
    pthread_once_t once;
    char fault[256]; /* of the linker; "": the table is whole */
} opened = {.once = PTHREAD_ONCE_INIT};

static void keep_fault(const char *fault)
{
    snprintf(opened.fault, sizeof opened.fault, "%s", fault != NULL ? fault : "no reason is given");
}

static void open_all(void)
{
    void *lib = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

    if (lib == NULL) {
        keep_fault(dlerror());
        return;
    }
    for (size_t i = 0; i < N_NAMES; i++) {
        void *function = dlsym(lib, names[i]);

        if (function == NULL) {
            keep_fault(dlerror());
            return;
        }
        memcpy((char *)&openssl + i * sizeof function, &function, sizeof function);
    }
}

int openssl_open(const char *file, struct err *e)
{
    pthread_once(&opened.once, open_all);
    if (opened.fault[0] == '\0')
        return 0;
    err_set(e, file, 0, 0,
            "TLS and passwords need OpenSSL, which cannot be opened (%s); install " SONAME
            " (libssl3 on Debian)",
            opened.fault);
    return -ENOENT;
}

DLOPEN_NOTE(note,
            "[{\"feature\":\"tls\",\"description\":\"TLS and passwords of the web interface\","
            "\"priority\":\"recommended\",\"soname\":[\"" SONAME "\"]}]");
