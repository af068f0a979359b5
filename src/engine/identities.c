/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: what the workers remember, and what the rules make of it
 *
 *      worker   routes --a few at a time--> piece: (lengths, outcome, name, suffix) ...
 *      control  piece --resolve()--> a line of JSON each; before the first of a kind that a rule
 *               takes, a line with the settings of both
 *
 * Routes are the worker's own, so the worker copies them. What they become is found out anew by
 * the functions that feeding uses, but what the registry refused is not asked again: that the
 * route remembers, if it was made under the same rules.
 *
 * Laws: a step of a worker looks at PLACES places of its table at most and copies a piece at most.
 *       A table that changes its size begins the walk anew, and only so often. A step of control
 *       looks at as many identities as WORK allows: the more regexes, the fewer. Control makes no
 *       series and counts nothing.
 */
#include "bacowr/identities.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "engine/settings.h"

#define PLACES        8192u
#define MAX_RESTARTS  8u

/* What a step may cost: some milliseconds. In the units of explain.c; globs are one automaton. */
#define WORK          20000u
#define WORK_IDENTITY 100u
#define WORK_REGEX    10u

/* Before each identity of a piece; its name and suffix follow. */
struct copied {
    uint32_t gen; /* of the rules under which the operation was found */
    uint16_t name_len, suffix_len;
    uint8_t op;
};

_Static_assert(BACOWR_IDENTITIES_PIECE >= sizeof(struct copied) + ROUTE_MAX_KEY,
               "the longest identity fits");

/* ---- the worker's side ---- */

static size_t copy_route(const struct route *r, char *to)
{
    const struct copied head = {r->plan->gen, r->name_len, r->suffix_len, r->plan->op};
    struct slice name = route_name(r), suffix = route_suffix(r);

    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, name.p, name.len);
    if (suffix.len > 0)
        memcpy(to + sizeof head + name.len, suffix.p, suffix.len);
    return sizeof head + name.len + suffix.len;
}

size_t bacowr_identities_copy(struct bacowr_worker *w, struct bacowr_identities_walk *walk,
                              char *room)
{
    struct route_walk place = {walk->at, walk->n_resizes};
    uint64_t n_places = PLACES;
    size_t n = 0;
    const struct route *r;

    while (n + sizeof(struct copied) + ROUTE_MAX_KEY <= BACOWR_IDENTITIES_PIECE) {
        r = route_walk_next(w->routes, &place, &n_places);
        if (r == NULL)
            break;
        n += copy_route(r, room + n);
    }
    if (place.n_resizes != walk->n_resizes && walk->at > 0)
        walk->n_restarts++;
    walk->at = place.at;
    walk->n_resizes = place.n_resizes;
    walk->cut = walk->n_restarts > MAX_RESTARTS;
    walk->ended = walk->cut || route_walk_ended(w->routes, &place);
    return n;
}

/* ---- control's side ---- */

struct bacowr_identities {
    struct bacowr *b;
    struct reclaim_pin pin;
    const struct rules *rules; /* pinned */
    uint64_t n;                /* identities told of */
    size_t n_a_step;
    bool told[]; /* the settings of a rule, or of none, and a type */
};

/* How many identities a step may look at: one at least. */
static size_t n_a_step(const struct mapping *m)
{
    size_t work = WORK_IDENTITY;

    for (size_t i = 0; i < mapping_n_rules(m); i++)
        work += mapping_rule(m, i)->match_type == MAPPING_REGEX ? WORK_REGEX : 0;
    return WORK / work + 1;
}

int bacowr_identities_new(struct bacowr_identities **out, struct bacowr *b)
{
    const struct rules *rules = atomic_load_explicit(&b->rules, memory_order_relaxed);
    size_t n = (mapping_n_rules(rules->mapping) + 1) * STATSD_N_TYPES;
    struct bacowr_identities *t = calloc(1, sizeof *t + n * sizeof t->told[0]);

    if (t == NULL)
        return -ENOMEM;
    t->b = b;
    t->rules = rules;
    t->n_a_step = n_a_step(rules->mapping);
    reclaim_pin(&b->reclaim, &t->pin);
    *out = t;
    return 0;
}

void bacowr_identities_free(struct bacowr_identities *t)
{
    if (t == NULL)
        return;
    reclaim_unpin(&t->b->reclaim, &t->pin);
    free(t);
}

