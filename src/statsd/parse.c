/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parse: datagrams to lines, lines to samples
 *
 * Everything handed out is a view of the line; nothing is copied, kept or written. What the line
 * measures is read later, by statsd_identify(); here it is only cut, and the order of the tests
 * is statsd_exporter's:
 *
 *      1. is it UTF-8?                                       malformed_line
 *      2. does it begin with _e{ or _sc| ?                   an event, a service check: not ours
 *      3. is there a colon, and a name before it?            malformed_line
 *      4. tags in the name and |# after it?                  mixed_tagging_styles
 *      5. is there a '|' after the colon?                    not_enough_parts_after_colon
 *      6. a colon before that '|': the values are packed,    invalid_extended_aggregate_type
 *         and the type is ms, h or d; a set's member keeps its colons instead
 *
 * Where the samples of a line end:
 *
 *      n:1:2:3|ms|...     packed       each value, all with the suffix from the first '|' on
 *      n:1|c|#k:a:b       with |#      the rest of the line is one sample: tags hold colons
 *      n:a:b|s            a set        likewise: members hold colons (an IPv6 address)
 *      n:1|c:2|ms         else         at each colon,
 *      n:1|c|c:ci-ab      but          in a section that begins with c:, e:, card: or another
 *                                      word that is no type a colon ends the sample only when
 *                                      "number|type" follows it
 *
 * The last row is ours (statsd_exporter tears these sections apart): n:1|c|c:2|ms are two samples
 * as ever, n:1|c|c:sha256:ab is one, n:1|c|c:ab:2|c are two. The type is not a section, so n:1|c:x
 * are two, the second of them malformed.
 *
 * The short way, statsd_scan(), gives up on whatever is rare rather than repeat these rules.
 */
#include "bacowr/statsd.h"

#include "base/name.h"
#include "base/num.h"
#include "statsd/section.h"
#include "statsd/tags.h"

static const char *const reason_names[STATSD_N_REASONS] = {
    [STATSD_OK] = "",
    [STATSD_E_LINE] = "malformed_line",
    [STATSD_E_MIXED_TAGS] = "mixed_tagging_styles",
    [STATSD_E_PARTS] = "not_enough_parts_after_colon",
    [STATSD_E_PACKED_TYPE] = "invalid_extended_aggregate_type",
    [STATSD_E_COMPONENT] = "malformed_component",
    [STATSD_E_VALUE] = "malformed_value",
    [STATSD_E_RATE] = "invalid_sample_factor",
    [STATSD_E_CONTAINER] = "malformed_container_id",
    [STATSD_E_TYPE] = "illegal_event",
    [STATSD_E_NAME] = "empty_metric_name",
    [STATSD_E_EVENT] = "dogstatsd_event",
    [STATSD_E_CHECK] = "dogstatsd_service_check",
    [STATSD_E_BAD_CHECK] = "malformed_service_check",
};

const char *statsd_reason_name(enum statsd_reason reason)
{
    return reason_names[reason];
}

struct statsd_options statsd_default_options(void)
{
    return (struct statsd_options){
        .dogstatsd_tags = true,
        .influxdb_tags = true,
        .librato_tags = true,
        .signalfx_tags = true,
        .graphite_tags = false,
        .container_id_label = true,
    };
}

/* ---- lines ---- */

struct statsd_cursor statsd_cursor(struct slice text, bool stream)
{
    return (struct statsd_cursor){.rest = text, .stream = stream};
}

bool statsd_next_line(struct statsd_cursor *cursor, struct slice *line)
{
    struct slice rest = cursor->rest;
    size_t n = slice_find(rest, '\n');

    if (cursor->done || (cursor->stream && rest.len == 0))
        return false;
    if (n == rest.len) {
        cursor->done = true;
        *line = rest;
        return true;
    }
    cursor->rest = slice_from(rest, n + 1);
    if (n > 0 && rest.p[n - 1] == '\r')
        n--;
    *line = slice_of(rest.p, n);
    return true;
}

/* ---- the long way ---- */

static enum statsd_reason foreign_message(struct slice line)
{
    if (slice_starts(line, SLICE_LIT("_e{")))
        return STATSD_E_EVENT;
    if (slice_starts(line, SLICE_LIT("_sc|")))
        return STATSD_E_CHECK;
    return STATSD_OK;
}

/* Is there a |# in @rest? Asked of the text, whether or not these tags are read. */
static bool has_dogstatsd_tags(struct slice rest)
{
    struct slice piece;

    rest = slice_from(rest, slice_find(rest, '|'));
    while (section_next(&rest, &piece))
        if (section_is_tags(piece))
            return true;
    return false;
}

/* Count what the name's tags are worth. True when at least one is well formed. */
static bool count_name_tags(struct slice name, const struct statsd_options *options,
                            unsigned *n_errors)
{
    struct tags_sink sink = {.labels = NULL, .options = options};

    tags_cut_name(name, options, &sink);
    *n_errors = sink.n_errors;
    return sink.n_labels > 0;
}

/* How the values of @rest share their suffix, which begins at @bar. */
static enum statsd_reason choose_packing(struct slice rest, size_t bar, bool dogstatsd,
                                         struct statsd_parts *out)
{
    struct slice suffix = slice_from(rest, bar);
    struct slice pieces = suffix;
    struct slice text;
    enum statsd_type type;

    out->whole = dogstatsd;
    if (slice_find(slice_of(rest.p, bar), ':') == bar)
        return STATSD_OK;
    section_next(&pieces, &text);
    if (!section_read_type(text, &type) || type == STATSD_TYPE_COUNTER || type == STATSD_TYPE_GAUGE)
        return STATSD_E_PACKED_TYPE;
    if (type == STATSD_TYPE_SET) {
        out->whole = true;
        return STATSD_OK;
    }
    out->whole = false;
    out->packed = true;
    out->rest = slice_of(rest.p, bar);
    out->suffix = suffix;
    return STATSD_OK;
}

enum statsd_reason statsd_split(struct slice line, const struct statsd_options *options,
                                struct statsd_parts *out)
{
    size_t colon = slice_find(line, ':');
    enum statsd_reason reason = foreign_message(line);
    struct slice rest;
    bool dogstatsd;
    size_t bar;

    *out = (struct statsd_parts){.done = true};
    if (!utf8_valid(line))
        return STATSD_E_LINE;
    if (reason != STATSD_OK)
        return reason;
    if (colon == 0 || colon == line.len)
        return STATSD_E_LINE;

    rest = slice_from(line, colon + 1);
    out->name = slice_of(line.p, colon);
    out->rest = rest;
    dogstatsd = has_dogstatsd_tags(rest);
    if (count_name_tags(out->name, options, &out->n_tag_errors) && dogstatsd)
        return STATSD_E_MIXED_TAGS;
    bar = slice_find(rest, '|');
    if (bar == rest.len)
        return STATSD_E_PARTS;
    reason = choose_packing(rest, bar, dogstatsd, out);
    out->done = reason != STATSD_OK;
    return reason;
}

/* Sections whose text may hold colons though the line has no |#. */
static bool keeps_colons(struct slice section)
{
    return slice_starts(section, SLICE_LIT("c:")) || section_is_field(section);
}

/* Does @text begin a sample: a number, '|', a type, and then '|', ':' or the end? */
static bool begins_sample(struct slice text)
{
    struct slice number, type;
    enum statsd_type ignored;
    double value;
    size_t n = 0;

    while (n < text.len && text.p[n] != '|' && text.p[n] != ':')
        n++;
    if (n == text.len || text.p[n] == ':')
        return false;
    number = slice_of(text.p, n);
    type = slice_from(text, n + 1);
    type.len = slice_find(type, '|');
    type.len = slice_find(type, ':');
    return section_read_type(type, &ignored) && num_parse(number, &value) != NUM_E_SYNTAX;
}

/* Where the first sample of @rest ends: at a colon, or with it. */
static size_t sample_len(struct slice rest)
{
    size_t n_bars = 0;
    bool kept = false;

    for (size_t i = 0; i < rest.len; i++) {
        if (rest.p[i] == '|') {
            /*  1|c|c:ab:2|c    is the piece that colons stand in a section that keeps them? Asked
             *      `-^  ^      once, where it begins: it may be long, and have many            */
            kept = ++n_bars >= 2 && keeps_colons(slice_from(rest, i + 1));
        } else if (rest.p[i] == ':') {
            if (!kept || begins_sample(slice_from(rest, i + 1)))
                return i;
        }
    }
    return rest.len;
}

bool statsd_next_sample(struct statsd_parts *parts, struct statsd_sample *out)
{
    struct slice rest = parts->rest;
    struct slice sample = rest;
    size_t bar;

    if (parts->done)
        return false;
    if (parts->packed)
        sample.len = slice_find(rest, ':');
    else if (!parts->whole)
        sample.len = sample_len(rest);

    parts->done = sample.len == rest.len;
    parts->rest = slice_from(rest, parts->done ? rest.len : sample.len + 1);

    bar = slice_find(sample, '|');
    out->value = slice_of(sample.p, bar);
    out->suffix = parts->packed ? parts->suffix : slice_from(sample, bar);
    return true;
}

/* ---- the short way ---- */

/*
 * The most bytes of a number that the scan takes for plain: any decimal of this length is within a
 * double's range, so it cannot be refused later.
 */
#define SCAN_MAX_NUMBER 300

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') <= 9)
        p++;
    return p;
}

