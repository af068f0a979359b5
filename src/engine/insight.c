/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Insight: see bacowr/insight.h
 *
 * Totals are sums over the workers of what they count anyway; one table says which of them, and
 * under which name a reason of refusal stands on the metrics page. Rules are told with what they
 * took: a worker counts that when it looks an identity up, which happens once for each that it
 * remembers. Notes of several workers are told as one list, newest first.
 *
 * Laws: what came from the wire stands in strings only; lines are told with `secrets` only. Names
 *       are no secrets, the metrics page shows them too.
 */
#include "bacowr/insight.h"

#include <stdlib.h>
#include <strings.h>

#include "engine/engine.h"
#include "engine/explain.h"

/* ---- totals ---- */

static const char sample_errors[] = "statsd_exporter_sample_errors_total";
static const char event_errors[] = "statsd_exporter_events_error_total";

static const struct reason {
    unsigned why; /* as notes.h has it */
    unsigned stat;
    const char *counter;
    const char *name; /* NULL: statsd_reason_name() */
} reasons[] = {
    {STATSD_E_LINE, STAT_REASONS + STATSD_E_LINE, sample_errors, NULL},
    {STATSD_E_MIXED_TAGS, STAT_REASONS + STATSD_E_MIXED_TAGS, sample_errors, NULL},
    {STATSD_E_PARTS, STAT_REASONS + STATSD_E_PARTS, sample_errors, NULL},
    {STATSD_E_PACKED_TYPE, STAT_REASONS + STATSD_E_PACKED_TYPE, sample_errors, NULL},
    {STATSD_E_COMPONENT, STAT_REASONS + STATSD_E_COMPONENT, sample_errors, NULL},
    {STATSD_E_VALUE, STAT_REASONS + STATSD_E_VALUE, sample_errors, NULL},
    {STATSD_E_RATE, STAT_REASONS + STATSD_E_RATE, sample_errors, NULL},
    {STATSD_E_CONTAINER, STAT_REASONS + STATSD_E_CONTAINER, sample_errors, NULL},
    {STATSD_E_TYPE, STAT_REASONS + STATSD_E_TYPE, sample_errors, NULL},
    {STATSD_E_BAD_CHECK, STAT_REASONS + STATSD_E_BAD_CHECK, sample_errors, NULL},
    {REFUSAL_EMPTY_NAME, STAT_EMPTY_NAME, event_errors, "empty_metric_name"},
    {REFUSAL_NEGATIVE, STAT_NEGATIVE, event_errors, "illegal_negative_counter"},
    {REFUSAL_NOT_FINITE, STAT_NOT_FINITE, event_errors, "illegal_non_finite_counter"},
    {REFUSAL_LIMIT, STAT_LIMIT + LIMIT_SERIES, event_errors, "series_limit"},
    {REFUSAL_FAMILY_LIMIT, STAT_LIMIT + LIMIT_FAMILY, event_errors, "family_limit"},
    {REFUSAL_LABEL_LIMIT, STAT_LIMIT + LIMIT_LABEL, event_errors, "label_limit"},
    {REFUSAL_TOO_COMPLEX, STAT_TOO_COMPLEX, event_errors, "line_too_complex"},
    {REFUSAL_TOO_LONG, STAT_TOO_LONG, event_errors, "series_too_long"},
    {REFUSAL_NO_MEMORY, STAT_NO_MEMORY, event_errors, "out_of_memory"},
    {REFUSAL_CONFLICT, STAT_CONFLICT, OWN_CONFLICTS, "conflict"},
};

_Static_assert((int)REFUSAL_FAMILY_LIMIT - (int)REFUSAL_LIMIT == (int)LIMIT_FAMILY &&
                   (int)REFUSAL_LABEL_LIMIT - (int)REFUSAL_LIMIT == (int)LIMIT_LABEL,
               "a limit is named by adding it");

#define N_REASONS (sizeof reasons / sizeof reasons[0])

static const char *reason_name(const struct reason *reason)
{
    return reason->name != NULL ? reason->name
                                : statsd_reason_name((enum statsd_reason)reason->why);
}

unsigned bacowr_n_totals(void)
{
    return BACOWR_TOTAL_REFUSED + N_REASONS;
}

const char *bacowr_total_name(unsigned id)
{
    static const char *const names[BACOWR_TOTAL_REFUSED] = {
        [BACOWR_TOTAL_LINES] = "lines",
        [BACOWR_TOTAL_SAMPLES] = "samples",
        [BACOWR_TOTAL_EVENTS] = "events",
        [BACOWR_TOTAL_UNMAPPED] = "unmapped",
        [BACOWR_TOTAL_DROPPED] = "dropped",
        [BACOWR_TOTAL_BORN] = "series_born",
        [BACOWR_TOTAL_EXPIRED] = "series_expired",
    };

    return id < BACOWR_TOTAL_REFUSED ? names[id] : reason_name(&reasons[id - BACOWR_TOTAL_REFUSED]);
}

