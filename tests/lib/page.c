/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page: see page.h
 *
 *      # HELP name text          each family once, in order of names,
 *      # TYPE name type          both lines before its samples
 *      name{a="1",b="2"} 3       labels in order, `le` and `quantile` last, no sample twice
 *
 * Histograms: buckets rise, end at +Inf, and are followed by _sum and by a _count that equals the
 * last bucket. Summaries: quantiles rise, then _sum and _count. Counters are not negative. Every
 * number is the shortest that reads back as itself.
 */
#include "lib/page.h"

#include <math.h>
#include <stdlib.h>

#include "base/name.h"
#include "base/num.h"

struct sample {
    struct slice series; /* name and labels, as written */
    struct slice name;
    struct slice base;     /* labels without the point's */
    const char *point_key; /* le, quantile, or NULL in a family that has no points */
    bool is_point;
    double point;
    double value;
};

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM, KIND_SUMMARY, N_KINDS };
static const char *const kinds[N_KINDS] = {"counter", "gauge", "histogram", "summary"};
static const char *const point_keys[N_KINDS] = {NULL, NULL, "le", "quantile"};

struct reading {
    struct slice rest;
    struct slice family;
    enum kind kind;
    bool has_family;
    bool empty; /* no sample of the family yet */
    /* Of the histogram or summary under way. */
    enum { AT_START, AT_POINTS, AT_COUNT } at;
    struct slice base;
    double last_point;
    double last_value;
    struct slice *series; /* all so far */
    size_t n_series, cap_series;
};

static struct slice next_line(struct slice *rest)
{
    struct slice line = slice_of(rest->p, slice_find(*rest, '\n'));

    *rest = slice_from(*rest, line.len < rest->len ? line.len + 1 : line.len);
    return line;
}

/* Cut @prefix off @line; false, and nothing done, when it is not there. */
static bool cut_prefix(struct slice *line, struct slice prefix)
{
    if (!slice_starts(*line, prefix))
        return false;
    *line = slice_of(line->p + prefix.len, line->len - prefix.len);
    return true;
}

/* Cut the first word and its blank off @line. */
static struct slice next_word(struct slice *line)
{
    struct slice word = slice_of(line->p, slice_find(*line, ' '));

    *line = slice_from(*line, word.len < line->len ? word.len + 1 : word.len);
    return word;
}

/* ---- numbers and names ---- */

static bool read_number(struct slice text, double *out)
{
    char shortest[NUM_TEXT_MAX];

    if (slice_eq_str(text, "NaN")) {
        *out = NAN;
        return true;
    }
    return num_parse(text, out) == 0 &&
           slice_eq(text, slice_of(shortest, num_print(shortest, *out)));
}

