/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: see api.h
 *
 * Most documents are what the engine tells, in an object. Some take several turns: walks past
 * series, some thousands of them a turn, and lines that are explained, one a turn. What a line may
 * cost is bounded, and the more rules there are, the fewer lines are taken.
 *
 * Laws: every document is one object. Keys are only added. Whether lines as they came are told is
 *       decided by who asks (http_guard.c) and passed on.
 */
#include "server/api.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "bacowr/cardinality.h"
#include "bacowr/insight.h"
#include "server/control.h"
#include "server/query.h"
#include "server/source_json.h"

#define DEFAULT_LIMIT    100
#define SERIES_PER_TURN  4096

/* The rules of its beginning are kept until it ends. */
#define IDENTITIES_MS    60000

#define EXPLAIN_LINES    100
#define EXPLAIN_LINE_MAX 2048

/* What one of them may cost, as bacowr_explain_within() counts: some milliseconds. */
#define EXPLAIN_WORK     20000

/* Lines that are explained when there are many rules: each asks all of them. */
#define EXPLAIN_RULES    100000

/* ---- what is asked ---- */

static int read_ask(const struct http_ask *ask, struct bacowr_tell *tell, char *match, size_t size)
{
    uint64_t limit, never;

    *tell = (struct bacowr_tell){
        .now_ms = worker_now_ms(),
        .secrets = ask->may_see_senders,
    };
    if (!query_number(ask->query, "limit", DEFAULT_LIMIT, BACOWR_SURVEY_MAX, &limit) ||
        !query_number(ask->query, "never", 0, 1, &never))
        return -EINVAL;
    tell->limit = (unsigned)limit;
    tell->never = never == 1;
    query_get(ask->query, "match", match, size, &tell->match);
    return 0;
}

/* ---- documents of one turn ---- */

typedef void tell_fn(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j);

static int tell_one(const struct server *s, const struct http_ask *ask, tell_fn *fn,
                    struct buf *out)
{
    struct json j = json_writer(out);
    struct bacowr_tell tell;
    char match[256];
    int r = read_ask(ask, &tell, match, sizeof match);

    if (r != 0)
        return r;
    json_object(&j, NULL);
    json_bool(&j, "lines_shown", tell.secrets);
    fn(s->engine, &tell, &j);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    return 0;
}

static int mapping(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    return tell_one(ctx, ask, bacowr_tell_mapping, out);
}

static int refused(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    return tell_one(ctx, ask, bacowr_tell_refused, out);
}

static int unmapped(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    return tell_one(ctx, ask, bacowr_tell_unmapped, out);
}

/* ---- families ---- */

static int begin_survey(const struct server *s, const struct http_ask *ask, void **state)
{
    struct bacowr_survey *survey;
    struct bacowr_tell tell;
    char match[256];
    int r = read_ask(ask, &tell, match, sizeof match);

    if (r == 0)
        r = bacowr_survey_new(&survey, s->engine, &tell);
    if (r == 0)
        *state = survey;
    return r;
}

static int families(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    struct json j = json_writer(out);
    int r = *state == NULL ? begin_survey(ctx, ask, state) : 0;

    if (r != 0)
        return r;
    if (bacowr_survey_next(*state, SERIES_PER_TURN))
        return 1;
    json_object(&j, NULL);
    bacowr_survey_tell(*state, &j);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    return 0;
}

static void end_survey(void *state)
{
    bacowr_survey_free(state);
}

/* ---- cardinality ---- */

static int cardinality(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    const struct server *s = ctx;
    struct bacowr_cardinality *c = *state;
    struct json j = json_writer(out);
    int r = c == NULL ? bacowr_cardinality_new(&c, s->engine) : 0;

    if (r != 0)
        return r;
    *state = c;
    if (bacowr_cardinality_next(c, SERIES_PER_TURN))
        return 1;
    json_object(&j, NULL);
    r = bacowr_cardinality_tell(c, &j);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    return r;
}

