/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own: the engine's families about itself, and those of the program around it
 *
 * One table says which family is made of which counts. Names under statsd_exporter_* mean what they
 * mean there, so that its dashboards go on working; what it does not have stands under
 * bacowr_statsd_*. Labelled counters are there from the start at 0, so that rate() sees the first
 * increment. (The counter of conflicts has a series per metric name and lives in the registry.)
 *
 * Laws: every name here is reserved before the first sample, so no sender can spoil the page with
 * it.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>

/* Where a sample's value comes from. */
enum source {
    FROM_STATS,   /* the sum of [from, from + n) over the workers */
    FROM_STATS_2, /* every second of them: [from], [from + 2], ... n of them */
    FROM_ALIVE,   /* series by type */
    FROM_VECTORS, /* vectors by type */
    FROM_LIMIT,   /* series that may be alive; of a family; values of a label */
    FROM_FAMILY_LIMIT,
    FROM_LABEL_LIMIT,
    FROM_FOLDS, /* alive */
    FROM_BORN,
    FROM_EXPIRED,
    FROM_REBUILT,
    FROM_CHANGED, /* families with series to be rebuilt */
    FROM_LOOKUPS, /* route hits and misses */
    FROM_SWEEPS,  /* workers whose sweep has not ended */
};

struct own_row {
    const char *name; /* NULL: another sample of the family above */
    const char *help;
    enum bacowr_metric_type type;
    const char *labels;
    enum source source;
    unsigned from;
    unsigned n;
};

#define C      BACOWR_METRIC_COUNTER
#define G      BACOWR_METRIC_GAUGE
#define ERRORS "statsd_exporter_sample_errors_total"

