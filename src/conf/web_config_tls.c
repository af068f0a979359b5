/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web configuration: the section tls_server_config
 *
 * The words are those of Go's crypto/tls, since the file is its. What they say together is checked
 * at the end of the section: a door that looks closed and is open is a mistake, not a setting.
 *
 * Paths that are not absolute begin in the folder of the file, whatever the working directory is.
 *
 * Law: suites of TLS 1.3 are taken and left out, for there all are always on, as in Go.
 */
#include "conf/web_config_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

/* A list of words; @check gives what is kept of each ("": nothing), or NULL after a refusal. */
static int read_list(struct web_reader *r, const struct yaml_pair *pair, struct web_texts *out,
                     const char *(*check)(struct web_reader *, const struct yaml_pair *,
                                          const struct yaml_node *, const char *))
{
    const struct yaml_node *list = pair->value;
    int result = yaml_node_expect(r->doc, list, pair->key->text.p, YAML_LIST, r->e);

    if (result < 0)
        return result;
    out->items = calloc(list->n + 1, sizeof *out->items);
    if (out->items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *item = list->items[i];
        const char *text;

        result = yaml_node_text(r->doc, item, pair->key->text.p, &text, r->e);
        if (result < 0)
            return result;
        text = check(r, pair, item, text);
        if (text == NULL)
            return -EINVAL;
        if (*text == '\0')
            continue;
        result = web_read_set(&out->items[out->n++], text, item);
        if (result < 0)
            return result;
    }
    return 0;
}

/* ---- TLS ---- */

static int on_client_auth(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    static const char *const words[] = {"NoClientCert",
                                        "RequestClientCert",
                                        "RequireAnyClientCert",
                                        "VerifyClientCertIfGiven",
                                        "RequireAndVerifyClientCert",
                                        "RequireClientCert"};
    struct web_text *type = &((struct web_config *)r->fields)->client_auth_type;
    int result = web_read_text(r, pair, type);

    if (result < 0 || type->text == NULL)
        return result;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(type->text, words[i]) == 0) {
            *(enum web_client_auth *)field =
                i == 5 ? WEB_CLIENT_REQUIRE_ANY : (enum web_client_auth)i;
            return 0;
        }
    }
    return web_read_refuse_word(r, pair->value, "client_auth_type", type->text, words,
                                sizeof words / sizeof *words);
}

/* Left out, an empty one would let in whom the list keeps out. */
static const char *check_san(struct web_reader *r, const struct yaml_pair *pair,
                             const struct yaml_node *item, const char *text)
{
    if (*text != '\0')
        return text;
    yaml_doc_refuse(r->doc, item, r->e, "%s: an empty name matches nobody; remove it",
                    pair->key->text.p);
    return NULL;
}

static int on_sans(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    return read_list(r, pair, field, check_san);
}

static const char *check_cipher(struct web_reader *r, const struct yaml_pair *pair,
                                const struct yaml_node *item, const char *text)
{
    static const char *const words[] = {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0)
            return i < 10 ? text : ""; /* those of TLS 1.3 are always there */
    }
    web_read_refuse_word(r, item, pair->key->text.p, text, words, 10);
    return NULL;
}

static int on_ciphers(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    struct web_config *c = r->fields;
    int result = read_list(r, pair, field, check_cipher);

    if (result == 0 && pair->value->n > 0 && c->ciphers.n == 0)
        c->tls12 = false; /* none of its ciphers is wanted */
    return result;
}

static const char *check_curve(struct web_reader *r, const struct yaml_pair *pair,
                               const struct yaml_node *item, const char *text)
{
    static const char *const words[] = {"CurveP256", "CurveP384", "CurveP521", "X25519"};
    static const char *const names[] = {"P-256", "P-384", "P-521", "X25519"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0)
            return names[i];
    }
    web_read_refuse_word(r, item, pair->key->text.p, text, words, sizeof words / sizeof *words);
    return NULL;
}

static int on_curves(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    return read_list(r, pair, field, check_curve);
}

/* 10 to 13, as in TLS10. */
static int read_version(struct web_reader *r, const struct yaml_pair *pair, unsigned *out)
{
    static const char *const words[] = {"TLS10", "TLS11", "TLS12", "TLS13"};
    const char *text;
    int result = yaml_node_text(r->doc, pair->value, pair->key->text.p, &text, r->e);

    if (result < 0)
        return result;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = 10 + i;
            return 0;
        }
    }
    return web_read_refuse_word(r, pair->value, pair->key->text.p, text, words + 2, 2);
}

