/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule: one entry of the mapping file, as the loader hands it to the matcher
 *
 * Contract: the loader fills rules with every default resolved and every name checked; whoever
 * builds a mapping from them takes them. All strings are NUL-terminated, owned by the rule.
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

struct mapping_quantile {
    double quantile; /* 0..1 */
    double error;
};

/* How observations are kept: all defaults already filled in. */
struct mapping_observer_options {
    enum mapping_observer type;
    size_t n_buckets;
    double *buckets; /* finite upper bounds, strictly ascending; +Inf is implied */
    double native_factor;
    uint32_t native_max_buckets;
    size_t n_quantiles;
    struct mapping_quantile *quantiles; /* ascending, unique */
    int64_t max_age_ns;
    uint32_t age_buckets;
};

struct mapping_label {
    char *key;
    char *value; /* template */
};

struct mapping_rule {
    enum mapping_match_type match_type;
    enum mapping_action action;
    bool any_kind;          /* no match_metric_type */
    enum mapping_kind kind; /* when not any_kind */
    bool honor_labels;
    bool has_scale;
    double scale;
    int64_t ttl_ns;         /* 0: never expires; negative: at the next sweep */
    char *match;
    char *name;             /* template */
    char *help;             /* NULL: the default sentence */
    size_t n_labels;
    struct mapping_label *labels; /* in order of keys */
    struct mapping_observer_options observer;
    int64_t set_window_ns; /* in which a set's distinct members are counted; > 0 */
    unsigned line, column;             /* of the rule */
    unsigned match_line, match_column; /* of its match */
};

struct mapping_defaults {
    bool glob_disable_ordering;
    int64_t ttl_ns;
    struct mapping_observer_options observer; /* of what no rule takes */
    int64_t set_window_ns;
};

/* Both free what the struct points to, not the struct; accept a zeroed one. */
void mapping_rule_release(struct mapping_rule *rule);
void mapping_defaults_release(struct mapping_defaults *defaults);

/* summary; sets over 1 min; .005 ... 10; (0.5,0.05) (0.9,0.01) (0.99,0.001); 10 min in 5.
 * 0 or -ENOMEM. */
int mapping_defaults_init(struct mapping_defaults *defaults);

#endif
