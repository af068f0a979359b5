/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL: see openssl.h
 *
 * libssl is opened by the name that its headers were made for, and brings libcrypto with it; names
 * of both are found through it. The table has a place for each function of the list, in its order,
 * so a pointer to the table is one to an array of addresses; library.c fills it.
 *
 * Law: the list in openssl.h is the only place that names a function.
 */
#include "server/openssl.h"

#include "server/library.h"

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

int openssl_open(const char *file, struct err *e)
{
    static const char *const sonames[] = {SONAME, NULL};
    static struct library library = {
        .name = "OpenSSL",
        .purpose = "TLS and passwords",
        .package = "libssl3",
        .sonames = sonames,
        .functions = names,
        .table = &openssl,
        .n = N_NAMES,
    };

    return library_open(&library, file, e);
}

LIBRARY_NOTE(note,
             "[{\"feature\":\"tls\",\"description\":\"TLS and passwords of the web interface\","
             "\"priority\":\"recommended\",\"soname\":[\"" SONAME "\"]}]");
