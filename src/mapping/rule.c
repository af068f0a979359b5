/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule: the memory of rules and defaults, and the defaults of the library
 *
 * A rule owns each of its strings and arrays alone; nothing is shared between rules, so each can be
 * released by itself and in any order.
 *
 * Law: the numbers here are the ones statsd_exporter documents. Who changes one changes what a
 *      mapping file means that leaves the key out.
 */
#include "mapping/rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void observer_release(struct mapping_observer_options *options)
{
    free(options->buckets);
    free(options->quantiles);
}

static void words_release(struct mapping_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->v[i]);
    free(words->v);
}

static void labels_release(struct mapping_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(labels[i].key);
        free(labels[i].value);
    }
    free(labels);
}

void mapping_label_ops_release(struct mapping_label_ops *ops)
{
    words_release(&ops->keep);
    words_release(&ops->drop);
    labels_release(ops->renames, ops->n_renames);
    *ops = (struct mapping_label_ops){0};
}

int mapping_words_copy(struct mapping_words *to, const struct mapping_words *from)
{
    to->v = calloc(from->n + 1, sizeof(*to->v));
    if (to->v == NULL)
        return -ENOMEM;
    for (; to->n < from->n; to->n++) {
        to->v[to->n] = strdup(from->v[to->n]);
        if (to->v[to->n] == NULL)
            return -ENOMEM;
    }
    return 0;
}

int mapping_labels_copy(struct mapping_label **to, size_t *n_to, const struct mapping_label *from,
                        size_t n)
{
    *to = calloc(n + 1, sizeof(**to));
    if (*to == NULL)
        return -ENOMEM;
    while (*n_to < n) {
        struct mapping_label *label = &(*to)[*n_to];

        label->key = strdup(from[*n_to].key);
        label->value = strdup(from[*n_to].value);
        ++*n_to;
        if (label->key == NULL || label->value == NULL)
            return -ENOMEM;
    }
    return 0;
}

void mapping_rule_release(struct mapping_rule *rule)
{
    labels_release(rule->labels, rule->n_labels);
    labels_release(rule->match_labels, rule->n_match_labels);
    words_release(&rule->except);
    mapping_label_ops_release(&rule->label_ops);
    free(rule->file);
    free(rule->match);
    free(rule->name);
    free(rule->help);
    observer_release(&rule->observer);
    *rule = (struct mapping_rule){0};
}

void mapping_defaults_release(struct mapping_defaults *defaults)
{
    labels_release(defaults->labels, defaults->n_labels);
    mapping_label_ops_release(&defaults->label_ops);
    observer_release(&defaults->observer);
    *defaults = (struct mapping_defaults){0};
}

void mapping_rule_place(const struct mapping_rule *rule, unsigned line,
                        const struct mapping_rule *about, char out[MAPPING_PLACE_MAX])
{
    bool here = about != NULL && about->file != NULL && rule->file != NULL &&
                strcmp(rule->file, about->file) == 0;

    if (rule->file == NULL || here)
        snprintf(out, MAPPING_PLACE_MAX, "line %u", line);
    else
        snprintf(out, MAPPING_PLACE_MAX, "line %u of %.255s", line, rule->file);
}

int mapping_defaults_init(struct mapping_defaults *defaults)
{
    static const double buckets[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
    static const struct mapping_quantile quantiles[] = {{.5, .05}, {.9, .01}, {.99, .001}};
    struct mapping_defaults d = {
        .set_window_ns = INT64_C(60000000000),
        .set_error = 0.01625, /* 4096 registers */
        .observer =
            {
                .type = MAPPING_SUMMARY,
                .n_buckets = sizeof(buckets) / sizeof(buckets[0]),
                .native_factor = 1.1,
                .native_max_buckets = 256,
                .n_quantiles = sizeof(quantiles) / sizeof(quantiles[0]),
                .max_age_ns = INT64_C(600000000000),
                .age_buckets = 5,
            },
    };

    d.observer.buckets = malloc(sizeof(buckets));
    d.observer.quantiles = malloc(sizeof(quantiles));
    if (d.observer.buckets == NULL || d.observer.quantiles == NULL) {
        mapping_defaults_release(&d);
        return -ENOMEM;
    }
    memcpy(d.observer.buckets, buckets, sizeof(buckets));
    memcpy(d.observer.quantiles, quantiles, sizeof(quantiles));
    *defaults = d;
    return 0;
}
