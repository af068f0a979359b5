/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client configuration: certificates and password for asking a server
 *
 * Contract: the file is Prometheus' http_config (a scrape's, promtool's --http.config.file), read
 * strictly: basic_auth and tls_config, no more. Nothing but its text is looked at here.
 */
#ifndef CONF_CLIENT_CONFIG_H
#define CONF_CLIENT_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"
#include "conf/web_config.h"

struct client_config {
    char *file; /* owned: its name, for messages */

    struct web_text ca, cert, key;                /* PEM */
    struct web_text ca_file, cert_file, key_file; /* paths from where we are */
    struct web_text server_name;                  /* whom the certificate must name */
    bool skip_verify;

    bool has_auth;
    struct web_text user, password, password_file;
};

/* As web_config_new(). */
int client_config_new(struct client_config **out, const char *file, struct slice text,
                      err_fn on_warning, void *ctx, struct err *e);
void client_config_free(struct client_config *c); /* accepts NULL; overwrites the password */

#endif
