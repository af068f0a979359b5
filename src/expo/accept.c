/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept: which format a scraper gets
 *
 *      Accept: text/plain;version=0.0.4;q=0.5, application/x;proto="a,b"
 *              `----------- range -----------'  `---------------------'
 *
 * Each range of the header is cut into type, subtype and parameters and held against each row of
 * the table. As RFC 9110 says, the most specific range that matches a row gives it its weight, and
 * a weight of 0 rules it out. The heaviest row is taken; among equals the one that the header names
 * first, then the one that stands first in the table.
 *
 * Laws: there is always an answer: a header that is empty, broken or asks for nothing that we have
 *       gets the first row, as from statsd_exporter. A range that is not well formed is passed over
 *       and does not spoil its neighbours. Commas and semicolons in quoted strings cut nothing.
 *
 * A range with a wildcard means the text format only, as it does to statsd_exporter: whoever can
 * read "anything" is a browser or a script more often than a reader of protobuf.
 *
 * A format is added as a row of `formats`; those that are offered by choice stand last.
 */
#include "expo/accept.h"

#include <assert.h>
#include <string.h>

static const struct accept_row formats[] = {
    {.type = "text",
     .subtype = "plain",
     .params = {{"version", "0.0.4", .optional = true}},
     .encoder = &encoder_text},
    {.type = "application",
     .subtype = "vnd.google.protobuf",
     .params = {{"proto", "io.prometheus.client.MetricFamily", false},
                {"encoding", "delimited", false}},
     .by_name = true,
     .encoder = &encoder_protobuf},
    {.type = "application",
     .subtype = "openmetrics-text",
     .params = {{"version", "1.0.0", .optional = true}},
     .by_name = true,
     .encoder = &encoder_openmetrics},
};

#define N_FORMATS        ((unsigned)(sizeof formats / sizeof formats[0]))

/* Past this a media range is a guess of an attacker, not of a scraper. */
#define MAX_RANGE_PARAMS 16

struct param {
    struct slice name;
    struct slice value; /* quotes and backslashes as they came */
};

struct range {
    struct slice type;
    struct slice subtype;
    unsigned weight; /* 0..1000 */
    unsigned n_params;
    struct param params[MAX_RANGE_PARAMS]; /* without q */
};

/* How a row stands after the ranges that were read so far. */
struct standing {
    unsigned specificity; /* of the range that set the weight; 0: none matched */
    unsigned weight;
    size_t position; /* of that range in the header */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool equals_ignoring_case(struct slice s, const char *text)
{
    size_t len = strlen(text);

    if (s.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(s.p[i]) != lower(text[i]))
            return false;
    }
    return true;
}

/* Cut @rest at the next @stop outside quotes: the trimmed piece before it. */
static struct slice cut(struct slice *rest, char stop)
{
    bool quoted = false;
    struct slice piece;
    size_t i = 0;

    for (; i < rest->len && (quoted || rest->p[i] != stop); i++) {
        if (rest->p[i] == '"')
            quoted = !quoted;
        else if (quoted && rest->p[i] == '\\' && i + 1 < rest->len)
            i++;
    }
    piece = slice_of(rest->p, i);
    *rest = slice_from(*rest, i < rest->len ? i + 1 : i);
    return slice_trim_blanks(piece);
}

/* Is the parameter value @s, quoted or not, @text? */
static bool value_is(struct slice s, const char *text)
{
    if (s.len < 2 || s.p[0] != '"' || s.p[s.len - 1] != '"')
        return equals_ignoring_case(s, text);
    for (size_t i = 1; i < s.len - 1; i++) {
        if (s.p[i] == '\\' && i + 1 < s.len - 1)
            i++;
        if (*text == '\0' || lower(s.p[i]) != lower(*text++))
            return false;
    }
    return *text == '\0';
}

