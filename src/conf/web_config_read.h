/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Web configuration, the inside: what its readers and the client's share
 *
 * Contract: private to web_config*.c and client_config.c. A table of keys ends with one without a
 * name; each reads its pair into its field. Everything read is the configuration's at once, so a
 * failure leaves nothing behind.
 */
#ifndef CONF_WEB_CONFIG_READ_H
#define CONF_WEB_CONFIG_READ_H

#include "base/buf.h"
#include "conf/web_config.h"
#include "conf/yaml.h"

struct web_reader {
    void *fields;     /* the configuration, which the tables' offsets are of */
    const char *file; /* its name; relative paths begin in its folder */
    const struct yaml_doc *doc;
    struct err *e;
    err_fn on_warning;
    void *ctx;
    struct buf headers;
};

struct web_key {
    const char *name; /* NULL ends a table */
    int (*read)(struct web_reader *r, const struct yaml_pair *pair, void *field);
    size_t offset; /* of the field in the configuration */
};

#define WEB_FIELD(member) offsetof(struct web_config, member)

/* Read every key of @map by its table; null is "not given". @what and @where are for messages. */
int web_read_keys(struct web_reader *r, const struct yaml_node *map, const char *what,
                  const char *where, const struct web_key *keys);

/* Likewise the whole document, which may be empty. */
int web_read_doc(struct web_reader *r, const struct web_key *keys);

/* @word is none of @words: suggest the nearest, or all of them. Always -EINVAL. */
int web_read_refuse_word(struct web_reader *r, const struct yaml_node *node, const char *what,
                         const char *word, const char *const *words, size_t n);

void web_read_warn(const struct web_reader *r, const struct yaml_node *node, const char *text);

/* Copy @text, with the place of @node. 0 or -ENOMEM. */
int web_read_set(struct web_text *out, const char *text, const struct yaml_node *node);

/* Readers of keys: a struct web_text, one with a path, a bool, the section tls_server_config. */
int web_read_text(struct web_reader *r, const struct yaml_pair *pair, void *field);
int web_read_path(struct web_reader *r, const struct yaml_pair *pair, void *field);
int web_read_bool(struct web_reader *r, const struct yaml_pair *pair, void *field);
int web_read_tls(struct web_reader *r, const struct yaml_pair *pair, void *field);

#endif
