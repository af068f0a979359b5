/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web configuration: TLS, passwords, headers and rate of the web interface
 *
 * Contract: the file is Prometheus' (exporter-toolkit's web.config.file), read strictly. Nothing
 * but its text is looked at here: what the certificates hold is for who opens their files, and the
 * places kept with each text are for him to tell what is wrong.
 */
#ifndef CONF_WEB_CONFIG_H
#define CONF_WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define WEB_CONFIG_MAX_BYTES (1u << 20)
#define WEB_CONFIG_HASH_LEN  60 /* of bcrypt, as text */
#define WEB_CONFIG_MAX_COST  18 /* some 20 s a password */

struct web_text {
    char *text; /* owned; NULL: not given */
    unsigned line, column;
};

struct web_texts {
    struct web_text *items; /* owned */
    size_t n;
};

/* As Go's crypto/tls has them, since the file's words are its. */
enum web_client_auth {
    WEB_CLIENT_NONE,
    WEB_CLIENT_REQUEST,         /* asked for, and not looked at */
    WEB_CLIENT_REQUIRE_ANY,     /* there must be one, of whomever */
    WEB_CLIENT_VERIFY_IF_GIVEN, /* none, or a good one */
    WEB_CLIENT_REQUIRE_AND_VERIFY,
};

struct web_user {
    char *name;                         /* owned */
    char hash[WEB_CONFIG_HASH_LEN + 1]; /* $2y$10$... */
};

struct web_config {
    char *file; /* owned: its name, for messages */

    bool has_tls;
    struct web_text cert, key, client_ca;                /* PEM */
    struct web_text cert_file, key_file, client_ca_file; /* paths from where we are */
    struct web_text client_auth_type;
    enum web_client_auth client_auth;
    struct web_texts client_sans; /* n 0: any */
    bool tls12, tls13;            /* which are spoken */
    struct web_texts ciphers;     /* of TLS 1.2, in the words of the RFCs; n 0: our choice */
    struct web_texts curves;      /* in OpenSSL's words; n 0: its choice */
    bool prefer_server_ciphers;

    char *headers; /* owned: lines for every answer, each with CR LF; NULL: none */

    struct web_user *users; /* owned */
    size_t n_users;         /* 0: nobody is asked for a password */

    int64_t rate_interval_ns; /* one request in so long; 0: as many as come */
    uint32_t rate_burst;      /* and so many at once */
};

/*
 * Read @text, which is borrowed during the call. @file names it in messages, and relative paths in
 * it begin where it lies. 0; -ENOMEM; -EINVAL with @e filled. @on_warning (NULL: nobody) is told
 * what is legal and surely not meant.
 */
int web_config_new(struct web_config **out, const char *file, struct slice text, err_fn on_warning,
                   void *ctx, struct err *e);
void web_config_free(struct web_config *c); /* accepts NULL */

/* Fill @e with the place of @text (NULL: the file alone) and the message. Always -EINVAL. */
int web_text_refuse(const char *file, const struct web_text *text, struct err *e, const char *fmt,
                    ...) __attribute__((format(printf, 4, 5)));

#endif