const char *bacowr_total_counter(unsigned id)
{
    return id < BACOWR_TOTAL_REFUSED ? NULL : reasons[id - BACOWR_TOTAL_REFUSED].counter;
}

static void add_worker(const struct bacowr_worker *w, uint64_t *totals)
{
    totals[BACOWR_TOTAL_LINES] += relaxed_load(&w->stats[STAT_LINES]);
    totals[BACOWR_TOTAL_SAMPLES] += relaxed_load(&w->stats[STAT_SAMPLES]);
    totals[BACOWR_TOTAL_UNMAPPED] += relaxed_load(&w->stats[STAT_UNAPPLIED_UNMAPPED]);
    totals[BACOWR_TOTAL_DROPPED] += relaxed_load(&w->stats[STAT_DROPPED]);
    for (unsigned kind = 0; kind < MAPPING_N_KINDS; kind++) {
        uint64_t unmapped = relaxed_load(&w->stats[STAT_EVENT(kind, false)]);

        totals[BACOWR_TOTAL_UNMAPPED] += unmapped;
        totals[BACOWR_TOTAL_EVENTS] += unmapped + relaxed_load(&w->stats[STAT_EVENT(kind, true)]);
    }
    for (size_t i = 0; i < N_REASONS; i++)
        totals[BACOWR_TOTAL_REFUSED + i] += relaxed_load(&w->stats[reasons[i].stat]);
}

void bacowr_read_totals(const struct bacowr *b, uint64_t *totals)
{
    for (unsigned i = 0; i < bacowr_n_totals(); i++)
        totals[i] = 0;
    for (unsigned i = 0; i < b->config.n_workers; i++)
        add_worker(b->workers[i], totals);
    totals[BACOWR_TOTAL_BORN] = relaxed_load(&b->registry.n_born);
    totals[BACOWR_TOTAL_EXPIRED] = relaxed_load(&b->registry.n_expired);
}

/* ---- rules ---- */

/* Is @needle, in letters of whatever case, in @text? */
static bool contains(struct slice text, struct slice needle)
{
    for (size_t at = 0; at + needle.len <= text.len; at++)
        if (needle.len == 0 || strncasecmp(text.p + at, needle.p, needle.len) == 0)
            return true;
    return false;
}

static bool contains_str(const char *text, struct slice needle)
{
    return text != NULL && contains(slice_str(text), needle);
}

struct taken {
    uint64_t n;
    int64_t at_ms; /* the last */
};

/* What all workers counted of rule @i. */
static struct taken count_of(const struct bacowr *b, const struct rules *rules, size_t i)
{
    struct taken sum = {0, 0};

    for (unsigned w = 0; rules->counts != NULL && w < b->config.n_workers; w++) {
        const struct rule_count *count = &rules->counts[w * rules->stride + i];
        int64_t at_ms = (int64_t)relaxed_load(&count->at_ms);

        sum.n += relaxed_load(&count->n);
        sum.at_ms = at_ms > sum.at_ms ? at_ms : sum.at_ms;
    }
    return sum;
}

static void put_age(struct json *j, const char *key, const struct bacowr_tell *tell, int64_t at_ms)
{
    /* A worker's clock reading may be a moment ahead. */
    json_double(j, key, at_ms < tell->now_ms ? (double)(tell->now_ms - at_ms) / 1e3 : 0);
}

static bool is_asked_for(const struct bacowr_tell *tell, const struct mapping_rule *rule,
                         uint64_t n)
{
    if (tell->never && n > 0)
        return false;
    return contains_str(rule->match, tell->match) || contains_str(rule->name, tell->match);
}

void bacowr_tell_mapping(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j)
{
    const struct rules *rules = atomic_load_explicit(&b->rules, memory_order_relaxed);
    size_t n = mapping_n_rules(rules->mapping), n_never = 0, n_matched = 0;

    json_u64(j, "generation", rules->gen);
    json_u64(j, "total", n);
    json_bool(j, "counted", rules->counts != NULL || n == 0);
    json_array(j, "rules");
    for (size_t i = 0; i < n; i++) {
        struct taken count = count_of(b, rules, i);

        n_never += count.n == 0;
        if (!is_asked_for(tell, mapping_rule(rules->mapping, i), count.n) ||
            n_matched++ >= tell->limit)
            continue;
        json_object(j, NULL);
        explain_put_rule(j, rules->mapping, (uint32_t)i);
        json_u64(j, "identities", count.n);
        if (count.n > 0)
            put_age(j, "last_identity_age_seconds", tell, count.at_ms);
        else
            json_null(j, "last_identity_age_seconds");
        json_end_object(j);
    }
    json_end_array(j);
    json_u64(j, "matched", n_matched);
    json_u64(j, "never", n_never);
}