static int on_min_version(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    unsigned version;
    int result = read_version(r, pair, &version);

    if (result < 0)
        return result;
    if (version < 12)
        web_read_warn(r, pair->value,
                      "min_version: TLS 1.0 and 1.1 are insecure and not supported; write TLS12");
    if (version == 13)
        *(bool *)field = false;
    return 0;
}

static int on_max_version(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    unsigned version;
    int result = read_version(r, pair, &version);

    if (result < 0)
        return result;
    if (version < 12)
        return yaml_doc_refuse(
            r->doc, pair->value, r->e,
            "max_version: TLS 1.0 and 1.1 are insecure and not supported; write TLS12 or TLS13");
    if (version == 12)
        *(bool *)field = false;
    return 0;
}

static const struct web_key tls_keys[] = {
    {"cert", web_read_text, WEB_FIELD(cert)},
    {"key", web_read_text, WEB_FIELD(key)},
    {"client_ca", web_read_text, WEB_FIELD(client_ca)},
    {"cert_file", web_read_path, WEB_FIELD(cert_file)},
    {"key_file", web_read_path, WEB_FIELD(key_file)},
    {"client_ca_file", web_read_path, WEB_FIELD(client_ca_file)},
    {"client_auth_type", on_client_auth, WEB_FIELD(client_auth)},
    {"client_allowed_sans", on_sans, WEB_FIELD(client_sans)},
    {"min_version", on_min_version, WEB_FIELD(tls12)},
    {"max_version", on_max_version, WEB_FIELD(tls13)},
    {"cipher_suites", on_ciphers, WEB_FIELD(ciphers)},
    {"prefer_server_cipher_suites", web_read_bool, WEB_FIELD(prefer_server_ciphers)},
    {"curve_preferences", on_curves, WEB_FIELD(curves)},
    {.name = NULL},
};

/* What the keys of the section say together. */
static int check_tls(struct web_reader *r, const struct yaml_node *key)
{
    const struct web_config *c = r->fields;
    bool has_ca = c->client_ca.text != NULL || c->client_ca_file.text != NULL;
    bool verifies = c->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN;
    const struct web_text *ca = c->client_ca.text != NULL ? &c->client_ca : &c->client_ca_file;

    if (c->cert.text == NULL && c->cert_file.text == NULL)
        return yaml_doc_refuse(r->doc, key, r->e,
                               "tls_server_config has no certificate; give cert_file, or leave the "
                               "section out for plain HTTP");
    if (c->key.text == NULL && c->key_file.text == NULL)
        return yaml_doc_refuse(r->doc, key, r->e,
                               "tls_server_config has no key; give key_file beside cert_file");
    if (!c->tls12 && !c->tls13)
        return yaml_doc_refuse(r->doc, key, r->e,
                               "tls_server_config leaves no version of TLS; let min_version, "
                               "max_version and cipher_suites agree");
    if (verifies && !has_ca)
        return web_text_refuse(c->file, &c->client_auth_type, r->e,
                               "client_auth_type: %s has nothing to verify with; give "
                               "client_ca_file",
                               c->client_auth_type.text);
    if (has_ca && c->client_auth == WEB_CLIENT_NONE)
        return web_text_refuse(c->file, ca, r->e,
                               "a client CA has no effect without client_auth_type; write "
                               "client_auth_type: RequireAndVerifyClientCert");
    if (c->client_sans.n > 0 && c->client_auth == WEB_CLIENT_NONE)
        return web_text_refuse(c->file, &c->client_sans.items[0], r->e,
                               "client_allowed_sans has no effect without client_auth_type; write "
                               "client_auth_type: RequireAndVerifyClientCert");
    return 0;
}

int web_read_tls(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    struct web_config *c = r->fields;
    int result =
        web_read_keys(r, pair->value, "tls_server_config", "a key of tls_server_config", tls_keys);

    (void)field;
    if (result < 0 || pair->value->n == 0)
        return result;
    c->has_tls = true;
    if (c->client_auth == WEB_CLIENT_REQUEST || c->client_auth == WEB_CLIENT_REQUIRE_ANY)
        web_read_warn(
            r, pair->key,
            "client_auth_type admits everybody, since anybody can create such a certificate; write "
            "RequireAndVerifyClientCert");
    return check_tls(r, pair->key);
}
