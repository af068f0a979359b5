/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolve, the route: from what an identity is to its series
 *
 *      resolution --series_find------> no lock; or series_acquire: a birth
 *                 --overflow_folds---> it is over a limit: its family's fold, if it has one
 *                 --conflict_counter-> the registry refuses it: where that is counted
 *                 --route_put--------> remembered, so that none of this is done again
 *
 * Laws: what its identity decides is remembered, refusals too, so a flood of bad lines is as cheap
 * as one of good ones. What the value decides is not: a counter that is always negative, or a value
 * that is no number, goes this way each time, and leaves nothing behind. A refusal that time can
 * heal (a clash, a limit) notes how many series had been removed when it was decided, and is
 * decided anew when that has changed.
 */
#include "engine/engine.h"

#include <errno.h>
#include <math.h>

#include "store/native.h"
#include "store/set.h"

#define NS_PER_TICK (INT64_C(1000000) * CELL_TICK_MS)

/* A set's window moves in this many steps. */
#define SET_SLOTS   6u

/* ---- resolution to series ---- */

static uint32_t ttl_ticks(int64_t ttl_ns)
{
    int64_t ticks = ttl_ns / NS_PER_TICK;

    if (ttl_ns == 0)
        return 0;
    if (ttl_ns < NS_PER_TICK)
        return 1;
    return ticks < INT32_MAX / 2 ? (uint32_t)ticks : INT32_MAX / 2;
}

/* The shape's settings; the quantiles are copied to r->points. */
static int shape_settings(struct resolver *r, const struct resolution *res, struct shape_spec *spec)
{
    const struct mapping_observer_options *o = res->observer;

    *spec = (struct shape_spec){.type = res->type};
    if (res->type == METRIC_HISTOGRAM) {
        spec->n_bounds = (unsigned)o->n_buckets;
        spec->bounds = o->buckets;
        spec->native_max = o->native_factor > 1 ? o->native_max_buckets : 0;
        spec->native_schema = o->native_factor > 1 ? native_schema(o->native_factor) : 0;
    } else if (res->type == METRIC_SUMMARY) {
        buf_renew(&r->points);
        for (size_t i = 0; i < o->n_quantiles; i++)
            buf_add(&r->points, &o->quantiles[i].quantile, sizeof(double));
        if (r->points.failed)
            return -ENOMEM;
        spec->n_quantiles = (unsigned)o->n_quantiles;
        spec->quantiles = (const double *)(const void *)r->points.p;
        spec->window_ms = o->max_age_ns / 1000000;
        spec->n_slots = o->age_buckets < 1 ? 1 : o->age_buckets > 10 ? 10 : o->age_buckets;
    } else if (res->type == METRIC_SET) {
        spec->window_ms = res->set_window_ns / 1000000;
        spec->set_bits = set_bits_for(res->set_error);
        spec->n_slots = SET_SLOTS;
    }
    return 0;
}

int resolve_series(struct bacowr_worker *w, const struct resolution *res, bool fold,
                   int (*ask)(struct registry *r, const struct series_birth *birth,
                              struct series_ref *out),
                   struct series_ref *ref)
{
    struct registry *reg = &w->b->registry;
    struct series_key key =
        series_key(reg, res->name, fold ? SLICE_LIT(OVERFLOW_LABELS) : res->labels);
    struct shape_spec spec;
    int rc = SERIES_E_ABSENT;

    /* Series of our own can be found, but only series_acquire() knows that they are not for
     * senders. */
    if (!slice_eq(res->name, SLICE_LIT(OWN_CONFLICTS)))
        rc = series_find(reg,
                         &(struct series_query){
                             .key = &key,
                             .type = res->type,
                             .ttl_ticks = ttl_ticks(res->ttl_ns),
                             .gen = w->rules->gen,
                             .worker = w->i,
                             .fold = fold,
                         },
                         ref);
    if (rc != SERIES_E_ABSENT)
        return rc;
    if (shape_settings(&w->resolver, res, &spec) != 0)
        return -ENOMEM;
    return ask(reg,
               &(struct series_birth){
                   .key = key,
                   .label_names = fold ? SLICE_LIT(OVERFLOW_NAMES) : res->label_names,
                   .help = res->help,
                   .spec = &spec,
                   .ttl_ticks = ttl_ticks(res->ttl_ns),
                   .gen = w->rules->gen,
                   .tick = w->time.tick,
                   .worker = w->i,
                   .fold = fold,
               },
               ref);
}

/* ---- conflicts ---- */

/* Too many names in conflict: the rest share one series. */
static bool conflicts_are_many(const struct registry *reg)
{
    return relaxed_load(&reg->n_internal) >= OWN_CONFLICTS_MAX;
}

