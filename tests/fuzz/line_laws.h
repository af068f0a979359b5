/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws that hold for any line whatever: the fuzz target and a unit test ask them
 *
 * Each function gives NULL, or the law that is broken. The caller places @line where reading past
 * it is noticed; scratch is allocated to the byte, for the sanitizer to watch.
 */
#ifndef TESTS_FUZZ_LINE_LAWS_H
#define TESTS_FUZZ_LINE_LAWS_H

#include <stdlib.h>
#include <string.h>

#include "bacowr/statsd.h"
#include "base/name.h"
#include "base/num.h"
#include "base/slice.h"

static inline bool law_inside(struct slice view, struct slice region)
{
    return view.len == 0 || (view.p >= region.p && view.p + view.len <= region.p + region.len);
}

static inline bool law_same_number(double a, double b)
{
    return a == b || (a != a && b != b);
}

/* ---- identities ---- */

struct law_identity {
    struct statsd_identity id;
    struct slice scratch; /* owned */
};

static inline void law_identify(struct law_identity *out, struct slice name, struct slice suffix,
                                const struct statsd_options *options)
{
    size_t size = STATSD_SCRATCH_SIZE(name.len, suffix.len);
    char *scratch = malloc(size);

    if (!scratch)
        abort();
    memset(&out->id, 0xa5, sizeof out->id);
    out->scratch = slice_of(scratch, size);
    statsd_identify(name, suffix, options, scratch, &out->id);
}

static inline void law_identity_release(struct law_identity *i)
{
    free((void *)i->scratch.p);
}

/* Is @value what a tag without one gets? */
static inline bool law_stands_for_none(struct slice value, const struct statsd_options *options)
{
    return (options->valueless_tags == STATSD_VALUELESS_EMPTY && value.len == 0) ||
           (options->valueless_tags == STATSD_VALUELESS_TRUE && slice_eq_str(value, "true"));
}

static inline const char *law_labels(const struct law_identity *i, struct slice name,
                                     struct slice suffix, const struct statsd_options *options)
{
    if (i->id.n_labels > STATSD_MAX_LABELS)
        return "labels have room";
    for (unsigned a = 0; a < i->id.n_labels; a++) {
        struct statsd_label label = i->id.labels[a];

        if (label.key.len == 0 || !name_is_plain(label.key))
            return "a label's key is a label name";
        if (label.value.len == 0 && !law_stands_for_none(label.value, options))
            return "a label's value is not empty";
        if (!law_inside(label.key, name) && !law_inside(label.key, suffix) &&
            !law_inside(label.key, i->scratch))
            return "a label's key is a view of the input or the scratch";
        if (!law_inside(label.value, name) && !law_inside(label.value, suffix) &&
            !law_stands_for_none(label.value, options))
            return "a label's value is a view of the input";
        for (unsigned b = 0; b < a; b++)
            if (slice_eq(label.key, i->id.labels[b].key))
                return "label keys are unique";
    }
    return NULL;
}

static inline const char *law_fields(const struct law_identity *i, struct slice name)
{
    const unsigned may = 1u << STATSD_OK | 1u << STATSD_E_COMPONENT | 1u << STATSD_E_RATE |
                         1u << STATSD_E_CONTAINER | 1u << STATSD_E_TYPE | 1u << STATSD_E_NAME;

    if ((unsigned)i->id.reason >= STATSD_N_REASONS || !(may >> i->id.reason & 1))
        return "an identity is refused for a reason of its own";
    if (i->id.reason_precedes_value && i->id.reason != STATSD_E_COMPONENT)
        return "only the number of pieces is judged before the value";
    if ((unsigned)i->id.type >= STATSD_N_TYPES)
        return "the type is one of the six";
    if (i->id.repeat < 0 || i->id.repeat > (int64_t)1 << 53)
        return "a repeat is within 0 and 2^53";
    if (!law_inside(i->id.name, name) && !law_inside(i->id.name, i->scratch))
        return "the name is a view of the input or the scratch";
    if (i->id.reason == STATSD_OK && i->id.name.len == 0)
        return "an accepted name is not empty";
    return NULL;
}

static inline bool law_same_identity(const struct statsd_identity *a,
                                     const struct statsd_identity *b)
{
    if (a->reason != b->reason || a->type != b->type || a->repeat != b->repeat ||
        a->n_labels != b->n_labels || !law_same_number(a->divisor, b->divisor) ||
        a->n_tag_errors != b->n_tag_errors || a->n_rate_errors != b->n_rate_errors ||
        !slice_eq(a->name, b->name))
        return false;
    for (unsigned i = 0; i < a->n_labels; i++)
        if (!slice_eq(a->labels[i].key, b->labels[i].key) ||
            !slice_eq(a->labels[i].value, b->labels[i].value))
            return false;
    return true;
}

