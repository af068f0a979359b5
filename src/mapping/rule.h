/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule: one entry of the mapping file, as the loader hands it to the matcher
 *
 * Contract: the loader fills rules with every default resolved and every name checked. All strings
 * are NUL-terminated; they and all else that a rule points to lie on the mapping's shelf, or are
 * static: nobody frees them, and what is the same in two rules may be the same memory.
 */
#ifndef MAPPING_RULE_H
#define MAPPING_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kinds that rules are matched by. A rule may be restricted to any but sets, which are a kind
 * of our own: statsd_exporter refuses the word. */
enum mapping_kind { MAPPING_COUNTER, MAPPING_GAUGE, MAPPING_OBSERVER, MAPPING_SET };
#define MAPPING_N_KINDS 4

enum mapping_match_type { MAPPING_GLOB, MAPPING_REGEX };
enum mapping_action { MAPPING_MAP, MAPPING_DROP };
enum mapping_observer { MAPPING_SUMMARY, MAPPING_HISTOGRAM };

/* What a sign before a gauge's value means. */
enum mapping_gauge_mode {
    MAPPING_GAUGE_UNSET,    /* what the server's settings say */
    MAPPING_GAUGE_DELTA,    /* +n and -n change the value */
    MAPPING_GAUGE_ABSOLUTE, /* the sign belongs to the number */
    MAPPING_GAUGE_ETSY,     /* as delta, but where there is no number to change, it is set */
};

struct mapping_quantile {
    double quantile; /* 0..1 */
    double error;
};

/* How observations are kept: all defaults already filled in. */
struct mapping_observer_options {
    enum mapping_observer type;
    uint32_t native_max_buckets;
    uint32_t age_buckets;
    uint32_t n_quantiles;
    size_t n_buckets;
    const double *buckets; /* finite upper bounds, strictly ascending; +Inf is implied */
    const struct mapping_quantile *quantiles; /* ascending, unique */
    double native_factor;
    int64_t max_age_ns;
};

struct mapping_label {
    const char *key;
    const char *value; /* template */
};

/* A list of names or patterns. */
struct mapping_words {
    size_t n;
    const char *const *v;
};

/*
 * What is done with the tags that a sample brings, in this order, before a rule adds its labels.
 * All names are whole and as they are after escaping.
 */
struct mapping_label_ops {
    bool has_keep;             /* keep may be empty, and then nothing is kept */
    struct mapping_words keep; /* in order, like drop */
    struct mapping_words drop;
    size_t n_renames;
    const struct mapping_label *renames; /* in order of keys; the value is the new name */
};

/* What is done with the samples that a rule takes. Most rules have it in common. */
struct mapping_treatment {
    enum mapping_gauge_mode gauge_mode;
    bool honor_labels;
    bool has_scale;
    double scale;
    int64_t ttl_ns;      /* 0: never expires; negative: at the next sweep */
    double unit_seconds; /* an observation of 1 is so many seconds; 0: no unit was given */
    struct mapping_label_ops label_ops;
    struct mapping_observer_options observer;
    int64_t set_window_ns; /* in which a set's distinct members are counted; > 0 */
    double set_error;      /* standard error of that count where it is an estimate; > 0 */
};

struct mapping_rule {
    enum mapping_match_type match_type;
    enum mapping_action action;
    enum mapping_kind kind; /* when not any_kind */
    bool any_kind;          /* no match_metric_type */
    const char *match;
    const char *name; /* template */
    const char *help; /* NULL: the default sentence */
    size_t n_labels;
    const struct mapping_label *labels; /* in order of keys */
    struct mapping_words except;        /* patterns like match: names that the rule leaves alone */
    size_t n_match_labels;
    const struct mapping_label
        *match_labels; /* in order of keys: the tag's name and a pattern in which `*` is any text;
                          an empty one: there is no such tag */
    const struct mapping_treatment *how;
    const char *file;                  /* where the rule stands; NULL: nobody knows */
    unsigned line, column;             /* of the rule */
    unsigned match_line, match_column; /* of its match */
};

struct mapping_defaults {
    bool glob_disable_ordering;
    bool in_file_order; /* globs and regexes are tried in one order, that of the file */
    bool drop_unmapped; /* what no rule takes is dropped */
    int64_t ttl_ns;
    size_t n_labels;
    const struct mapping_label *labels; /* in order of keys, plain text: for every series */
    struct mapping_label_ops label_ops; /* of what no rule takes */
    enum mapping_gauge_mode gauge_mode;
    double unit_seconds;                      /* 0: none */
    struct mapping_observer_options observer; /* of what no rule takes */
    int64_t set_window_ns;
    double set_error;
};

#define MAPPING_PLACE_MAX 300

/*
 * Where @line of @rule's file is, for a message about @about: "line 12", and "line 12 of FILE" when
 * the other rule stands in another file or is NULL. Always NUL-terminated.
 */
void mapping_rule_place(const struct mapping_rule *rule, unsigned line,
                        const struct mapping_rule *about, char out[MAPPING_PLACE_MAX]);

/* summary; sets over 1 min; .005 ... 10; (0.5,0.05) (0.9,0.01) (0.99,0.001); 10 min in 5. */
void mapping_defaults_init(struct mapping_defaults *defaults);

#endif
