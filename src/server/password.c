/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: see password.h
 *
 * bcrypt is libxcrypt's, opened by the first web configuration with passwords, as OpenSSL is: by
 * either of its names, for what is called here is the same in both. It is crypt_rn(), which says
 * NULL where crypt_r() may say "*0". It writes the salt anew, and of its last character only the
 * two bits that count; so what came out is compared and the salt is not, as Go does it. Digests are
 * HMAC-SHA-256 of OpenSSL. The three texts of a digest are put together with their lengths, so that
 * no two different triples are the same bytes.
 *
 * Law: nothing here depends in time on how much of a secret is right.
 */
#include "server/password.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "server/library.h"
#include "server/openssl.h"

/* What stands before that which came out: $2y$10$ and the salt. */
#define SALTED     (7 + 22)

#define SONAME     "libcrypt.so.1"
#define SONAME_NEW "libcrypt.so.2" /* without what nobody should use any more */

static __typeof__(crypt_rn) *found_crypt_rn;

int password_open(const char *file, struct err *e)
{
    static const char *const sonames[] = {SONAME, SONAME_NEW, NULL};
    static const char *const names[] = {"crypt_rn"};
    static struct library library = {
        .name = "libxcrypt",
        .purpose = "passwords",
        .package = "libcrypt1",
        .sonames = sonames,
        .functions = names,
        .table = &found_crypt_rn,
        .n = 1,
    };

    return library_open(&library, file, e);
}

LIBRARY_NOTE(note, "[{\"feature\":\"passwords\",\"description\":\"passwords of the web interface\","
                   "\"priority\":\"recommended\",\"soname\":[\"" SONAME "\",\"" SONAME_NEW "\"]}]");

bool password_matches(const char *password, const char *hash)
{
    struct crypt_data *data = calloc(1, sizeof *data); /* 32 KiB */
    const char *made = data ? found_crypt_rn(password, hash, data, sizeof *data) : NULL;
    size_t len = strlen(hash);
    bool same = made != NULL && len > SALTED && strlen(made) == len &&
                CRYPTO_memcmp(made + SALTED, hash + SALTED, len - SALTED) == 0;

    if (data != NULL)
        explicit_bzero(data, sizeof *data);
    free(data);
    return same;
}

static void add_part(struct buf *out, struct slice part)
{
    uint64_t len = part.len;

    buf_add(out, &len, sizeof len);
    buf_add_slice(out, part);
}

bool password_digest(struct password_digest *out, const struct password_digest *key,
                     struct slice user, struct slice hash, struct slice password)
{
    struct buf all = {0};
    unsigned len = sizeof out->bytes;
    bool done;

    add_part(&all, user);
    add_part(&all, hash);
    add_part(&all, password);
    done = !all.failed && HMAC(EVP_sha256(), key->bytes, sizeof key->bytes,
                               (const unsigned char *)all.p, all.len, out->bytes, &len) != NULL;
    explicit_bzero(all.p, all.len);
    buf_release(&all);
    return done;
}

bool password_same(const struct password_digest *a, const struct password_digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void password_forget(void *p, size_t len)
{
    if (len > 0)
        explicit_bzero(p, len);
}