static const struct own_row rows[] = {
    /* Read first: what these datagrams did is seen in all other rows. */
    {"bacowr_statsd_datagrams_total", "Datagrams and stream chunks passed to the parser.", C, "",
     FROM_STATS, STAT_DATAGRAMS, 1},
    {"statsd_exporter_lines_total", "Lines received, including empty ones.", C, "", FROM_STATS,
     STAT_LINES, 1},
    {"statsd_exporter_samples_total", "Samples parsed, valid or not.", C, "", FROM_STATS,
     STAT_SAMPLES, 1},
    {ERRORS, "Lines and samples refused, by reason.", C, "reason=\"malformed_line\"", FROM_STATS,
     STAT_REASONS + STATSD_E_LINE, 1},
    {NULL, NULL, C, "reason=\"mixed_tagging_styles\"", FROM_STATS,
     STAT_REASONS + STATSD_E_MIXED_TAGS, 1},
    {NULL, NULL, C, "reason=\"not_enough_parts_after_colon\"", FROM_STATS,
     STAT_REASONS + STATSD_E_PARTS, 1},
    {NULL, NULL, C, "reason=\"invalid_extended_aggregate_type\"", FROM_STATS,
     STAT_REASONS + STATSD_E_PACKED_TYPE, 1},
    {NULL, NULL, C, "reason=\"malformed_component\"", FROM_STATS, STAT_REASONS + STATSD_E_COMPONENT,
     1},
    {NULL, NULL, C, "reason=\"malformed_value\"", FROM_STATS, STAT_REASONS + STATSD_E_VALUE, 1},
    {NULL, NULL, C, "reason=\"invalid_sample_factor\"", FROM_STATS, STAT_REASONS + STATSD_E_RATE,
     1},
    {NULL, NULL, C, "reason=\"malformed_container_id\"", FROM_STATS,
     STAT_REASONS + STATSD_E_CONTAINER, 1},
    {NULL, NULL, C, "reason=\"illegal_event\"", FROM_STATS, STAT_REASONS + STATSD_E_TYPE, 1},
    {NULL, NULL, C, "reason=\"malformed_service_check\"", FROM_STATS,
     STAT_REASONS + STATSD_E_BAD_CHECK, 1},
    {"statsd_exporter_tags_total", "Samples with at least one tag.", C, "", FROM_STATS, STAT_TAGGED,
     1},
    {"statsd_exporter_tag_errors_total", "Malformed tags.", C, "", FROM_STATS, STAT_TAG_ERRORS, 1},
    {"statsd_exporter_events_total", "Events applied to a series, by kind.", C, "type=\"counter\"",
     FROM_STATS, STAT_EVENT(MAPPING_COUNTER, 0), 2},
    {NULL, NULL, C, "type=\"gauge\"", FROM_STATS, STAT_EVENT(MAPPING_GAUGE, 0), 2},
    {NULL, NULL, C, "type=\"observer\"", FROM_STATS, STAT_EVENT(MAPPING_OBSERVER, 0), 2},
    {NULL, NULL, C, "type=\"set\"", FROM_STATS, STAT_EVENT(MAPPING_SET, 0), 2},
    {"statsd_exporter_events_unmapped_total", "Events without a matching mapping rule.", C, "",
     FROM_STATS_2, STAT_EVENT(MAPPING_COUNTER, 0), MAPPING_N_KINDS},
    {"statsd_exporter_events_actions_total",
     "Events by action of the matching rule; drop also if the defaults drop unmapped "
     "events.",
     C, "action=\"map\"", FROM_STATS_2, STAT_EVENT(MAPPING_COUNTER, 1), MAPPING_N_KINDS},
    {NULL, NULL, C, "action=\"drop\"", FROM_STATS, STAT_DROPPED, 1},
    {"statsd_exporter_events_error_total", "Events refused after the mapping, by reason.", C,
     "reason=\"empty_metric_name\"", FROM_STATS, STAT_EMPTY_NAME, 1},
    {NULL, NULL, C, "reason=\"illegal_negative_counter\"", FROM_STATS, STAT_NEGATIVE, 1},
    {NULL, NULL, C, "reason=\"illegal_non_finite_counter\"", FROM_STATS, STAT_NOT_FINITE, 1},
    {NULL, NULL, C, "reason=\"series_limit\"", FROM_STATS, STAT_LIMIT + LIMIT_SERIES, 1},
    {NULL, NULL, C, "reason=\"family_limit\"", FROM_STATS, STAT_LIMIT + LIMIT_FAMILY, 1},
    {NULL, NULL, C, "reason=\"label_limit\"", FROM_STATS, STAT_LIMIT + LIMIT_LABEL, 1},
    {NULL, NULL, C, "reason=\"line_too_complex\"", FROM_STATS, STAT_TOO_COMPLEX, 1},
    {NULL, NULL, C, "reason=\"series_too_long\"", FROM_STATS, STAT_TOO_LONG, 1},
    {NULL, NULL, C, "reason=\"out_of_memory\"", FROM_STATS, STAT_NO_MEMORY, 1},
    {"statsd_exporter_metrics_total",
     "Active combinations of metric name and label names, "
     "by type.",
     G, "type=\"counter\"", FROM_VECTORS, METRIC_COUNTER, 1},
    {NULL, NULL, G, "type=\"gauge\"", FROM_VECTORS, METRIC_GAUGE, 1},
    {NULL, NULL, G, "type=\"histogram\"", FROM_VECTORS, METRIC_HISTOGRAM, 1},
    {NULL, NULL, G, "type=\"set\"", FROM_VECTORS, METRIC_SET, 1},
    {NULL, NULL, G, "type=\"summary\"", FROM_VECTORS, METRIC_SUMMARY, 1},
    {"statsd_metric_mapper_cache_length", "Cached identities.", G, "", FROM_STATS, STAT_ROUTES, 1},
    {"statsd_metric_mapper_cache_gets_total", "Identity lookups.", C, "", FROM_LOOKUPS, 0, 0},
    {"statsd_metric_mapper_cache_hits_total", "Identity lookups found in the cache.", C, "",
     FROM_STATS, STAT_ROUTE_HITS, 1},
    {"bacowr_statsd_truncated_lines_total",
     "Datagrams that lost their last line by "
     "truncation.",
     C, "", FROM_STATS, STAT_TRUNCATED_LINES, 1},
    {"bacowr_statsd_dogstatsd_events_total", "DogStatsD events recognised and ignored.", C, "",
     FROM_STATS, STAT_DOGSTATSD_EVENTS, 1},
    {"bacowr_statsd_dogstatsd_service_checks_total", "DogStatsD service checks recognised.", C, "",
     FROM_STATS, STAT_DOGSTATSD_CHECKS, 1},
    {"bacowr_statsd_unknown_fields_total", "Unknown fields of lines, ignored.", C, "", FROM_STATS,
     STAT_UNKNOWN_FIELDS, 1},
    {"bacowr_statsd_exemplars_total", "Samples with tags for an exemplar.", C, "", FROM_STATS,
     STAT_EXEMPLARS, 1},
    {"bacowr_statsd_exemplars_dropped_total", "Exemplars of more than 128 bytes, dropped.", C, "",
     FROM_STATS, STAT_EXEMPLARS_DROPPED, 1},
    {"bacowr_statsd_renamed_labels_total",
     "Reserved label names that got the prefix exported_, once per new identity.", C, "",
     FROM_STATS, STAT_RENAMED_LABELS, 1},
    {"bacowr_statsd_regex_limit_total",
     "Regex matches aborted at the match limit, counted as no match.", C, "", FROM_STATS,
     STAT_REGEX_LIMIT, 1},
    {"bacowr_statsd_route_hits_total", "Identity lookups found in the cache.", C, "", FROM_STATS,
     STAT_ROUTE_HITS, 1},
    {"bacowr_statsd_route_misses_total", "Identity lookups that went through the mapping.", C, "",
     FROM_STATS, STAT_ROUTE_MISSES, 1},
    {"bacowr_statsd_routes_evicted_total", "Identities evicted from the cache.", C, "", FROM_STATS,
     STAT_ROUTE_EVICTED, 1},
    {"bacowr_statsd_reload_workers_behind",
     "Ingest threads that have not yet remapped all cached identities since the last "
     "reload.",
     G, "", FROM_SWEEPS, 0, 0},
    {"bacowr_statsd_native_histograms_lost_total",
     "Histograms that lost their native buckets because memory ran out.", C, "", FROM_STATS,
     STAT_NATIVE_LOST, 1},
    {"bacowr_statsd_route_bytes", "Memory used by cached identities.", G, "", FROM_STATS,
     STAT_ROUTE_BYTES, 1},
    {"bacowr_statsd_series", "Active series, by type.", G, "type=\"counter\"", FROM_ALIVE,
     METRIC_COUNTER, 1},
    {NULL, NULL, G, "type=\"gauge\"", FROM_ALIVE, METRIC_GAUGE, 1},
    {NULL, NULL, G, "type=\"histogram\"", FROM_ALIVE, METRIC_HISTOGRAM, 1},
    {NULL, NULL, G, "type=\"set\"", FROM_ALIVE, METRIC_SET, 1},
    {NULL, NULL, G, "type=\"summary\"", FROM_ALIVE, METRIC_SUMMARY, 1},
    {"bacowr_statsd_series_limit", "Maximum number of active series.", G, "", FROM_LIMIT, 0, 0},
    {"bacowr_statsd_family_series_limit",
     "Maximum number of active series per metric name; 0: no limit.", G, "", FROM_FAMILY_LIMIT, 0,
     0},
    {"bacowr_statsd_label_values_limit",
     "Maximum number of distinct values per label of a metric name; 0: no limit.", G, "",
     FROM_LABEL_LIMIT, 0, 0},
    {"bacowr_statsd_overflow_series",
     "Active series overflow=\"true\"; they do not count towards the limits.", G, "", FROM_FOLDS, 0,
     0},
    {"bacowr_statsd_folded_events_total",
     "Events over a series limit that went to the overflow series of their metric, by "
     "limit.",
     C, "limit=\"series\"", FROM_STATS, STAT_FOLDED + LIMIT_SERIES, 1},
    {NULL, NULL, C, "limit=\"family\"", FROM_STATS, STAT_FOLDED + LIMIT_FAMILY, 1},
    {NULL, NULL, C, "limit=\"label\"", FROM_STATS, STAT_FOLDED + LIMIT_LABEL, 1},
    {"bacowr_statsd_series_born_total", "Series created.", C, "", FROM_BORN, 0, 0},
    {"bacowr_statsd_series_rebuilt_total",
     "Series converted to new buckets, quantiles or windows after a reload.", C, "", FROM_REBUILT,
     0, 0},
    {"bacowr_statsd_reload_families_behind",
     "Metric families with series that still have the buckets, quantiles or windows from "
     "before the reload.",
     G, "", FROM_CHANGED, 0, 0},
    {"bacowr_statsd_series_expired_total", "Series expired by their ttl.", C, "", FROM_EXPIRED, 0,
     0},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

#undef C
#undef G

struct own_families {
    unsigned n;
    struct overflow_page *overflow;     /* owned */
    struct bacowr_own_family *families; /* in name order; borrows samples, and the caller's */
    struct bacowr_own_sample samples[N_ROWS];
};

int own_reserve(struct bacowr *b)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].name != NULL && bacowr_reserve(b, rows[i].name) != 0)
            return -ENOMEM;
    if (overflow_page_reserve(b) != 0)
        return -ENOMEM;
    return registry_reserve(&b->registry, SLICE_LIT(OWN_CONFLICTS), SLICE_LIT(OWN_CONFLICTS_HELP),
                            true);
}