static bool is_name(struct slice name)
{
    if (name.len == 0 || (name.p[0] >= '0' && name.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return true;
}

/* ---- samples ---- */

/* The length of the quoted text that @rest begins with, quotes included; 0: none. */
static size_t quoted_len(struct slice rest)
{
    if (rest.len == 0 || rest.p[0] != '"')
        return 0;
    for (size_t i = 1; i < rest.len; i++) {
        if (rest.p[i] == '"')
            return i + 1;
        if (rest.p[i] == '\\' &&
            (++i == rest.len || (rest.p[i] != '\\' && rest.p[i] != '"' && rest.p[i] != 'n')))
            return 0;
    }
    return 0;
}

static const char *read_label(struct slice key, struct slice text, struct slice before,
                              struct sample *s)
{
    if (!is_name(key) || slice_starts(key, SLICE_LIT("__")))
        return "a label's name";
    if (s->is_point)
        return "le and quantile are the last label";
    if (s->point_key != NULL && slice_eq_str(key, s->point_key)) {
        s->is_point = true;
        return read_number(text, &s->point) ? NULL : "le and quantile are numbers";
    }
    return before.len == 0 || slice_cmp(before, key) < 0 ? NULL : "labels in order, each once";
}

/* From the '{' on; @line is left behind the '}'. */
static const char *read_labels(struct slice *line, struct sample *s)
{
    struct slice before = {NULL, 0};

    *line = slice_from(*line, 1);
    s->base = slice_of(line->p, 0);
    for (;;) {
        struct slice key = slice_of(line->p, slice_find(*line, '='));
        struct slice rest = slice_from(*line, key.len < line->len ? key.len + 1 : key.len);
        size_t len = quoted_len(rest);
        const char *broken;

        if (len == 0)
            return "a label's value in quotes";
        broken = read_label(key, slice_of(rest.p + 1, len - 2), before, s);
        if (broken != NULL)
            return broken;
        before = key;
        *line = slice_from(rest, len);
        if (!s->is_point)
            s->base.len = (size_t)(line->p - s->base.p);
        if (line->len == 0)
            return "a closing brace";
        if (line->p[0] == '}')
            break;
        if (line->p[0] != ',')
            return "a comma between labels";
        *line = slice_from(*line, 1);
    }
    *line = slice_from(*line, 1);
    return NULL;
}

static const char *read_sample(struct slice line, enum kind kind, struct sample *s)
{
    struct slice whole = line;
    size_t len = 0;

    *s = (struct sample){.point_key = point_keys[kind]};
    while (len < line.len && line.p[len] != '{' && line.p[len] != ' ')
        len++;
    s->name = slice_of(line.p, len);
    line = slice_from(line, len);
    if (!is_name(s->name))
        return "a metric's name";
    if (line.len > 0 && line.p[0] == '{') {
        const char *broken = read_labels(&line, s);

        if (broken != NULL)
            return broken;
    }
    s->series = slice_of(whole.p, (size_t)(line.p - whole.p));
    if (line.len == 0 || line.p[0] != ' ')
        return "a blank before the value";
    return read_number(slice_from(line, 1), &s->value) ? NULL : "the shortest form of a number";
}

/* ---- families ---- */

static bool has_suffix(const struct reading *r, const struct sample *s, const char *suffix)
{
    return slice_starts(s->name, r->family) &&
           slice_eq_str(slice_from(s->name, r->family.len), suffix);
}

/* The points of one histogram or summary: le or quantile rises, buckets do too. */
static const char *take_point(struct reading *r, const struct sample *s)
{
    bool histogram = r->kind == KIND_HISTOGRAM;

    if (!s->is_point)
        return "a point has its own label";
    if (r->at == AT_START) {
        r->base = s->base;
        r->last_point = r->last_value = -INFINITY;
        r->at = AT_POINTS;
    }
    if (r->at != AT_POINTS || !slice_eq(r->base, s->base))
        return "the lines of a series stand together";
    if (!(s->point > r->last_point) || (histogram && !(s->value >= r->last_value)))
        return "points rise";
    r->last_point = s->point;
    r->last_value = s->value;
    return NULL;
}

static const char *take_composite(struct reading *r, const struct sample *s)
{
    bool histogram = r->kind == KIND_HISTOGRAM;

    if (has_suffix(r, s, histogram ? "_bucket" : ""))
        return take_point(r, s);
    if (!histogram && r->at == AT_START) { /* without quantiles, until it has moved to others */
        r->base = s->base;
        r->at = AT_POINTS;
    }
    if (s->is_point || !slice_eq(s->base, r->base))
        return "_sum and _count have the series' labels";
    if (has_suffix(r, s, "_sum")) {
        if (r->at != AT_POINTS || (histogram && !isinf(r->last_point)))
            return "_sum follows the last point";
        r->at = AT_COUNT;
        return NULL;
    }
    if (!has_suffix(r, s, "_count") || r->at != AT_COUNT)
        return "_count follows _sum";
    r->at = AT_START;
    return histogram && s->value != r->last_value ? "_count is the last bucket" : NULL;
}

static const char *take_sample(struct reading *r, struct slice line)
{
    struct sample s;
    const char *broken = read_sample(line, r->kind, &s);

    if (broken != NULL)
        return broken;
    if (!r->has_family)
        return "HELP and TYPE before samples";
    if (r->n_series == r->cap_series) {
        r->cap_series = r->cap_series ? 2 * r->cap_series : 256;
        r->series = realloc(r->series, r->cap_series * sizeof *r->series);
        if (r->series == NULL)
            abort();
    }
    r->series[r->n_series++] = s.series;
    r->empty = false;
    if (r->kind == KIND_HISTOGRAM || r->kind == KIND_SUMMARY)
        return take_composite(r, &s);
    if (!slice_eq(s.name, r->family))
        return "samples stand under their family";
    return r->kind == KIND_COUNTER && !(s.value >= 0) ? "a counter is 0 or more" : NULL;
}

static const char *end_family(const struct reading *r)
{
    if (r->has_family && r->empty)
        return "a family has samples";
    return r->at == AT_START ? NULL : "a series is whole";
}

/* From what follows "# HELP " on, the TYPE line included. */
static const char *take_head(struct reading *r, struct slice line)
{
    const char *broken = end_family(r);
    struct slice name = next_word(&line), type;

    if (broken != NULL)
        return broken;
    if (!is_name(name) || (r->has_family && slice_cmp(r->family, name) >= 0))
        return "families in order, each once";
    line = next_line(&r->rest);
    if (!cut_prefix(&line, SLICE_LIT("# TYPE ")))
        return "TYPE follows HELP";
    if (!slice_eq(next_word(&line), name))
        return "TYPE and HELP are of one family";
    type = next_word(&line);
    for (r->kind = 0; r->kind < N_KINDS && !slice_eq_str(type, kinds[r->kind]);)
        r->kind++;
    if (r->kind == N_KINDS || line.len > 0)
        return "a type";
    r->family = name;
    r->has_family = r->empty = true;
    return NULL;
}

static int series_cmp(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static const char *find_twins(struct reading *r)
{
    if (r->n_series > 0)
        qsort(r->series, r->n_series, sizeof *r->series, series_cmp);
    for (size_t i = 1; i < r->n_series; i++)
        if (slice_eq(r->series[i - 1], r->series[i]))
            return "no sample twice";
    return NULL;
}

const char *page_broken(struct slice page, unsigned *line)
{
    struct reading r = {.rest = page};
    const char *broken = NULL;

    *line = 0;
    if (!utf8_valid(page))
        return "a page is UTF-8";
    if (page.len > 0 && page.p[page.len - 1] != '\n')
        return "the last line ends";
    while (broken == NULL && r.rest.len > 0) {
        struct slice text = next_line(&r.rest);

        ++*line;
        if (cut_prefix(&text, SLICE_LIT("# HELP "))) {
            broken = take_head(&r, text);
            ++*line;
        } else {
            broken = take_sample(&r, text);
        }
    }
    if (broken == NULL)
        broken = end_family(&r);
    if (broken == NULL)
        broken = find_twins(&r);
    free(r.series);
    return broken;
}

/* ---- look-ups ---- */

bool page_has(struct slice page, const char *line)
{
    while (page.len > 0)
        if (slice_eq_str(next_line(&page), line))
            return true;
    return false;
}

/* The next sample and its @line, read with the type of its family. */
static bool next_sample(struct reading *r, struct slice *line, struct sample *s)
{
    while (r->rest.len > 0) {
        *line = next_line(&r->rest);
        r->empty = false; /* the strict reader has seen to that */
        if (cut_prefix(line, SLICE_LIT("# HELP ")))
            (void)take_head(r, *line);
        else if (read_sample(*line, r->kind, s) == NULL)
            return true;
    }
    return false;
}

bool page_value(struct slice page, const char *series, double *out)
{
    struct reading r = {.rest = page};
    struct slice line;
    struct sample s;

    *out = NAN;
    while (next_sample(&r, &line, &s)) {
        if (!slice_eq_str(s.series, series))
            continue;
        *out = s.value;
        return true;
    }
    return false;
}

static const char *const own_prefixes[] = {"statsd_exporter_", "bacowr_statsd_",
                                           "statsd_metric_mapper_"};

/* How much of @name is a prefix of our own; 0: it is a sender's. */
static size_t own_prefix(struct slice name)
{
    for (size_t i = 0; i < sizeof own_prefixes / sizeof own_prefixes[0]; i++)
        if (slice_starts(name, slice_str(own_prefixes[i])))
            return strlen(own_prefixes[i]);
    return 0;
}

void page_add_series(struct slice page, struct buf *out)
{
    struct reading r = {.rest = page};
    struct slice line;
    struct sample s;

    while (next_sample(&r, &line, &s)) {
        if (own_prefix(s.name) > 0 || (s.is_point && r.kind == KIND_SUMMARY))
            continue;
        buf_add_slice(out, line);
        buf_add_byte(out, '\n');
    }
}

static bool is_told(struct slice name)
{
    static const char *const untold[] = {
        "statsd_exporter_metrics_total", "bacowr_statsd_datagrams_total", "bacowr_statsd_series",
        "bacowr_statsd_route",           "bacowr_statsd_reload",          "statsd_metric_mapper",
        "bacowr_statsd_overflow_",
    };

    for (size_t i = 0; i < sizeof untold / sizeof untold[0]; i++)
        if (slice_starts(name, slice_str(untold[i])))
            return false;
    return own_prefix(name) > 0;
}

/* The labels' values, each with a dot before it. */
static void add_label_values(struct buf *out, struct slice base)
{
    while (base.len > 0) {
        size_t len;

        base = slice_from(base, slice_find(base, '=') + 1);
        len = quoted_len(base);
        buf_add_byte(out, '.');
        buf_add(out, base.p + 1, len - 2);
        base = slice_from(base, len < base.len ? len + 1 : len);
    }
}

void page_add_counts(struct slice page, struct buf *out)
{
    struct reading r = {.rest = page};
    struct slice line;
    struct sample s;

    while (next_sample(&r, &line, &s)) {
        struct slice name;

        if (!is_told(s.name) || s.value == 0)
            continue;
        name = slice_from(s.name, own_prefix(s.name));
        if (name.len > 6 && slice_eq_str(slice_from(name, name.len - 6), "_total"))
            name.len -= 6;
        if (out->len > 0)
            buf_add_byte(out, ' ');
        buf_add_slice(out, name);
        add_label_values(out, s.base);
        buf_add_byte(out, '=');
        buf_add_double(out, s.value);
    }
}
