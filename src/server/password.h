/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: bcrypt, and what is remembered of those that were looked at
 *
 * Contract: openssl_open() and password_open() have said 0.
 */
#ifndef SERVER_PASSWORD_H
#define SERVER_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define PASSWORD_DIGEST_LEN 32

struct password_digest {
    uint8_t bytes[PASSWORD_DIGEST_LEN];
};

/*
 * Open the library of bcrypt, once in a process; any thread may. 0; -ENOENT with @e filled: it is
 * not on this machine. @file asks for it.
 */
int password_open(const char *file, struct err *e);

/* Is @hash (of bcrypt) made of @password? Takes as long as its cost says; any thread may. */
bool password_matches(const char *password, const char *hash);

/*
 * What stands for a user, the hash that he has to meet and his password, under a secret @key:
 * nobody can tell from it what they were, nor make one of his own. False: it cannot be made.
 */
bool password_digest(struct password_digest *out, const struct password_digest *key,
                     struct slice user, struct slice hash, struct slice password);

/* In the same time, wherever they differ. */
bool password_same(const struct password_digest *a, const struct password_digest *b);

/* Overwrite, whatever the compiler thinks of it. */
void password_forget(void *p, size_t len);

#endif
