/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz: the web configuration on any bytes
 *
 * Law: whatever a file holds, reading it ends with a configuration that keeps its promises or with
 * a message that has a place and a text, and leaves nothing behind.
 */
#include "conf/web_config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void on_warning(void *ctx, const struct err *e)
{
    (void)ctx;
    require(e->text[0] != '\0' && e->line > 0);
}

static void check(const struct web_config *c)
{
    if (c->has_tls) {
        require(c->cert.text != NULL || c->cert_file.text != NULL);
        require(c->key.text != NULL || c->key_file.text != NULL);
        require(c->tls12 || c->tls13);
    }
    for (size_t i = 0; i < c->n_users; i++) {
        require(strlen(c->users[i].hash) == WEB_CONFIG_HASH_LEN);
        require(strchr(c->users[i].name, ':') == NULL);
    }
    for (const char *p = c->headers; p != NULL && *p != '\0'; p = strstr(p, "\r\n") + 2)
        require(strstr(p, "\r\n") != NULL && strstr(p, ": ") != NULL);
    require(c->rate_interval_ns >= 0 && (c->rate_interval_ns == 0 || c->rate_burst > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    struct err e = {0};
    struct web_config *c;
    int r;

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    r = web_config_new(&c, "etc/web.yml", slice_of(text, size), on_warning, NULL, &e);
    free(text);
    if (r == 0) {
        check(c);
        web_config_free(c);
    } else {
        require(r == -ENOMEM || (r == -EINVAL && e.text[0] != '\0' && e.line > 0));
    }
    return 0;
}
