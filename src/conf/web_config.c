/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web configuration: see web_config.h
 *
 * One table of keys for each section, one reader for each key; those of TLS are in
 * web_config_tls.c. A key that no table knows is an error with a suggestion: a typo in a file about
 * who may come in must not leave a door open. For the same reason some files that exporter-toolkit
 * takes are refused or warned of here:
 *
 *      TLS section without certificate    refused; there it is plain HTTP
 *      certificates to be verified        refused without client_ca; there every certificate of a
 *                                         public authority is good
 *      rate_limit without burst           refused; there no request is ever served
 *      min_version below TLS12            TLS 1.2 with a warning
 *      http2: true                        HTTP/1.1 with a warning
 *
 * Law: nothing half-read gets out.
 */
#include "conf/web_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/web_config_read.h"

#define MAX_KEYS 16

/* ---- telling ---- */

int web_text_refuse(const char *file, const struct web_text *text, struct err *e, const char *fmt,
                    ...)
{
    va_list args;

    va_start(args, fmt);
    err_set_args(e, file, text ? text->line : 0, text ? text->column : 0, fmt, args);
    va_end(args);
    return -EINVAL;
}

void web_read_warn(const struct web_reader *r, const struct yaml_node *node, const char *text)
{
    struct err e;

    if (r->on_warning == NULL)
        return;
    yaml_doc_refuse(r->doc, node, &e, "%s", text);
    r->on_warning(r->ctx, &e);
}

/* @word is none of @words: the nearest, or all of them. */
int web_read_refuse_word(struct web_reader *r, const struct yaml_node *node, const char *what,
                         const char *word, const char *const *words, size_t n)
{
    const char *near = err_suggest(word, words, n);
    char list[512] = "";
    size_t len = 0;

    if (near != NULL)
        return yaml_doc_refuse(r->doc, node, r->e, "%s cannot be \"%.100s\"; did you mean \"%s\"?",
                               what, word, near);
    for (size_t i = 0; i < n && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", words[i]);
    return yaml_doc_refuse(r->doc, node, r->e, "%s cannot be \"%.100s\"; write one of: %s", what,
                           word, list);
}

static int refuse_key(struct web_reader *r, const struct yaml_node *key, const char *where,
                      const struct web_key *keys)
{
    const char *words[MAX_KEYS];
    size_t n = 0;

    for (; keys->name != NULL && n < MAX_KEYS; keys++)
        words[n++] = keys->name;
    return web_read_refuse_word(r, key, where, key->text.p, words, n);
}

/* Every key of a mapping by its table; null is "not given". */
int web_read_keys(struct web_reader *r, const struct yaml_node *map, const char *what,
                  const char *where, const struct web_key *keys)
{
    int result = yaml_node_expect(r->doc, map, what, YAML_MAP, r->e);

    for (size_t i = 0; result == 0 && i < map->n; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        const struct web_key *k = keys;

        while (k->name != NULL && !slice_eq_str(pair->key->text, k->name))
            k++;
        if (k->name == NULL)
            return refuse_key(r, pair->key, where, keys);
        if (!yaml_node_is_null(pair->value))
            result = k->read(r, pair, (char *)r->fields + k->offset);
    }
    return result;
}

/* ---- values ---- */

int web_read_set(struct web_text *out, const char *text, const struct yaml_node *node)
{
    out->text = strdup(text);
    out->line = node->line;
    out->column = node->column;
    return out->text != NULL ? 0 : -ENOMEM;
}

/* An empty text is none, as there. */
int web_read_text(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    const char *text;
    int result = yaml_node_text(r->doc, pair->value, pair->key->text.p, &text, r->e);

    if (result < 0 || *text == '\0')
        return result;
    return web_read_set(field, text, pair->value);
}

/* A path that is not absolute begins in the folder of the file. */
int web_read_path(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    const char *slash = strrchr(r->file, '/');
    struct web_text *out = field;
    struct buf path = {0};
    int result = web_read_text(r, pair, field);

    if (result < 0 || out->text == NULL || out->text[0] == '/' || slash == NULL)
        return result;
    buf_add(&path, r->file, (size_t)(slash - r->file) + 1);
    buf_add_str(&path, out->text);
    buf_add_byte(&path, '\0');
    if (path.failed) {
        buf_release(&path);
        return -ENOMEM;
    }
    free(out->text);
    out->text = path.p;
    return 0;
}

int web_read_bool(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    return yaml_node_bool(r->doc, pair->value, pair->key->text.p, field, r->e);
}

/* ---- HTTP ---- */

static int on_http2(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    bool on;
    int result = web_read_bool(r, pair, &on);

    (void)field;
    if (result == 0 && on)
        web_read_warn(
            r, pair->value,
            "http2: HTTP/2 is not supported, clients get HTTP/1.1; write false, or remove it");
    return result;
}

/* A line for every answer. @words (NULL: any) are the values that it may have. */
static int add_header(struct web_reader *r, const struct yaml_pair *pair, const char *const *words,
                      size_t n)
{
    const char *name = pair->key->text.p, *text;
    int result = yaml_node_text(r->doc, pair->value, name, &text, r->e);

    if (result < 0 || *text == '\0')
        return result;
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return yaml_doc_refuse(
                r->doc, pair->value, r->e,
                "%s: a header must not contain control characters; write it in one line", name);
    }
    for (size_t i = 0; i < n && strcmp(text, words[i]) != 0; i++) {
        if (i + 1 == n)
            return web_read_refuse_word(r, pair->value, name, text, words, n);
    }
    buf_addf(&r->headers, "%s: %s\r\n", name, text);
    return r->headers.failed ? -ENOMEM : 0;
}

