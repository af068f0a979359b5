/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Login: is this user's password right?
 *
 * Contract: on the loop's thread. bcrypt runs on a thread of libuv's pool, one password at a time;
 * what it said is remembered, so a user who comes again is known at once.
 */
#ifndef SERVER_LOGIN_H
#define SERVER_LOGIN_H

#include <uv.h>

#include "conf/web_config.h"

struct login;

enum login_verdict {
    LOGIN_GOOD,
    LOGIN_BAD,
    LOGIN_LATER, /* not known yet: ask again when done() is called */
};

struct login_config {
    uv_loop_t *loop;    /* borrowed, outlives the struct */
    uint64_t *n_checks; /* borrowed; counts the passwords that bcrypt was run for */
    void *ctx;
    void (*done)(void *ctx); /* one more password was looked at: those who wait may ask again */
    void (*idle)(void *ctx); /* the last call after login_close(), then the struct is gone */
};

/* 0, -ENOMEM, or another negative errno: the system has no random numbers. */
int login_new(struct login **out, const struct login_config *config);

/*
 * @credentials are what stands behind "Basic " in a request; all is borrowed during the call. What
 * cannot be read is LOGIN_BAD at once.
 */
enum login_verdict login_ask(struct login *l, const struct web_config *c, struct slice credentials);

/* No more calls but idle(), which may come from inside; accepts NULL (and calls nothing). */
void login_close(struct login *l);

#endif