/* ---- notes ---- */

/* The notes of all workers that one call tells of. */
struct told {
    struct note *notes; /* owned */
    size_t n, cap;
    bool failed;
};

static void told_add(struct told *t, const struct note *note)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        struct note *notes = realloc(t->notes, cap * sizeof *notes);

        if (notes == NULL) {
            t->failed = true;
            return;
        }
        t->notes = notes;
        t->cap = cap;
    }
    t->notes[t->n++] = *note;
}

static int newer_first(const void *a, const void *b)
{
    int64_t x = ((const struct note *)a)->at_ms, y = ((const struct note *)b)->at_ms;

    return (x < y) - (x > y);
}

static void put_source(struct json *j, const struct bacowr_tell *tell, const struct note *note)
{
    char text[IP_TEXT_MAX];

    if (!tell->secrets || !note->has_source) {
        json_null(j, "source");
        return;
    }
    ip_format(note->source, text);
    json_str(j, "source", text);
}

static void put_line(struct json *j, const struct bacowr_tell *tell, const struct note *note)
{
    if (tell->secrets)
        json_slice(j, "line", slice_of(note->line, note->line_len));
    else
        json_null(j, "line");
    json_bool(j, "line_cut", tell->secrets && note->line_cut);
    put_source(j, tell, note);
}

static void put_refused(const struct bacowr_tell *tell, const struct reason *reason, struct told *t,
                        struct json *j)
{
    if (t->n > 0)
        qsort(t->notes, t->n, sizeof *t->notes, newer_first);
    for (size_t i = 0; i < t->n && i < tell->limit; i++) {
        json_object(j, NULL);
        json_str(j, "reason", reason_name(reason));
        json_str(j, "counter", reason->counter);
        put_age(j, "age_seconds", tell, t->notes[i].at_ms);
        put_line(j, tell, &t->notes[i]);
        json_end_object(j);
    }
}

void bacowr_tell_refused(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j)
{
    struct told told = {0};
    struct note note;

    json_array(j, "refused");
    for (size_t r = 0; r < N_REASONS; r++) {
        told.n = 0;
        for (unsigned w = 0; w < b->config.n_workers; w++)
            for (unsigned i = 0; i < NOTES_PER_REFUSAL; i++)
                if (notes_read_refused(b->workers[w]->notes, reasons[r].why, i, &note))
                    told_add(&told, &note);
        put_refused(tell, &reasons[r], &told, j);
    }
    json_end_array(j);
    j->out->failed |= told.failed;
    free(told.notes);
}

static void put_unmapped(const struct bacowr_tell *tell, const struct note *note, struct json *j)
{
    json_object(j, NULL);
    json_slice(j, "name", slice_of(note->name, note->name_len));
    json_bool(j, "name_cut", note->name_cut);
    json_u64(j, "identities", note->n);
    put_age(j, "last_identity_age_seconds", tell, note->at_ms);
    put_age(j, "age_seconds", tell, note->at_ms); /* the same, by its first name */
    put_line(j, tell, note);
    json_end_object(j);
}

/* Two workers may have met the same name. */
static bool told_merge(struct told *t, const struct note *note)
{
    for (size_t i = 0; i < t->n; i++) {
        struct note *has = &t->notes[i];
        uint64_t n = has->n + note->n;

        if (!slice_eq(slice_of(has->name, has->name_len), slice_of(note->name, note->name_len)))
            continue;
        if (note->at_ms > has->at_ms)
            *has = *note;
        has->n = n;
        return true;
    }
    return false;
}

void bacowr_tell_unmapped(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j)
{
    struct told told = {0};
    struct note note;

    for (unsigned w = 0; w < b->config.n_workers; w++)
        for (unsigned i = 0; i < NOTES_UNMAPPED; i++)
            if (notes_read_unmapped(b->workers[w]->notes, i, &note) && !told_merge(&told, &note))
                told_add(&told, &note);
    if (told.n > 0)
        qsort(told.notes, told.n, sizeof *told.notes, newer_first);
    json_array(j, "unmapped");
    for (size_t i = 0; i < told.n && i < tell->limit; i++)
        put_unmapped(tell, &told.notes[i], j);
    json_end_array(j);
    j->out->failed |= told.failed;
    free(told.notes);
}
