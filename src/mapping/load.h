/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: what the load_*.c files share
 *
 * Contract: private to them, and to keys.c, which shows the tables. Every level of the mapping file
 * is tables of keys, a row for each with the function that reads its value and what a manual says
 * of it; a key that is in no table is an error. load.c reads the top, load_defaults.c the defaults,
 * load_rule.c a rule; of the keys that both have load_observer.c reads those of observers and sets,
 * load_labels.c those of labels and load_common.c the others; load_check.c knows the grammars,
 * load_resolve.c puts the observers of rules and defaults together.
 */
#ifndef MAPPING_LOAD_H
#define MAPPING_LOAD_H

#include "base/err.h"
#include "conf/yaml.h"
#include "mapping/rule.h"
#include "mapping/shelf.h"

struct load {
    struct shelf *shelf;        /* where everything goes that a rule points to */
    const struct yaml_doc *doc; /* of the file that is read; outlives the load */
    err_fn on_warning;          /* may be NULL */
    void *ctx;
    struct err *e;
};

/* Fill the error, with the place of @node. Always -EINVAL. */
#define load_refuse(l, node, ...) yaml_doc_refuse((l)->doc, node, (l)->e, __VA_ARGS__)

/* Tell the operator, and go on. */
void load_warn(const struct load *l, const struct yaml_node *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- keys ---- */

struct load_key {
    const char *name;
    /* @pair's value is not null. 0; -ENOMEM; -EINVAL with the error filled. */
    int (*read)(struct load *l, const struct yaml_pair *pair, void *into);
    bool hidden;          /* accepted, and neither suggested nor shown: what follows is empty */
    const char *value;    /* what is written there: DURATION, glob|regex, [NAME, ...] */
    const char *fallback; /* what holds where it is left out; NULL: it must be there */
    const char *help;     /* a sentence or two */
};

#define LOAD_MAX_KEYS 32

/*
 * Read the mapping @node, called @what in messages, key by key. A null value leaves its key unset.
 * @tables end with a NULL, each of them with a zeroed row.
 */
int load_keys(struct load *l, const struct yaml_node *node, const char *what,
              const struct load_key *const *tables, void *into);

extern const struct load_key load_top_keys[];      /* load.c */
extern const struct load_key load_defaults_keys[]; /* load_defaults.c */
extern const struct load_key load_rule_keys[];     /* load_rule.c */
extern const struct load_key load_common_keys[];   /* load_common.c */
extern const struct load_key load_label_keys[];    /* load_labels.c; the rest: load_observer.c */
extern const struct load_key load_observer_keys[];
extern const struct load_key load_summary_keys[];
extern const struct load_key load_quantile_keys[];
extern const struct load_key load_histogram_keys[];
extern const struct load_key load_set_keys[];

/* The position of @pair's value among @n @words; a first word "" is taken, but not suggested. */
int load_word(struct load *l, const struct yaml_pair *pair, const char *const *words, size_t n,
              size_t *out);

/* Shelve @pair's value, any scalar, as it was written. */
int load_text(struct load *l, const struct yaml_pair *pair, const char **out);

/* Read a duration; a number without a unit is taken, with a warning when it is not 0. */
int load_duration(struct load *l, const struct yaml_pair *pair, int64_t *out_ns);

/* ---- observers and sets (load_observer.c) ---- */

struct load_list {
    const struct yaml_node *node; /* NULL: not given */
    size_t n;
    const void *v; /* double or struct mapping_quantile; shelved */
};

/*
 * What one level says about observers and sets, before defaults. The first member of struct
 * load_common.
 */
struct load_observer {
    const struct yaml_node *type_key, *old_type_key; /* NULL: not given, like the next three */
    enum mapping_observer type, old_type;
    const struct yaml_node *summary; /* the options' keys */
    const struct yaml_node *histogram, *set;
    struct load_list buckets, quantiles;
    struct load_list old_buckets, old_quantiles; /* beside the options, as before 0.31 */
    int64_t max_age_ns;                          /* this and the next three: 0 is unset */
    uint32_t age_buckets;
    double native_factor;
    uint32_t native_max_buckets;
    int64_t set_window_ns; /* 0: unset, like the next */
    double set_error;
};

/* ---- labels (load_labels.c) ---- */

/* What one level says about the tags of samples. */
struct load_label_ops {
    const struct yaml_node *keep, *drop, *rename; /* NULL: not given */
    struct mapping_label_ops ops;
};

/*
 * Shelve {name: text, ...}: the names by the grammar of labels, the texts as they are; in order of
 * names.
 */
int load_labels(struct load *l, const struct yaml_pair *pair, const struct mapping_label **out,
                size_t *n);

/* The same for match_labels, whose names are those of tags. */
int load_match_labels(struct load *l, const struct yaml_pair *pair,
                      const struct mapping_label **out, size_t *n);

/* Shelve [text, ...] or one text alone, in the order of the file. */
int load_words(struct load *l, const struct yaml_pair *pair, struct mapping_words *out);

/*
 * Write @out: what @o says, and what @defaults (NULL: none) say where it says nothing. Warns of
 * what cannot have an effect.
 */
void load_label_ops_resolve(const struct load *l, const struct load_label_ops *o,
                            const struct mapping_label_ops *defaults,
                            struct mapping_label_ops *out);

/* Warn when @name is one that the exposition keeps for itself: of an observer @type, or of all when
 * it is NULL. */
void load_warn_reserved(const struct load *l, const struct yaml_node *node, const char *name,
                        const enum mapping_observer *type);

/* ---- the other keys that rules and defaults have (load_common.c) ---- */

/*
 * What one level says, before defaults. Rules and defaults have it as their first member, so that
 * both share the readers in load_common_keys, load_label_keys and load_observer_keys.
 */
struct load_common {
    struct load_observer observer; /* first: see there */
    bool has_match_type;
    enum mapping_match_type match_type;
    const struct yaml_node *ttl, *gauge_mode, *unit; /* NULL: not given */
    int64_t ttl_ns;
    enum mapping_gauge_mode gauge_mode_word;
    double unit_seconds;
    struct load_label_ops label_ops;
};

/* ---- defaults (load_defaults.c) ---- */

/* What every rule starts from. Complete before the first rule is read. */
struct load_defaults {
    struct load_common common;              /* first: see there */
    const struct yaml_node *order, *labels; /* NULL: not given */
    struct mapping_defaults *settled;       /* borrowed */
    int64_t library_max_age_ns;             /* what holds where the file's defaults do not */
    uint32_t library_age_buckets;
};

/*
 * Read the defaults section @node (NULL: there is none) into @d, whose settled defaults hold the
 * library's. 0; -ENOMEM; -EINVAL with the error filled.
 */
int load_defaults(struct load *l, const struct yaml_node *node, struct load_defaults *d);

/* Put what the defaults section says over the library's options in d->settled. */
void load_observer_settle(struct load_defaults *d);

/* Fill how @rule treats observers and sets from what it says and the defaults. 0 or -EINVAL. */
int load_observer_resolve(struct load *l, const struct load_observer *o,
                          const struct load_defaults *d, const struct mapping_rule *rule,
                          struct mapping_treatment *how);

/* ---- one rule (load_rule.c) ---- */

/* Fill @rule, zeroed before but for its file. */
int load_rule(struct load *l, const struct yaml_node *node, const struct load_defaults *defaults,
              struct mapping_rule *rule);

/* ---- grammars (load_check.c) ---- */

/* Each refuses @text, which stands at @node, when it breaks the grammar. 0 or -EINVAL. */
int load_check_label(struct load *l, const struct yaml_node *node, const char *text);
int load_check_tag(struct load *l, const struct yaml_node *node, const char *text);
int load_check_name(struct load *l, const struct yaml_node *node, const char *text);
int load_check_glob(struct load *l, const struct yaml_node *node, const char *text);

/* How many captures a glob makes. */
size_t load_n_captures(const char *glob);

/* Warn of each reference in @text that a glob with @n_captures leaves empty. */
void load_check_references(const struct load *l, const struct yaml_node *node, const char *text,
                           size_t n_captures);

#endif