static int on_header(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    (void)field;
    return add_header(r, pair, NULL, 0);
}

static int on_frame_options(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    static const char *const words[] = {"deny", "sameorigin"};

    (void)field;
    return add_header(r, pair, words, 2);
}

/* Every answer has it anyway. */
static int on_type_options(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    static const char *const words[] = {"nosniff"};
    size_t len = r->headers.len;
    int result = add_header(r, pair, words, 1);

    (void)field;
    r->headers.len = len;
    return result;
}

static const struct web_key header_keys[] = {
    {"Content-Security-Policy", on_header, 0},      {"X-Frame-Options", on_frame_options, 0},
    {"X-Content-Type-Options", on_type_options, 0}, {"X-XSS-Protection", on_header, 0},
    {"Strict-Transport-Security", on_header, 0},    {.name = NULL},
};

static int on_headers(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    (void)field;
    return web_read_keys(r, pair->value, "headers", "a header to be set", header_keys);
}

static const struct web_key http_keys[] = {
    {"http2", on_http2, 0},
    {"headers", on_headers, 0},
    {.name = NULL},
};

static int on_http(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    (void)field;
    return web_read_keys(r, pair->value, "http_server_config", "a key of http_server_config",
                         http_keys);
}

/* ---- passwords ---- */

/*
 * $2y$10$, a salt of 22 characters and 31 of what came out. The last of these has four bits; a hash
 * that has others there is a copy that went wrong and nobody's password. The cost, or 0: it is no
 * bcrypt hash.
 */
static unsigned bcrypt_cost(const char *hash)
{
    static const char letters[] =
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    if (strlen(hash) != WEB_CONFIG_HASH_LEN || strncmp(hash, "$2", 2) != 0 ||
        strchr("aby", hash[2]) == NULL || hash[3] != '$' || hash[6] != '$' ||
        strspn(hash + 7, letters) != WEB_CONFIG_HASH_LEN - 7 ||
        (strchr(letters, hash[WEB_CONFIG_HASH_LEN - 1]) - letters) % 4 != 0)
        return 0;
    if (hash[4] < '0' || hash[4] > '3' || hash[5] < '0' || hash[5] > '9')
        return 0;
    return (unsigned)(hash[4] - '0') * 10 + (unsigned)(hash[5] - '0');
}

/* The hash itself is never told. */
static int check_hash(struct web_reader *r, const struct yaml_node *node, const char *hash)
{
    unsigned cost = bcrypt_cost(hash);

    if (cost < 4 || cost > 31)
        return yaml_doc_refuse(
            r->doc, node, r->e,
            "basic_auth_users: this is not a bcrypt hash; create one with htpasswd "
            "-nBC 10 \"\" | tr -d ':\\n'");
    if (cost > WEB_CONFIG_MAX_COST)
        return yaml_doc_refuse(r->doc, node, r->e,
                               "basic_auth_users: a bcrypt cost of %u takes minutes for each "
                               "password; make a hash with 10 to 12",
                               cost);
    return 0;
}

static int read_user(struct web_reader *r, const struct yaml_pair *pair, struct web_user *user)
{
    const char *name, *hash;
    int result = yaml_node_text(r->doc, pair->key, "basic_auth_users", &name, r->e);

    if (result == 0)
        result = yaml_node_text(r->doc, pair->value, "basic_auth_users", &hash, r->e);
    if (result < 0)
        return result;
    if (strchr(name, ':') != NULL)
        return yaml_doc_refuse(
            r->doc, pair->key, r->e,
            "basic_auth_users: a name with a colon cannot be sent; leave it out");
    result = check_hash(r, pair->value, hash);
    if (result < 0)
        return result;
    memcpy(user->hash, hash, sizeof user->hash);
    user->name = strdup(name);
    return user->name != NULL ? 0 : -ENOMEM;
}

static int on_users(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    const struct yaml_node *map = pair->value;
    struct web_config *c = r->fields;
    int result = yaml_node_expect(r->doc, map, "basic_auth_users", YAML_MAP, r->e);

    (void)field;
    if (result < 0)
        return result;
    c->users = calloc(map->n + 1, sizeof *c->users);
    if (c->users == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < map->n && result == 0; i++)
        result = read_user(r, &map->pairs[i], &c->users[c->n_users++]);
    return result;
}