static double stats_sum(const struct bacowr *b, unsigned from, unsigned n, unsigned step)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < b->config.n_workers; i++)
        for (unsigned k = 0; k < n; k++)
            /* Acquire: see the end of bacowr_feed(). */
            sum +=
                atomic_load_explicit(&b->workers[i]->stats[from + k * step], memory_order_acquire);
    return (double)sum;
}

/* Mapped and unmapped events count also those that went no further. */
static double every_second(const struct bacowr *b, const struct own_row *row)
{
    bool mapped = row->from == STAT_EVENT(MAPPING_COUNTER, 1);
    unsigned unapplied = mapped ? STAT_UNAPPLIED_MAPPED : STAT_UNAPPLIED_UNMAPPED;

    return stats_sum(b, row->from, row->n, 2) + stats_sum(b, unapplied, 1, 1);
}

static double n_sweeping(const struct bacowr *b)
{
    uint32_t gen = atomic_load_explicit(&b->rules, memory_order_relaxed)->gen;
    unsigned n = 0;

    for (unsigned i = 0; i < b->config.n_workers; i++)
        /* Acquire pairs with the end of sweep(). */
        n += atomic_load_explicit(&b->workers[i]->stats[STAT_SWEPT], memory_order_acquire) != gen;
    return n;
}