static void end_cardinality(void *state)
{
    bacowr_cardinality_free(state);
}

/* ---- senders ---- */

static int sources(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    const struct server *s = ctx;

    return source_json(out, s->workers, s->n_workers, worker_now_ms());
}

/* ---- explain ---- */

/* How far a request has come. */
struct lines {
    size_t at;
    unsigned n, max;
};

static int begin_lines(const struct server *s, void **state)
{
    uint64_t n_rules = bacowr_n_rules(s->engine);
    struct lines *l = calloc(1, sizeof *l);

    if (l == NULL)
        return -ENOMEM;
    l->max = n_rules < EXPLAIN_RULES / EXPLAIN_LINES ? EXPLAIN_LINES
                                                     : (unsigned)(EXPLAIN_RULES / n_rules) + 1;
    *state = l;
    return 0;
}

/* The line at @l->at, which moves behind it. */
static struct slice next_line(struct lines *l, struct slice body)
{
    struct slice rest = slice_from(body, l->at);
    struct slice line = slice_of(rest.p, slice_find(rest, '\n'));

    l->at += line.len < rest.len ? line.len + 1 : rest.len;
    if (line.len > 0 && line.p[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool has_more(const struct lines *l, struct slice body)
{
    return l->at < body.len && l->n < l->max;
}

static int explain_line(const struct server *s, struct slice line, struct buf *out)
{
    int r = bacowr_explain_within(s->engine, line, BACOWR_EXPLAIN_JSON, EXPLAIN_WORK, out);

    if (r == 0 && out->len > 0 && out->p[out->len - 1] == '\n')
        out->len--;
    return r;
}

static int explain(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    struct lines *l;
    int r = *state == NULL ? begin_lines(ctx, state) : 0;

    if (r != 0)
        return r;
    l = *state;
    if (l->n == 0)
        buf_add_str(out, "{\"lines\":[");
    if (has_more(l, ask->body)) {
        struct slice line = next_line(l, ask->body);

        if (line.len > EXPLAIN_LINE_MAX)
            return -EINVAL;
        if (l->n++ > 0)
            buf_add_byte(out, ',');
        r = explain_line(ctx, line, out);
        if (r != 0 || has_more(l, ask->body))
            return r != 0 ? r : 1;
    }
    buf_addf(out, "],\"all\":%s}\n", l->at < ask->body.len ? "false" : "true");
    return 0;
}

/* ---- the table ---- */

static int documents(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    struct json j = json_writer(out);

    (void)ctx;
    (void)ask;
    (void)state;
    json_object(&j, NULL);
    json_array(&j, "documents");
    for (const struct http_doc *doc = api_docs; doc->path != NULL; doc++) {
        json_object(&j, NULL);
        json_str(&j, "path", doc->path);
        json_str(&j, "method", doc->takes_body ? "POST" : "GET");
        json_bool(&j, "local_only", doc->secret);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    buf_add_byte(out, '\n');
    return out->failed ? -ENOMEM : 0;
}

const struct http_doc api_docs[] = {
    {.path = "/api/v1/", .step = documents},
    {.path = "/api/v1/status", .step = api_status},
    {.path = "/api/v1/rates", .step = api_rates},
    {.path = "/api/v1/families", .step = families, .end = end_survey},
    {.path = "/api/v1/cardinality", .step = cardinality, .end = end_cardinality},
    {.path = "/api/v1/identities",
     .secret = true,
     .lines_ms = IDENTITIES_MS,
     .step = api_identities,
     .end = api_identities_end},
    {.path = "/api/v1/sources", .secret = true, .step = sources},
    {.path = "/api/v1/mapping", .step = mapping},
    {.path = "/api/v1/unmapped", .step = unmapped},
    {.path = "/api/v1/refused", .step = refused},
    {.path = "/api/v1/explain", .takes_body = true, .step = explain, .end = free},
    {.path = NULL},
};