/* ---- the rate ---- */

static int on_interval(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    struct yaml_duration d;
    int result = yaml_node_duration(r->doc, pair->value, "interval", &d, r->e);

    if (result < 0)
        return result;
    if (d.ns < 0)
        return yaml_doc_refuse(r->doc, pair->value, r->e,
                               "interval is below zero; write something like 100ms, or 0");
    *(int64_t *)field = d.ns;
    return 0;
}

static int on_burst(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    return yaml_node_u32(r->doc, pair->value, "burst", field, r->e);
}

static const struct web_key rate_keys[] = {
    {"interval", on_interval, WEB_FIELD(rate_interval_ns)},
    {"burst", on_burst, WEB_FIELD(rate_burst)},
    {.name = NULL},
};

static int on_rate(struct web_reader *r, const struct yaml_pair *pair, void *field)
{
    const struct web_config *c = r->fields;
    int result = web_read_keys(r, pair->value, "rate_limit", "a key of rate_limit", rate_keys);

    (void)field;
    if (result == 0 && c->rate_interval_ns > 0 && c->rate_burst == 0)
        return yaml_doc_refuse(r->doc, pair->key, r->e,
                               "rate_limit without burst serves no request at all; give burst, at "
                               "least 1");
    return result;
}

/* ---- the whole ---- */

static const struct web_key top_keys[] = {
    {"tls_server_config", web_read_tls, 0},
    {"http_server_config", on_http, 0},
    {"basic_auth_users", on_users, 0},
    {"rate_limit", on_rate, 0},
    {.name = NULL},
};

/* A section with nothing in it looks like a closed door. */
static void warn_open(const struct web_reader *r)
{
    static const struct {
        const char *key, *text;
    } sections[] = {
        {"tls_server_config", "tls_server_config is empty, so this is plain HTTP; give cert_file "
                              "and key_file, or leave the section out"},
        {"basic_auth_users", "basic_auth_users is empty, so no password is required; add a user, "
                             "or remove the section"},
    };
    const struct yaml_node *root = yaml_doc_root(r->doc);

    for (size_t i = 0; root != NULL && i < root->n; i++) {
        const struct yaml_pair *pair = &root->pairs[i];

        for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
            if (slice_eq_str(pair->key->text, sections[k].key) && pair->value->n == 0)
                web_read_warn(r, pair->key, sections[k].text);
        }
    }
}

static void release_texts(struct web_texts *texts)
{
    for (size_t i = 0; i < texts->n; i++)
        free(texts->items[i].text);
    free(texts->items);
}

void web_config_free(struct web_config *c)
{
    if (c == NULL)
        return;
    free(c->file);
    free(c->cert.text);
    free(c->key.text);
    free(c->client_ca.text);
    free(c->cert_file.text);
    free(c->key_file.text);
    free(c->client_ca_file.text);
    free(c->client_auth_type.text);
    release_texts(&c->client_sans);
    release_texts(&c->ciphers);
    release_texts(&c->curves);
    free(c->headers);
    for (size_t i = 0; i < c->n_users; i++)
        free(c->users[i].name);
    free(c->users);
    free(c);
}

static int take_headers(struct web_reader *r)
{
    if (r->headers.len == 0)
        return 0;
    buf_add_byte(&r->headers, '\0');
    if (r->headers.failed)
        return -ENOMEM;
    ((struct web_config *)r->fields)->headers = r->headers.p;
    r->headers = (struct buf){0};
    return 0;
}

int web_read_doc(struct web_reader *r, const struct web_key *keys)
{
    const struct yaml_node *root = yaml_doc_root(r->doc);

    if (root == NULL || yaml_node_is_null(root))
        return 0;
    return web_read_keys(r, root, "the file", "a section of this file", keys);
}

int web_config_new(struct web_config **out, const char *file, struct slice text, err_fn on_warning,
                   void *ctx, struct err *e)
{
    struct web_config *c = calloc(1, sizeof *c);
    struct web_reader r = {.fields = c, .e = e, .on_warning = on_warning, .ctx = ctx};
    struct yaml_doc *doc = NULL;
    int result = -ENOMEM;

    if (c == NULL)
        return -ENOMEM;
    c->tls12 = c->tls13 = c->prefer_server_ciphers = true;
    c->file = strdup(file);
    r.file = c->file;
    if (c->file != NULL)
        result = yaml_doc_new(&doc, file, text, e);
    r.doc = doc;
    if (result == 0)
        result = web_read_doc(&r, top_keys);
    if (result == 0)
        warn_open(&r);
    if (result == 0)
        result = take_headers(&r);
    buf_release(&r.headers);
    yaml_doc_free(doc);
    if (result < 0) {
        web_config_free(c);
        return result;
    }
    *out = c;
    return 0;
}