/* The key of the counter for @name; its labels stay in the resolver. 0 or -ENOMEM. */
static int conflict_key(struct bacowr_worker *w, struct slice name, enum mapping_kind kind,
                        struct series_key *out)
{
    struct buf *labels = &w->resolver.names;

    buf_renew(labels);
    buf_addf(labels, "metric_name=\"%.*s\",type=\"%s\"", (int)name.len, name.p,
             mapping_kind_name(kind));
    if (labels->failed)
        return -ENOMEM;
    *out = series_key(&w->b->registry, SLICE_LIT(OWN_CONFLICTS), buf_slice(labels));
    return 0;
}

/* The counter of refusals of this name and kind. 0 or -ENOMEM. */
static int conflict_counter(struct bacowr_worker *w, const struct resolution *res,
                            struct series_ref *ref)
{
    struct registry *reg = &w->b->registry;
    struct shape_spec spec = {.type = METRIC_COUNTER};
    struct series_birth birth = {
        .label_names = SLICE_LIT("metric_name,type,"),
        .help = SLICE_LIT(OWN_CONFLICTS_HELP),
        .spec = &spec,
        .tick = w->time.tick,
        .worker = w->i,
        .internal = true,
    };
    int rc = conflict_key(w, res->name, res->kind, &birth.key);

    if (rc == 0 && conflicts_are_many(reg)) {
        /* Who has a counter keeps it. */
        if (series_find(
                reg,
                &(struct series_query){.key = &birth.key, .type = METRIC_COUNTER, .worker = w->i},
                ref) == 0)
            return 0;
        rc = conflict_key(w, SLICE_LIT("_other"), res->kind, &birth.key);
    }
    return rc != 0 ? rc : series_acquire(reg, &birth, ref);
}

/* ---- the route ---- */