static inline const char *law_exemplar(const struct statsd_exemplar *e, struct slice suffix)
{
    if (e->n > STATSD_MAX_EXEMPLAR_TAGS)
        return "an exemplar's tags have room";
    for (unsigned i = 0; i < e->n; i++)
        if (e->tags[i].value.len == 0 || !law_inside(e->tags[i].value, suffix))
            return "an exemplar's value is a view of the input";
    for (unsigned i = 1; i < e->n; i++)
        if (slice_eq(e->tags[i].key, e->tags[i - 1].key))
            return "an exemplar's keys are unique";
    return NULL;
}

/* What is left once holds nothing more to take out. */
static inline const char *law_strip_again(struct slice bare, const struct statsd_options *options)
{
    char *again = malloc(bare.len + 1);
    struct statsd_stripped stripped;
    bool same;

    if (!again)
        abort();
    statsd_strip_extras(bare, options, again, &stripped);
    same = slice_eq(slice_of(again, stripped.len), bare) && stripped.exemplar.n == 0 &&
           stripped.n_unknown == 0;
    free(again);
    return same ? NULL : "stripping again changes nothing";
}

/* Extras are no part of an identity, unless they are what makes it too long (@strict: never). */
static inline const char *law_extras(const struct law_identity *whole, struct slice name,
                                     struct slice suffix, const struct statsd_options *options,
                                     bool strict)
{
    char *stripped = malloc(suffix.len + 1);
    struct law_identity bare;
    struct statsd_stripped seen;
    const char *broken;
    size_t len;

    if (!stripped)
        abort();
    memset(&seen, 0xa5, sizeof seen);
    statsd_strip_extras(suffix, options, stripped, &seen);
    len = seen.len;
    if (len > suffix.len)
        return "stripping does not grow";
    law_identify(&bare, name, slice_of(stripped, len), options);
    broken = law_exemplar(&seen.exemplar, suffix);
    if (!broken)
        broken = law_strip_again(slice_of(stripped, len), options);
    if (!broken && (strict || !whole->id.reason_precedes_value) &&
        !law_same_identity(&whole->id, &bare.id))
        broken = "extras are no part of an identity";
    law_identity_release(&bare);
    free(stripped);
    return broken;
}

static inline const char *law_identity(struct slice name, struct slice suffix,
                                       const struct statsd_options *options, bool strict)
{
    struct law_identity i;
    const char *broken;

    law_identify(&i, name, suffix, options);
    broken = law_fields(&i, name);
    if (!broken)
        broken = law_labels(&i, name, suffix, options);
    if (!broken)
        broken = law_extras(&i, name, suffix, options, strict);
    law_identity_release(&i);
    return broken;
}

/* ---- service checks ---- */

/* The line of a gauge that a service check becomes is one sample, whatever its text. */
static inline const char *law_check(struct slice line, const struct statsd_options *options)
{
    size_t size = STATSD_CHECK_SIZE(line.len), len = 0;
    char *text = malloc(size);
    struct statsd_parts parts;
    struct statsd_sample sample;
    const char *broken = NULL;

    if (!text)
        abort();
    if (statsd_check_to_gauge(line, text, &len) != STATSD_OK) {
        free(text);
        return NULL;
    }
    if (len > size)
        broken = "a check's line has room";
    else if (statsd_split(slice_of(text, len), options, &parts) != STATSD_OK ||
             !statsd_next_sample(&parts, &sample) || !parts.done)
        broken = "a check is one sample";
    else if (sample.value.len != 1 || !slice_starts(sample.suffix, SLICE_LIT("|g|#")))
        broken = "a check is a gauge of one digit";
    else
        broken = law_identity(parts.name, sample.suffix, options, false);
    free(text);
    return broken;
}

/* ---- the long way ---- */

static inline const char *law_sample(const struct statsd_parts *parts,
                                     const struct statsd_sample *sample, struct slice line)
{
    if (!law_inside(sample->value, line) || !law_inside(sample->suffix, line))
        return "a sample is a view of the line";
    if (slice_find(sample->value, '|') < sample->value.len)
        return "a value ends before the first '|'";
    if (!parts->whole && slice_find(sample->value, ':') < sample->value.len)
        return "a value holds no colon unless the line is one sample";
    if (sample->suffix.len > 0 && sample->suffix.p[0] != '|')
        return "a suffix begins with '|'";
    if (!parts->packed && sample->suffix.p != sample->value.p + sample->value.len)
        return "a suffix follows its value";
    return NULL;
}

