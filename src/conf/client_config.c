/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client configuration: see client_config.h
 *
 *      basic_auth: {username: prometheus, password_file: password}
 *      tls_config: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key}
 *
 * What Prometheus has besides (bearer tokens, proxies, redirects) is refused: who writes it expects
 * that it is used. Without tls_config servers are believed that the system's authorities vouch for.
 *
 * Law: nothing half-read gets out.
 */
#include "conf/client_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/web_config_read.h"

#define FIELD(member) offsetof(struct client_config, member)

static const struct web_key tls_keys[] = {
    {"ca", web_read_text, FIELD(ca)},
    {"cert", web_read_text, FIELD(cert)},
    {"key", web_read_text, FIELD(key)},
    {"ca_file", web_read_path, FIELD(ca_file)},
    {"cert_file", web_read_path, FIELD(cert_file)},
    {"key_file", web_read_path, FIELD(key_file)},
    {"server_name", web_read_text, FIELD(server_name)},
    {"insecure_skip_verify", web_read_bool, FIELD(skip_verify)},
    {.name = NULL},
};

static int on_tls(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    struct client_config *c = r->fields;
    int result = web_read_keys(r, pair->value, "tls_config", "a key of tls_config", tls_keys);
    bool has_cert = c->cert.text != NULL || c->cert_file.text != NULL;
    bool has_key = c->key.text != NULL || c->key_file.text != NULL;

    (void)field;
    if (result < 0)
        return result;
    if (has_cert != has_key)
        return yaml_doc_refuse(
            r->doc, pair->key, r->e, "tls_config: %s; give cert_file and key_file together",
            has_cert ? "a certificate without its key" : "a key without its certificate");
    if (c->skip_verify)
        web_read_warn(r, pair->key,
                      "insecure_skip_verify sends the password to whoever answers; set ca_file "
                      "instead, which may be the server's own certificate");
    return 0;
}

static const struct web_key auth_keys[] = {
    {"username", web_read_text, FIELD(user)},
    {"password", web_read_text, FIELD(password)},
    {"password_file", web_read_path, FIELD(password_file)},
    {.name = NULL},
};

static int on_auth(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    struct client_config *c = r->fields;
    int result = web_read_keys(r, pair->value, "basic_auth", "a key of basic_auth", auth_keys);

    (void)field;
    if (result < 0)
        return result;
    if (c->user.text != NULL && strchr(c->user.text, ':') != NULL)
        return web_text_refuse(c->file, &c->user, r->e,
                               "username: a name with a colon cannot be sent; leave it out");
    if (c->password.text != NULL && c->password_file.text != NULL)
        return web_text_refuse(c->file, &c->password_file, r->e,
                               "password and password_file are both given; leave one out");
    c->has_auth = true;
    return 0;
}

static const struct web_key top_keys[] = {
    {"basic_auth", on_auth, 0},
    {"tls_config", on_tls, 0},
    {.name = NULL},
};

static void forget(struct web_text *text)
{
    if (text->text != NULL)
        explicit_bzero(text->text, strlen(text->text));
    free(text->text);
}

void client_config_free(struct client_config *c)
{
    if (c == NULL)
        return;
    free(c->file);
    free(c->ca.text);
    free(c->cert.text);
    forget(&c->key);
    free(c->ca_file.text);
    free(c->cert_file.text);
    free(c->key_file.text);
    free(c->server_name.text);
    free(c->user.text);
    forget(&c->password);
    free(c->password_file.text);
    free(c);
}

int client_config_new(struct client_config **out, const char *file, struct slice text,
                      err_fn on_warning, void *ctx, struct err *e)
{
    struct client_config *c = calloc(1, sizeof *c);
    struct web_reader r = {.fields = c, .e = e, .on_warning = on_warning, .ctx = ctx};
    struct yaml_doc *doc = NULL;
    int result = -ENOMEM;

    if (c == NULL)
        return -ENOMEM;
    c->file = strdup(file);
    r.file = c->file;
    if (c->file != NULL)
        result = yaml_doc_new(&doc, file, text, e);
    r.doc = doc;
    if (result == 0)
        result = web_read_doc(&r, top_keys);
    yaml_doc_free(doc);
    if (result < 0) {
        client_config_free(c);
        return result;
    }
    *out = c;
    return 0;
}