/* A weight: 0 or 1 and up to three decimals, in thousandths. */
static bool parse_weight(struct slice s, unsigned *out)
{
    unsigned weight, unit = 100;

    if (s.len < 1 || s.len > 5 || (s.p[0] != '0' && s.p[0] != '1'))
        return false;
    if (s.len > 1 && s.p[1] != '.')
        return false;
    weight = s.p[0] == '1' ? 1000 : 0;
    for (size_t i = 2; i < s.len; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        weight += (unsigned)(s.p[i] - '0') * unit;
    }
    if (weight > 1000)
        return false;
    *out = weight;
    return true;
}

static bool parse_param(struct slice text, struct range *out)
{
    size_t equals = slice_find(text, '=');
    struct param param;

    if (text.len == 0)
        return true; /* a stray semicolon */
    if (equals == text.len)
        return false;
    param.name = slice_trim_blanks(slice_of(text.p, equals));
    param.value = slice_trim_blanks(slice_from(text, equals + 1));
    if (equals_ignoring_case(param.name, "q"))
        return parse_weight(param.value, &out->weight);
    if (out->n_params == MAX_RANGE_PARAMS)
        return false;
    out->params[out->n_params++] = param;
    return true;
}

static bool parse_range(struct slice text, struct range *out)
{
    struct slice media = cut(&text, ';');
    size_t slash = slice_find(media, '/');

    if (slash == 0 || slash + 1 >= media.len)
        return false;
    out->type = slice_of(media.p, slash);
    out->subtype = slice_from(media, slash + 1);
    out->weight = 1000;
    out->n_params = 0;
    while (text.len > 0) {
        if (!parse_param(cut(&text, ';'), out))
            return false;
    }
    return true;
}

/* Does the range meet what the row says of one parameter? Counts it in @n_met when it is there. */
static bool meets(const struct range *range, const struct accept_param *want, unsigned *n_met)
{
    for (unsigned i = 0; i < range->n_params; i++) {
        if (!equals_ignoring_case(range->params[i].name, want->name))
            continue;
        *n_met += 1;
        return value_is(range->params[i].value, want->value);
    }
    return want->optional;
}

/* 0: no match; 1: any type; 2: any subtype; from 3: by name, more for each parameter. */
static unsigned specificity(const struct range *range, const struct accept_row *row)
{
    unsigned n_met = 0;

    if (row->by_name && slice_eq_str(range->subtype, "*"))
        return 0;
    if (slice_eq_str(range->type, "*"))
        return slice_eq_str(range->subtype, "*") ? 1 : 0;
    if (!equals_ignoring_case(range->type, row->type))
        return 0;
    if (slice_eq_str(range->subtype, "*"))
        return 2;
    if (!equals_ignoring_case(range->subtype, row->subtype))
        return 0;
    for (unsigned i = 0; i < ACCEPT_MAX_PARAMS && row->params[i].name; i++) {
        if (!meets(range, &row->params[i], &n_met))
            return 0;
    }
    return 3 + n_met;
}

static void weigh(struct standing *standings, const struct range *range, size_t position,
                  const struct accept_row *rows, unsigned n_rows)
{
    for (unsigned i = 0; i < n_rows; i++) {
        unsigned found = specificity(range, &rows[i]);

        if (found > standings[i].specificity)
            standings[i] = (struct standing){found, range->weight, position};
    }
}

static bool is_better(const struct standing *a, const struct standing *b)
{
    if (a->weight != b->weight)
        return a->weight > b->weight;
    return a->weight > 0 && a->position < b->position;
}

const struct accept_row *accept_pick(struct slice accept, const struct accept_row *rows,
                                     unsigned n_rows)
{
    struct standing standings[ACCEPT_MAX_ROWS] = {0};
    unsigned best = 0;

    assert(n_rows >= 1 && n_rows <= ACCEPT_MAX_ROWS);
    for (size_t position = 0; accept.len > 0; position++) {
        struct range range;

        if (parse_range(cut(&accept, ','), &range))
            weigh(standings, &range, position, rows, n_rows);
    }
    for (unsigned i = 1; i < n_rows; i++) {
        if (is_better(&standings[i], &standings[best]))
            best = i;
    }
    return &rows[best];
}

const struct encoder *accept_choose(struct slice accept, bool openmetrics)
{
    return accept_pick(accept, formats, openmetrics ? N_FORMATS : N_FORMATS - 1)->encoder;
}