static int end_line(struct json *j)
{
    json_end_object(j);
    return buf_add_byte(j->out, '\n');
}

int bacowr_identities_head(struct bacowr_identities *t, struct buf *out)
{
    struct json j = json_writer(out);

    json_object(&j, NULL);
    json_u64(&j, "identities_format", BACOWR_IDENTITIES_FORMAT);
    json_u64(&j, "rules", mapping_n_rules(t->rules->mapping));
    json_u64(&j, "series", relaxed_load(&t->b->registry.n_series));
    json_u64(&j, "series_limit", t->b->registry.max_series);
    json_u64(&j, "family_series_limit", t->b->registry.guard.max_family);
    json_u64(&j, "label_values_limit", t->b->registry.guard.max_values);
    reading_tell(&t->b->config, &j);
    return end_line(&j);
}

int bacowr_identities_tail(struct bacowr_identities *t, bool complete, struct buf *out)
{
    struct json j = json_writer(out);

    json_object(&j, NULL);
    json_bool(&j, "end", true);
    json_u64(&j, "identities", t->n);
    json_bool(&j, "complete", complete);
    return end_line(&j);
}

static int tell_settings(struct bacowr_identities *t, const struct resolution *res, size_t number,
                         struct buf *out)
{
    const struct mapping_rule *rule = res->match.rule;
    struct json j = json_writer(out);

    t->told[number] = true;
    json_object(&j, NULL);
    json_u64(&j, "settings", number);
    json_str(&j, "match", rule != NULL ? rule->match : NULL);
    json_str(&j, "file", rule != NULL ? rule->file : NULL);
    json_u64(&j, "line", rule != NULL ? rule->line : 0);
    settings_tell(res, &j);
    return end_line(&j);
}

/*
 * What became of it. A refusal of the registry is remembered by the route, and holds where the
 * rules are the same and still lead there.
 */
static const char *outcome(const struct bacowr_identities *t, const struct resolution *res,
                           const struct copied *head)
{
    static const char *const names[N_OPS] = {
        [OP_DROP] = "dropped",
        [OP_REFUSE] = "refused",
        [OP_EMPTY_NAME] = "empty_metric_name",
        [OP_CONFLICT] = "conflict",
        [OP_LIMIT] = "limit",
        [OP_FOLD] = "overflow",
        [OP_TOO_LONG] = "series_too_long",
    };
    bool remembered = res->op < OP_DROP && head->op >= OP_CONFLICT && head->gen == t->rules->gen;
    enum op now = remembered ? (enum op)head->op : res->op;

    return now < OP_DROP ? "series" : names[now];
}

static int tell_one(struct bacowr_identities *t, const struct copied *head, struct slice name,
                    struct slice suffix, struct buf *out)
{
    struct resolver *resolver = &t->b->resolver;
    struct resolution res;
    struct json j = json_writer(out);
    bool is_series;
    size_t number = 0;

    if (resolve(resolver, t->rules->mapping, &t->b->config, name, suffix, &res) != 0)
        return -ENOMEM;
    is_series = res.op < OP_DROP;
    if (is_series)
        number = settings_number(t->rules->mapping, resolver, &res);
    if (is_series && !t->told[number] && tell_settings(t, &res, number, out) != 0)
        return -ENOMEM;
    t->n++;
    json_object(&j, NULL);
    json_slice(&j, "name", name);
    json_slice(&j, "suffix", suffix);
    json_str(&j, "outcome", outcome(t, &res, head));
    if (is_series) {
        json_slice(&j, "family", res.name);
        json_slice(&j, "labels", res.labels);
        json_u64(&j, "settings", number);
    }
    return end_line(&j);
}

int bacowr_identities_tell(struct bacowr_identities *t, struct slice *piece, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < t->n_a_step && rc == 0 && piece->len > 0; i++) {
        struct copied head;
        struct slice name, suffix;

        memcpy(&head, piece->p, sizeof head);
        name = slice_of(piece->p + sizeof head, head.name_len);
        suffix = slice_of(name.p + name.len, head.suffix_len);
        *piece = slice_from(*piece, sizeof head + name.len + suffix.len);
        rc = tell_one(t, &head, name, suffix, out);
    }
    return rc != 0 || out->failed ? -ENOMEM : 0;
}