static double counted(const struct bacowr *b, const struct own_row *row)
{
    const struct registry *reg = &b->registry;

    switch (row->source) {
    case FROM_STATS:
        return stats_sum(b, row->from, row->n, 1);
    case FROM_STATS_2:
        return every_second(b, row);
    case FROM_ALIVE:
        return (double)relaxed_load(&reg->n_alive[row->from]);
    case FROM_VECTORS:
        return (double)relaxed_load(&reg->n_vectors[row->from]);
    case FROM_LIMIT:
        return (double)reg->max_series;
    case FROM_FAMILY_LIMIT:
        return (double)reg->guard.max_family;
    case FROM_LABEL_LIMIT:
        return (double)reg->guard.max_values;
    case FROM_FOLDS:
        return (double)relaxed_load(&reg->guard.n_folds);
    case FROM_BORN:
        return (double)relaxed_load(&reg->n_born);
    case FROM_EXPIRED:
        return (double)relaxed_load(&reg->n_expired);
    case FROM_REBUILT:
        return (double)relaxed_load(&reg->n_rebuilt);
    case FROM_CHANGED:
        return (double)relaxed_load(&reg->n_changed);
    case FROM_SWEEPS:
        return n_sweeping(b);
    case FROM_LOOKUPS:
        return stats_sum(b, STAT_ROUTE_HITS, 1, 1) + stats_sum(b, STAT_ROUTE_MISSES, 1, 1);
    }
    return 0;
}

