/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Library: see library.h
 *
 * One lock for all of them: it is taken when a configuration is loaded, never by a request. Who has
 * been told 0 has had the lock after the table was written, so calls through it need no order. What
 * could not be opened is not tried again: a half-filled table is never called through.
 *
 * Law: a table is written once, before library_open() first says 0 for it.
 */
#include "server/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *open_any(const char *const *sonames)
{
    void *lib = NULL;

    for (size_t i = 0; lib == NULL && sonames[i] != NULL; i++)
        lib = dlopen(sonames[i], RTLD_NOW | RTLD_LOCAL);
    return lib;
}

/* All functions of @l into its table. */
static bool fill(struct library *l)
{
    void *lib = open_any(l->sonames);

    for (size_t i = 0; lib != NULL && i < l->n; i++) {
        void *function = dlsym(lib, l->functions[i]);

        if (function == NULL)
            return false;
        memcpy((char *)l->table + i * sizeof function, &function, sizeof function);
    }
    return lib != NULL;
}

static void open_once(struct library *l)
{
    const char *fault;

    if (l->tried)
        return;
    l->tried = true;
    if (fill(l))
        return;
    fault = dlerror();
    snprintf(l->fault, sizeof l->fault, "%s", fault != NULL ? fault : "no reason is given");
}

int library_open(struct library *l, const char *file, struct err *e)
{
    pthread_mutex_lock(&lock);
    open_once(l);
    pthread_mutex_unlock(&lock);
    if (l->fault[0] == '\0') /* not written any more */
        return 0;
    err_set(e, file, 0, 0, "%s need %s, which cannot be opened (%s); install %s (%s on Debian)",
            l->purpose, l->name, l->fault, l->sonames[0], l->package);
    return -ENOENT;
}
