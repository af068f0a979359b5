/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Login: see login.h
 *
 *      ask --> known? ---------------------------------------> good or bad
 *               `-- a password is being looked at? --> later
 *                    `-- bcrypt on the pool --> remembered, done() --> those who wait ask again
 *
 * bcrypt is slow on purpose, so it must not be a way to keep this process busy: it has one thread
 * of the pool and never two, and whoever is known already does not wait for it. Good and bad ones
 * are remembered apart, so a flood of wrong passwords pushes no good one out.
 *
 * A user who does not exist costs what the dearest of those who do costs. A user whose hash changes
 * with a reload is somebody else, for the hash is part of what is remembered.
 *
 * Laws: no password is kept longer than bcrypt needs it. The job is the pool's from
 *       uv_queue_work() to its end, then the loop's; it outlives login_close().
 */
#include "server/login.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/password.h"

#define N_REMEMBERED    64  /* good ones, and as many bad ones */
#define MAX_CREDENTIALS 768 /* decoded */

struct ring {
    struct password_digest items[N_REMEMBERED];
    unsigned n; /* ever put in */
};

struct login {
    struct login_config config;
    struct password_digest key;
    struct ring good, bad;

    uv_work_t work;
    bool working;
    bool closing;
    bool exists; /* the user of the job */
    bool matches;
    struct password_digest digest;
    char hash[WEB_CONFIG_HASH_LEN + 1];
    char password[MAX_CREDENTIALS + 1];
};

/* Name and password as they came, in memory that is overwritten afterwards. */
struct credentials {
    size_t len;
    char text[MAX_CREDENTIALS + 1];
    const char *user;
    const char *password;
};

/* ---- reading ---- */

static int sextet(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(letters, c) : NULL;

    return at != NULL ? (int)(at - letters) : -1;
}

/* Base64, with or without its padding. False: it is none, or too long. */
static bool decode(struct slice in, struct credentials *out)
{
    unsigned bits = 0, n_bits = 0;

    for (unsigned pads = 0; in.len > 0 && in.p[in.len - 1] == '=' && pads < 2; pads++)
        in.len--;
    out->len = 0;
    for (size_t i = 0; i < in.len; i++) {
        int six = sextet(in.p[i]);

        if (six < 0 || out->len == MAX_CREDENTIALS)
            return false;
        bits = (bits << 6 | (unsigned)six) & 0xffff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out->text[out->len++] = (char)(bits >> n_bits);
        }
    }
    out->text[out->len] = '\0';
    return true;
}

/* A NUL would end the password for bcrypt before its end. */
static bool read_credentials(struct slice in, struct credentials *out)
{
    char *colon;

    if (!decode(in, out) || memchr(out->text, '\0', out->len) != NULL)
        return false;
    colon = strchr(out->text, ':');
    if (colon == NULL)
        return false;
    *colon = '\0';
    out->user = out->text;
    out->password = colon + 1;
    return true;
}

/* ---- remembering ---- */

/* All are looked at, so that the time tells nothing. */
static bool ring_has(const struct ring *ring, const struct password_digest *digest)
{
    unsigned n = ring->n < N_REMEMBERED ? ring->n : N_REMEMBERED;
    bool found = false;

    for (unsigned i = 0; i < n; i++)
        found |= password_same(&ring->items[i], digest);
    return found;
}

static void ring_put(struct ring *ring, const struct password_digest *digest)
{
    ring->items[ring->n++ % N_REMEMBERED] = *digest;
    if (ring->n == 2 * N_REMEMBERED)
        ring->n = N_REMEMBERED;
}

/* ---- the job ---- */

static void on_work(uv_work_t *work)
{
    struct login *l = work->data;

    l->matches = password_matches(l->password, l->hash);
    password_forget(l->password, sizeof l->password);
}

static void end(struct login *l)
{
    struct login_config config = l->config;

    password_forget(l, sizeof *l);
    free(l);
    config.idle(config.ctx);
}

static void on_done(uv_work_t *work, int status)
{
    struct login *l = work->data;

    (void)status; /* nobody cancels it */
    l->working = false;
    if (l->closing) {
        end(l);
        return;
    }
    ring_put(l->exists && l->matches ? &l->good : &l->bad, &l->digest);
    l->config.done(l->config.ctx);
}

/* ---- asking ---- */

static const struct web_user *find_user(const struct web_config *c, const char *name)
{
    const struct web_user *found = NULL;

    for (size_t i = 0; i < c->n_users; i++) {
        if (strcmp(c->users[i].name, name) == 0)
            found = &c->users[i];
    }
    return found;
}

/* Whom a stranger is compared with. */
static const struct web_user *dearest_user(const struct web_config *c)
{
    const struct web_user *dearest = &c->users[0];

    for (size_t i = 1; i < c->n_users; i++) {
        if (memcmp(c->users[i].hash + 4, dearest->hash + 4, 2) > 0)
            dearest = &c->users[i];
    }
    return dearest;
}

static enum login_verdict ask(struct login *l, const struct web_config *c,
                              const struct credentials *from)
{
    const struct web_user *user = find_user(c, from->user);
    const char *hash = user != NULL ? user->hash : dearest_user(c)->hash;
    struct slice known_by = user != NULL ? slice_str(hash) : SLICE_LIT("");
    struct password_digest digest;

    /* A stranger is remembered without a hash: he may become a user. */
    if (!password_digest(&digest, &l->key, slice_str(from->user), known_by,
                         slice_str(from->password)))
        return LOGIN_BAD;
    if (ring_has(&l->good, &digest))
        return LOGIN_GOOD;
    if (ring_has(&l->bad, &digest))
        return LOGIN_BAD;
    if (l->working)
        return LOGIN_LATER;
    l->exists = user != NULL;
    l->digest = digest;
    memcpy(l->hash, hash, sizeof l->hash);
    memcpy(l->password, from->password, strlen(from->password) + 1);
    l->working = true;
    ++*l->config.n_checks;
    uv_queue_work(l->config.loop, &l->work, on_work, on_done); /* cannot fail with a callback */
    return LOGIN_LATER;
}

enum login_verdict login_ask(struct login *l, const struct web_config *c, struct slice credentials)
{
    struct credentials from;
    enum login_verdict verdict = LOGIN_BAD;

    assert(c->n_users > 0 && !l->closing);
    if (read_credentials(credentials, &from))
        verdict = ask(l, c, &from);
    password_forget(&from, sizeof from);
    return verdict;
}

/* ---- life ---- */

int login_new(struct login **out, const struct login_config *config)
{
    struct login *l = calloc(1, sizeof *l);

    if (l == NULL)
        return -ENOMEM;
    if (getrandom(&l->key, sizeof l->key, 0) != sizeof l->key) {
        free(l);
        return -EIO;
    }
    l->config = *config;
    l->work.data = l;
    *out = l;
    return 0;
}

void login_close(struct login *l)
{
    if (l == NULL)
        return;
    l->closing = true;
    if (!l->working)
        end(l);
}