/* Past the plain decimal number at @p, or NULL when there is none. */
static const char *skip_number(const char *p, const char *end)
{
    const char *start = p;
    const char *digits;
    size_t n_digits;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    digits = p;
    p = skip_digits(p, end);
    n_digits = (size_t)(p - digits);
    if (p < end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, end);
        n_digits += (size_t)(p - digits);
    }
    return n_digits > 0 && p - start <= SCAN_MAX_NUMBER ? p : NULL;
}

/* The '|' after one plain number, or after several with colons between; NULL: something else. */
static const char *skip_numbers(const char *p, const char *end, bool *packed)
{
    *packed = false;
    for (;;) {
        p = skip_number(p, end);
        if (!p || p == end)
            return NULL;
        if (*p == '|')
            return p;
        if (*p != ':')
            return NULL;
        *packed = true;
        p++;
    }
}

/*
 * The '|' after a set's member. It has no colon, so it is never packed. Its bytes are no part of an
 * identity and nobody looks at them again: they must be valid here.
 */
static const char *skip_member(const char *p, const char *end)
{
    struct slice rest = slice_of(p, (size_t)(end - p));
    struct slice member = slice_of(p, slice_find(rest, '|'));
    struct slice suffix = slice_from(rest, member.len);

    if (member.len == 0 || !slice_starts(suffix, SLICE_LIT("|s")))
        return NULL;
    if (suffix.len > 2 && suffix.p[2] != '|')
        return NULL;
    if (slice_find(member, ':') < member.len || !utf8_valid(member))
        return NULL;
    return suffix.p;
}