static uint16_t clamp16(unsigned n)
{
    return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

void plan_from_identity(struct route_plan *p, const struct statsd_identity *id,
                        const struct resolution *res, unsigned n_name_tag_errors)
{
    const struct mapping_rule *rule = res->match.rule;
    bool known = id->reason == STATSD_OK || id->reason == STATSD_E_NAME;

    *p = (struct route_plan){
        .op = (uint8_t)res->op,
        .kind = (uint8_t)res->kind,
        .reason = (uint8_t)id->reason,
        .divisor = res->divisor,
        .scale = res->scale,
        .weight = known && res->kind == MAPPING_OBSERVER ? id->repeat : 1,
        .n_name_tag_errors = clamp16(n_name_tag_errors),
        .n_tag_errors = clamp16(id->n_tag_errors),
        .n_rate_errors = clamp16(id->n_rate_errors),
    };
    if (id->n_labels > 0 && (known || id->reason == STATSD_E_TYPE))
        p->flags |= ROUTE_TAGGED;
    if (rule != NULL)
        p->flags |= ROUTE_MAPPED;
    if (p->n_name_tag_errors + p->n_tag_errors + p->n_rate_errors > 0)
        p->flags |= ROUTE_RARE;
    if (p->divisor != 1 || p->scale != 1)
        p->flags |= ROUTE_SCALED;
}

static enum turn turn_of(const struct route_plan *p)
{
    switch ((enum op)p->op) {
    case OP_COUNT:
        return p->flags & ROUTE_SCALED   ? TURN_OTHER
               : p->flags & ROUTE_MAPPED ? TURN_COUNT_MAPPED
                                         : TURN_COUNT;
    case OP_GAUGE:
    case OP_GAUGE_SET:
    case OP_GAUGE_ETSY:
        return TURN_GAUGE;
    case OP_BUCKETS:
        return TURN_BUCKETS;
    default:
        return TURN_OTHER;
    }
}

/* The plan is made: when may the short way believe it? Where refusals can heal, never without a
 * look. */
static void plan_end(struct route_plan *p, uint32_t gen)
{
    p->gen = gen;
    p->turn = (uint16_t)turn_of(p);
    if ((p->flags & (ROUTE_PLAIN | ROUTE_RARE)) == ROUTE_PLAIN && p->op < OP_CONFLICT)
        p->short_gen = gen;
}

/* The route leads to @ref. A series that did not follow its family's type yet is written to as it
 * is kept. */
static void route_lead(struct route *r, const struct series_ref *ref)
{
    struct route_plan *p = r->plan;

    r->cell = ref->cell;
    r->birth = ref->birth;
    p->shape = ref->shape;
    if (p->op == OP_BUCKETS || p->op == OP_SKETCH)
        p->op = ref->shape->type == METRIC_HISTOGRAM ? OP_BUCKETS : OP_SKETCH;
}

/* Ask the registry for the series of a route that is to have one. 0 or -ENOMEM. */
static int route_to_series(struct bacowr_worker *w, const struct resolution *res, struct route *r)
{
    struct series_ref ref;
    int rc;

    /* Acquire: what is refused below is refused in spite of these removals. */
    uint64_t n_removals = atomic_load_explicit(&w->b->registry.n_removals, memory_order_acquire);

    rc = resolve_series(w, res, false, series_acquire, &ref);
    /* What is refused, or folded, may be possible when there were others. */
    if (rc > 0)
        r->plan->n_removals = n_removals;
    if (rc >= SERIES_E_LIMIT && overflow_folds(w, res, rc, r->plan))
        rc = resolve_series(w, res, true, series_acquire, &ref);
    if (rc < 0)
        return rc;
    if (rc >= SERIES_E_LIMIT) {
        r->plan->op = OP_LIMIT;
        return 0;
    }
    if (rc != 0) {
        r->plan->op = OP_CONFLICT;
        /* A route that could not count its refusals would never be made again. */
        if (conflict_counter(w, res, &ref) != 0)
            return -ENOMEM;
    }
    route_lead(r, &ref);
    return 0;
}

bool plan_wants(const struct route_plan *p, double v)
{
    switch ((enum op)p->op) {
    case OP_COUNT:
        v = v / p->divisor * p->scale;
        return isfinite(v) && v >= 0;
    case OP_BUCKETS:
    case OP_SKETCH:
        return p->weight > 0;
    case OP_GAUGE:
    case OP_GAUGE_SET:
    case OP_GAUGE_ETSY:
    case OP_SET:
        return true;
    default:
        return false;
    }
}

static bool has_series_op(const struct route_plan *p)
{
    return p->op <= OP_SET;
}

/* What the mapping says of the identity in the resolver is news: count it for its rule, or note
 * it. */
static void note_rule(struct bacowr_worker *w, const struct resolution *res, struct slice part)
{
    const struct rules *rules = w->rules;
    const struct mapping_rule *rule = res->match.rule;
    struct rule_count *count;

    if (res->op == OP_REFUSE || mapping_n_rules(rules->mapping) == 0)
        return;
    if (rule == NULL) {
        notes_unmapped(w, w->resolver.identity.name, part);
    } else if (rules->counts != NULL) {
        count =
            &rules->counts[w->i * rules->stride + (size_t)(rule - mapping_rule(rules->mapping, 0))];
        relaxed_add(&count->n, 1);
        relaxed_store(&count->at_ms, (uint64_t)w->time.now_ms);
    }
}

struct route *resolve_route(struct bacowr_worker *w, const struct route_request *q,
                            struct route *room)
{
    struct resolver *r = &w->resolver;
    struct route_plan *p = room->plan;
    struct resolution res;
    struct route *kept;

    if (resolve(r, w->rules->mapping, &w->b->config, q->key.name, q->key.suffix, &res) != 0) {
        stat_add(w, STAT_NO_MEMORY, 1);
        notes_refused(w, REFUSAL_NO_MEMORY, q->key.name);
        return NULL;
    }
    plan_from_identity(p, &r->identity, &res, q->n_name_tag_errors);
    if (statsd_is_plain(q->key.name, q->key.suffix, &w->b->config.statsd))
        p->flags |= ROUTE_PLAIN;
    *room = (struct route){.cell = &route_nowhere, .plan = p};
    stat_add(w, STAT_RENAMED_LABELS, r->n_renamed);
    stat_add(w, STAT_REGEX_LIMIT, res.match.limit_hit);
    if (has_series_op(p) && plan_wants(p, q->value) && route_to_series(w, &res, room) != 0) {
        stat_add(w, STAT_NO_MEMORY, 1);
        notes_refused(w, REFUSAL_NO_MEMORY, q->key.name);
        return NULL;
    }
    plan_end(p, w->rules->gen);
    /* Without its series: the next value may be one that it wants. */
    if (has_series_op(p) && room->cell == &route_nowhere)
        return room;
    note_rule(w, &res, q->key.name);
    kept = route_put(w->routes, &q->key, room);
    return kept != NULL ? kept : room;
}

void resolve_again(struct bacowr_worker *w, struct route *r)
{
    struct slice name = route_name(r);
    struct slice suffix = route_suffix(r);
    struct resolution res;
    struct series_ref ref;
    struct route_plan plan;
    struct route now = {.plan = &plan};

    if (resolve(&w->resolver, w->rules->mapping, &w->b->config, name, suffix, &res) != 0)
        return;
    plan_from_identity(&plan, &w->resolver.identity, &res, r->plan->n_name_tag_errors);
    if (res.match.rule != NULL)
        note_rule(w, &res, name);
    if (!has_series_op(&plan) || resolve_series(w, &res, false, series_follow, &ref) != 0)
        return;
    plan.flags |= r->plan->flags & ROUTE_PLAIN;
    route_lead(&now, &ref);
    plan_end(&plan, w->rules->gen);
    route_renew(w->routes, r, &now);
}