static inline const char *law_samples(struct statsd_parts parts, struct slice line,
                                      const struct statsd_options *options)
{
    const char *at = line.p + parts.name.len + 1; /* where the next sample must begin */
    const char *end = parts.packed ? parts.suffix.p : line.p + line.len;
    struct statsd_sample sample;

    if (parts.done)
        return "a line that is not refused has a sample";
    while (statsd_next_sample(&parts, &sample)) {
        const char *broken = law_sample(&parts, &sample, line);

        if (!broken && sample.value.p != at)
            broken = "samples follow each other, a colon between";
        if (!broken)
            broken = law_identity(parts.name, sample.suffix, options, false);
        if (broken)
            return broken;
        at = sample.value.p + sample.value.len + (parts.packed ? 0 : sample.suffix.len);
        if (parts.done != (at == end))
            return "the last sample ends the line";
        at++;
    }
    return NULL;
}

static inline const char *law_split(struct slice line, const struct statsd_options *options)
{
    const unsigned may = 1u << STATSD_OK | 1u << STATSD_E_LINE | 1u << STATSD_E_MIXED_TAGS |
                         1u << STATSD_E_PARTS | 1u << STATSD_E_PACKED_TYPE | 1u << STATSD_E_EVENT |
                         1u << STATSD_E_CHECK;
    struct statsd_parts parts;
    enum statsd_reason reason;

    memset(&parts, 0xa5, sizeof parts);
    reason = statsd_split(line, options, &parts);
    if ((unsigned)reason >= STATSD_N_REASONS || !(may >> reason & 1))
        return "a line is refused for a reason of its own";
    if ((reason == STATSD_E_LINE) !=
        (!utf8_valid(line) || (slice_find(line, ':') == 0) ||
         (slice_find(line, ':') == line.len && !slice_starts(line, SLICE_LIT("_e{")) &&
          !slice_starts(line, SLICE_LIT("_sc|")))))
        return "malformed_line: no UTF-8, no colon, or nothing before it";
    if (reason == STATSD_E_CHECK)
        return law_check(line, options);
    if (reason != STATSD_OK)
        return NULL;
    if (parts.name.p != line.p || parts.name.len != slice_find(line, ':'))
        return "the name ends at the first colon";
    return law_samples(parts, line, options);
}

/* ---- the short way ---- */

static inline bool law_is_set(struct slice suffix)
{
    return slice_starts(suffix, SLICE_LIT("|s")) && (suffix.len == 2 || suffix.p[2] == '|');
}

/* The long way's samples of @parts are those that @scan has found. */
static inline const char *law_same_samples(const struct statsd_scan *scan,
                                           struct statsd_parts parts)
{
    struct slice values = scan->values;
    struct statsd_sample sample;
    size_t n_values = 1, n_samples = 0;
    double number;

    for (size_t i = 0; i < values.len; i++)
        n_values += values.p[i] == ':';
    while (statsd_next_sample(&parts, &sample)) {
        struct slice value = slice_of(values.p, slice_find(values, ':'));

        n_samples++;
        if (sample.value.p != value.p || sample.value.len != value.len)
            return "both ways find the same values";
        if (!slice_eq(sample.suffix, scan->suffix))
            return "both ways find the same suffix";
        if (!law_is_set(scan->suffix) && num_parse(value, &number) != 0)
            return "a scanned value is a number";
        values = slice_from(values, value.len);
        if (values.len > 0)
            values = slice_from(values, 1);
    }
    if (n_samples != n_values || scan->packed != (n_values > 1))
        return "both ways find as many samples";
    return NULL;
}

static inline const char *law_scan(struct slice line, const struct statsd_options *options)
{
    struct statsd_scan scan;
    struct statsd_parts parts;
    enum statsd_reason reason;
    const char *broken;

    memset(&scan, 0xa5, sizeof scan);
    if (!statsd_scan(line, options, &scan))
        return NULL;
    reason = statsd_split(line, options, &parts);
    if (!utf8_valid(scan.name) || !utf8_valid(scan.suffix))
        return reason == STATSD_E_LINE ? NULL : "bytes that are not UTF-8 are refused";
    if (reason != STATSD_OK)
        return "the long way refuses no scanned line";
    if (!slice_eq(scan.name, parts.name))
        return "both ways find the same name";
    if (law_strip_again(scan.suffix, options) == NULL && scan.extras)
        return "extras are there to be taken out";
    if (law_strip_again(scan.suffix, options) != NULL && !scan.extras)
        return "both ways find the same extras";
    broken = law_same_samples(&scan, parts);
    if (!broken)
        broken = law_identity(scan.name, scan.suffix, options, true);
    return broken;
}

static inline const char *line_laws_broken(struct slice line, const struct statsd_options *options)
{
    const char *broken = law_split(line, options);

    return broken ? broken : law_scan(line, options);
}

#endif