/* What the sections of a suffix hold that decides how the line is cut. */
struct scan_sections {
    bool dogstatsd;
    bool extras;
    unsigned n_pieces; /* of the sample, as statsd_identify() counts them */
};

static struct scan_sections look_at_sections(struct slice type, struct slice rest,
                                             const struct statsd_options *options)
{
    struct scan_sections seen = {.dogstatsd = section_is_tags(type), .n_pieces = 2};
    struct slice section;

    while (section_next(&rest, &section)) {
        if (section_is_tags(section)) {
            seen.dogstatsd = true;
            seen.extras |= extras_in_tags(section, options);
            seen.n_pieces++;
        } else {
            seen.extras |= section_is_extra(section, options);
            seen.n_pieces += !section_is_field(section);
        }
    }
    return seen;
}

/* May the values before @scan->suffix go the short way with it? Sets @scan->extras. */
static bool scan_suffix(struct statsd_scan *scan, const struct statsd_options *options)
{
    struct slice rest = scan->suffix;
    struct slice text;
    enum statsd_type type;
    struct scan_sections seen;

    section_next(&rest, &text);
    if (scan->packed && (!section_read_type(text, &type) || type < STATSD_TYPE_TIMER ||
                         type > STATSD_TYPE_DISTRIBUTION))
        return false;
    seen = look_at_sections(text, rest, options);
    if (seen.dogstatsd && tags_in_name(scan->name, options))
        return false;
    /* With a colon there, another sample may follow: not when it is packed or has |#. */
    if (!scan->packed && !seen.dogstatsd && slice_find(scan->suffix, ':') < scan->suffix.len)
        return false;
    /* Without its timestamp a sample of too many pieces would pass for one that has not. */
    if (seen.extras && section_is_beyond(seen.n_pieces, options))
        return false;
    scan->extras = seen.extras;
    return true;
}

bool statsd_scan(struct slice line, const struct statsd_options *options, struct statsd_scan *out)
{
    const char *end = line.p + line.len;
    size_t colon = slice_find(line, ':');
    struct statsd_scan scan;
    const char *values;
    const char *bar;

    if (colon == 0 || colon == line.len || foreign_message(line) != STATSD_OK)
        return false;
    values = line.p + colon + 1;
    bar = skip_numbers(values, end, &scan.packed);
    if (!bar)
        bar = skip_member(values, end);
    if (!bar)
        return false;
    scan.name = slice_of(line.p, colon);
    scan.values = slice_of(values, (size_t)(bar - values));
    scan.suffix = slice_of(bar, (size_t)(end - bar));
    if (!scan_suffix(&scan, options))
        return false;
    *out = scan;
    return true;
}

bool statsd_is_plain(struct slice name, struct slice suffix, const struct statsd_options *options)
{
    struct statsd_scan scan = {.name = name, .suffix = suffix};

    return suffix.len > 0 && scan_suffix(&scan, options) && !scan.extras;
}
