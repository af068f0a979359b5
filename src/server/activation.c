/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation: see activation.h
 *
 * The protocol of sd_listen_fds(3), by hand, since it is three variables: descriptors from 3 on,
 * so many as LISTEN_FDS says, meant for the process that LISTEN_PID names, called as the words
 * between the colons of LISTEN_FDNAMES say.
 *
 * A socket that was passed stays open in the service manager while the server restarts, and holds
 * what arrives meanwhile. What the kernel dropped of it before this process began is counted here
 * all the same: nobody else can, and the kernel's own count only grows.
 *
 * Law: variables that are meant for another process, or are no numbers, pass nothing.
 */
#include "server/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/slice.h"

#define FIRST_FD 3
#define MAX_FDS  1024

/* A variable as a number; 0: it is none. */
static uint64_t number(const char *name, uint64_t max)
{
    const char *text = getenv(name);
    uint64_t v;

    return text != NULL && num_parse_u64(slice_str(text), max, &v) == 0 ? v : 0;
}

/* Cut the next name off; there may be fewer than sockets. */
static struct slice next_name(struct slice *names)
{
    size_t n = slice_find(*names, ':');
    struct slice name = slice_of(names->p, n);

    *names = slice_from(*names, n < names->len ? n + 1 : n);
    return name;
}

static void forget(void)
{
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static int add(struct inherit *set, int fd, struct slice name, struct err *e)
{
    enum inherit_kind kind;
    int r = inherit_classify(fd, slice_starts(name, SLICE_LIT("http")), &kind, e);

    if (r != 0)
        return r;
    r = inherit_add(set, fd, kind, true);
    if (r != 0)
        err_set(e, NULL, 0, 0, "descriptor %d, which was passed to the server: %s", fd,
                strerror(-r));
    return r;
}

int activation_read(struct inherit *set, struct err *e)
{
    const char *text = getenv("LISTEN_FDNAMES");
    struct slice names = slice_str(text != NULL ? text : "");
    uint64_t n = number("LISTEN_FDS", MAX_FDS);
    int r = 0;

    if (number("LISTEN_PID", INT32_MAX) != (uint64_t)getpid())
        n = 0;
    for (uint64_t i = 0; i < n && r == 0; i++)
        r = add(set, FIRST_FD + (int)i, next_name(&names), e);
    forget();
    return r;
}
