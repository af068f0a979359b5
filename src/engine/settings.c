/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: see settings.h
 *
 * What is told of a rule is what a series shows of it, or what its values are made with: who
 * compares two mappings wants to know that timers are suddenly in milliseconds.
 *
 * How lines are read, and which names clash, depends on flags of the server. One table has them for
 * the writer and for the reader.
 */
#include "engine/settings.h"

#include "base/num.h"

size_t settings_number(const struct mapping *m, const struct resolver *r,
                       const struct resolution *res)
{
    size_t i = 0;

    if (res->match.rule != NULL)
        i = (size_t)(res->match.rule - mapping_rule(m, 0)) + 1;
    return i * STATSD_N_TYPES + (size_t)r->identity.type;
}

static void put_observer(struct json *j, const struct resolution *res)
{
    const struct mapping_observer_options *o = res->observer;

    if (res->type == METRIC_HISTOGRAM) {
        json_array(j, "buckets");
        for (size_t i = 0; i < o->n_buckets; i++)
            json_double(j, NULL, o->buckets[i]);
        json_end_array(j);
        json_bool(j, "native_buckets", o->native_factor > 1);
    } else {
        json_array(j, "quantiles");
        for (size_t i = 0; i < o->n_quantiles; i++)
            json_double(j, NULL, o->quantiles[i].quantile);
        json_end_array(j);
        json_double(j, "window_seconds", (double)o->max_age_ns / 1e9);
    }
}

static const char *sign_name(enum op op)
{
    return op == OP_GAUGE_SET ? "absolute" : op == OP_GAUGE_ETSY ? "etsy" : "delta";
}

void settings_tell(const struct resolution *res, struct json *j)
{
    /* A counter's divisor is its sample rate, which no rule decides. */
    double divisor = res->kind == MAPPING_OBSERVER ? res->divisor : 1;

    json_str(j, "type", metric_type_name(res->type));
    json_slice(j, "help", res->help);
    json_double(j, "ttl_seconds", (double)res->ttl_ns / 1e9);
    json_double(j, "scale", res->scale / divisor);
    if (res->kind == MAPPING_OBSERVER) {
        put_observer(j, res);
    } else if (res->kind == MAPPING_GAUGE) {
        json_str(j, "sign", sign_name(res->op));
    } else if (res->kind == MAPPING_SET) {
        json_double(j, "window_seconds", (double)res->set_window_ns / 1e9);
        json_double(j, "error", res->set_error);
    }
}

/* ---- how lines are read ---- */

enum reading_kind { READING_BOOL, READING_NUMBER, READING_VALUELESS, READING_GAUGE };

static const struct reading {
    const char *key;
    enum reading_kind kind;
    size_t at; /* in struct bacowr_config */
} readings[] = {
#define FIELD(name) offsetof(struct bacowr_config, name)
    {"dogstatsd_tags", READING_BOOL, FIELD(statsd.dogstatsd_tags)},
    {"influxdb_tags", READING_BOOL, FIELD(statsd.influxdb_tags)},
    {"librato_tags", READING_BOOL, FIELD(statsd.librato_tags)},
    {"signalfx_tags", READING_BOOL, FIELD(statsd.signalfx_tags)},
    {"graphite_tags", READING_BOOL, FIELD(statsd.graphite_tags)},
    {"container_id_label", READING_BOOL, FIELD(statsd.container_id_label)},
    {"valueless_tags", READING_VALUELESS, FIELD(statsd.valueless_tags)},
    {"max_labels", READING_NUMBER, FIELD(statsd.max_labels)},
    {"max_label_length", READING_NUMBER, FIELD(statsd.max_label_length)},
    {"gauge_sign", READING_GAUGE, FIELD(gauge_mode)},
    {"openmetrics", READING_BOOL, FIELD(openmetrics)}, /* x_created is a sample of x */
#undef FIELD
};

#define N_READINGS (sizeof readings / sizeof readings[0])

static const char *const valueless_words[] = {"error", "true", "empty", "ignore", NULL};
static const char *const gauge_words[] = {"delta", "absolute", "etsy", NULL};

void reading_tell(const struct bacowr_config *config, struct json *j)
{
    json_object(j, "reading");
    for (size_t i = 0; i < N_READINGS; i++) {
        const struct reading *r = &readings[i];
        const void *at = (const char *)config + r->at;

        switch (r->kind) {
        case READING_BOOL:
            json_bool(j, r->key, *(const bool *)at);
            break;
        case READING_NUMBER:
            json_u64(j, r->key, *(const uint64_t *)at);
            break;
        case READING_VALUELESS:
            json_str(j, r->key, valueless_words[*(const enum statsd_valueless *)at]);
            break;
        case READING_GAUGE:
            json_str(j, r->key, gauge_words[*(const enum statsd_gauge_mode *)at]);
            break;
        }
    }
    json_end_object(j);
}

/* The number of @word among @words, or -1. */
static int find_word(const char *const *words, struct slice word)
{
    for (int i = 0; words[i] != NULL; i++)
        if (slice_eq_str(word, words[i]))
            return i;
    return -1;
}

static bool take(const struct reading *r, void *at, struct slice value)
{
    int word;

    switch (r->kind) {
    case READING_BOOL:
        *(bool *)at = slice_eq_str(value, "true");
        return *(bool *)at || slice_eq_str(value, "false");
    case READING_NUMBER:
        return num_parse_u64(value, UINT64_MAX, at) == 0;
    case READING_VALUELESS:
        word = find_word(valueless_words, value);
        if (word >= 0)
            *(enum statsd_valueless *)at = (enum statsd_valueless)word;
        return word >= 0;
    case READING_GAUGE:
        word = find_word(gauge_words, value);
        if (word >= 0)
            *(enum statsd_gauge_mode *)at = (enum statsd_gauge_mode)word;
        return word >= 0;
    }
    return false;
}

bool reading_take(struct bacowr_config *config, struct slice key, struct slice value)
{
    for (size_t i = 0; i < N_READINGS; i++)
        if (slice_eq_str(key, readings[i].key))
            return take(&readings[i], (char *)config + readings[i].at, value);
    return false;
}