static double row_value(const struct bacowr *b, const struct own_row *row)
{
    return counted(b, row) + (b->own_base != NULL ? b->own_base[row - rows] : 0);
}

static int family_cmp(const void *a, const void *b)
{
    return strcmp(((const struct bacowr_own_family *)a)->name,
                  ((const struct bacowr_own_family *)b)->name);
}

int own_new(struct own_families **out, struct bacowr *b, const struct bacowr_own_family *more,
            unsigned n_more)
{
    struct own_families *o = calloc(1, sizeof *o);

    if (o == NULL)
        return -ENOMEM;
    o->families = calloc(N_ROWS + OVERFLOW_PAGE_FAMILIES + n_more, sizeof *o->families);
    if (o->families == NULL || overflow_page_new(&o->overflow, b, o->families) != 0) {
        own_free(o);
        return -ENOMEM;
    }
    o->n = OVERFLOW_PAGE_FAMILIES;
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct own_row *row = &rows[i];

        o->samples[i] = (struct bacowr_own_sample){row->labels, row_value(b, row)};
        if (row->name != NULL)
            o->families[o->n++] = (struct bacowr_own_family){
                .name = row->name, .help = row->help, .type = row->type, .samples = &o->samples[i]};
        o->families[o->n - 1].n_samples++;
    }
    for (unsigned i = 0; i < n_more; i++)
        o->families[o->n++] = more[i];
    qsort(o->families, o->n, sizeof *o->families, family_cmp);
    *out = o;
    return 0;
}

void own_free(struct own_families *o)
{
    if (o == NULL)
        return;
    overflow_page_free(o->overflow);
    free(o->families);
    free(o);
}

unsigned own_n(const struct own_families *o)
{
    return o->n;
}

const struct bacowr_own_family *own_at(const struct own_families *o, unsigned i)
{
    return &o->families[i];
}

/* ---- over the end of a process ---- */

int bacowr_each_counter(struct bacowr *b, const struct bacowr_own_family *own, unsigned n_own,
                        void (*fn)(void *ctx, const char *name, const char *labels, double value),
                        void *ctx)
{
    struct own_families *o;
    int r = own_new(&o, b, own, n_own);

    if (r != 0)
        return r;
    for (unsigned i = 0; i < o->n; i++) {
        const struct bacowr_own_family *family = &o->families[i];

        for (unsigned k = 0; k < family->n_samples && family->type == BACOWR_METRIC_COUNTER; k++) {
            const char *labels = family->samples[k].labels;

            fn(ctx, family->name, labels != NULL ? labels : "", family->samples[k].value);
        }
    }
    own_free(o);
    return 0;
}

/* The counter's row; NULL: there is none. */
static const struct own_row *find_counter(const char *name, const char *labels)
{
    const char *family = "";

    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].name != NULL)
            family = rows[i].name;
        if (rows[i].type == BACOWR_METRIC_COUNTER && strcmp(family, name) == 0 &&
            strcmp(rows[i].labels, labels) == 0)
            return &rows[i];
    }
    return NULL;
}

bool bacowr_count_on(struct bacowr *b, const char *name, const char *labels, double value)
{
    const struct own_row *row = find_counter(name, labels);

    if (row == NULL)
        return false;
    if (b->own_base == NULL)
        b->own_base = calloc(N_ROWS, sizeof *b->own_base);
    if (b->own_base == NULL)
        return false;
    b->own_base[row - rows] = value - counted(b, row);
    return true;
}
