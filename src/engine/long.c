/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long: a line that is not plain, sample by sample
 *
 *      statsd_split --> each sample: value, extras left out, route found or made --> feed_apply()
 *           ^ a service check comes again as the line of a gauge
 *
 * Laws: what a line costs is bounded by its own length and by what a batch may read besides; a line
 * that would cost more is counted. A malformed value makes no series. Here ends what the short way
 * gives up, so nothing is given up here.
 */
#include "engine/engine.h"

#include "base/num.h"
#include "store/route_find.h"

bool feed_is_set(struct slice suffix)
{
    return suffix.len >= 2 && suffix.p[1] == 's' && (suffix.len == 2 || suffix.p[2] == '|');
}

/* One line on the long way. */
struct long_line {
    struct statsd_parts parts;
    struct slice suffix;             /* of the route below: packed samples share it */
    struct statsd_stripped stripped; /* of that suffix; its tags are the exemplar of each sample */
    const struct route *route;       /* NULL: none yet, or none to be had */
    struct route *room;              /* for a route that the table cannot take */
    size_t work_own;                 /* bytes that it may still read at nobody's cost */
};

/*
 * How many bytes of identities may be read the long way: every line its own length, and a batch
 * FEED_BATCH_WORK besides, plus what its datagrams are long. A bound on lines alone would let a
 * datagram of many, all tags and samples, take a second. To look one up in the table costs a
 * fraction of reading it, so a line of many samples of one identity is never too much.
 */
#define LOOKUP_SHARE 64u

/* May so many bytes still be read? Counted when not. */
static bool work_allowed(struct bacowr_worker *w, struct long_line *l, size_t work)
{
    size_t own = work < l->work_own ? work : l->work_own;

    if (work - own > w->work_left) {
        stat_add(w, STAT_TOO_COMPLEX, 1);
        notes_refused(w, REFUSAL_TOO_COMPLEX, l->parts.name);
        return false;
    }
    l->work_own -= own;
    w->work_left -= work - own;
    return true;
}

/* The route of (name, @suffix), by the table or the long way; NULL when there is none (counted). */
static const struct route *route_of(struct bacowr_worker *w, struct long_line *l,
                                    struct slice suffix, double v)
{
    struct slice name = l->parts.name;
    struct route_request q = {
        .key = route_key(w->routes, name, suffix),
        .value = v,
        .n_name_tag_errors = l->parts.n_tag_errors,
    };
    struct route *r = route_find(w->routes, &q.key);

    if (r != NULL && feed_route_holds(w, r)) {
        stat_add(w, STAT_ROUTE_HITS, 1);
        return r;
    }
    if (!work_allowed(w, l, name.len + suffix.len))
        return NULL;
    stat_add(w, STAT_ROUTE_MISSES, 1);
    return resolve_route(w, &q, l->room);
}

/* The route of the line's next sample, whose value is @v; NULL when there is none (counted). */
static const struct route *sample_route(struct bacowr_worker *w, struct long_line *l,
                                        struct slice suffix, double v)
{
    l->route = NULL;
    l->suffix = suffix;
    if (!work_allowed(w, l, (l->parts.name.len + suffix.len) / LOOKUP_SHARE))
        return NULL;
    buf_renew(&w->suffix);
    if (buf_reserve(&w->suffix, suffix.len + 1) != 0) {
        stat_add(w, STAT_NO_MEMORY, 1);
        notes_refused(w, REFUSAL_NO_MEMORY, l->parts.name);
        return NULL;
    }
    statsd_strip_extras(suffix, &w->b->config.statsd, w->suffix.p, &l->stripped);
    stat_add(w, STAT_UNKNOWN_FIELDS, l->stripped.n_unknown);
    l->route = route_of(w, l, slice_of(w->suffix.p, l->stripped.len), v);
    return l->route;
}

bool feed_read_value(struct slice suffix, struct slice value, double *v)
{
    *v = 0;
    return feed_is_set(suffix) ? value.len > 0 : num_parse(value, v) == 0;
}

/* A malformed value: no series may come of it, and some refusals come before it. */
static void refuse_value(struct bacowr_worker *w, struct long_line *l, struct slice suffix)
{
    enum statsd_reason reason;

    if (!work_allowed(w, l, l->parts.name.len + suffix.len))
        return;
    reason = resolve_refusal(w, l->parts.name, suffix);
    stat_add(w, STAT_REASONS + reason, 1);
    notes_refused(w, reason, l->parts.name);
}

static void feed_sample(struct bacowr_worker *w, struct long_line *l,
                        const struct statsd_sample *sample)
{
    struct slice suffix = sample->suffix;
    const struct route *r = l->route;
    double v;

    stat_add(w, STAT_SAMPLES, 1);
    if (!feed_read_value(suffix, sample->value, &v)) {
        refuse_value(w, l, suffix);
        return;
    }
    if (r == NULL || suffix.p != l->suffix.p || suffix.len != l->suffix.len)
        r = sample_route(w, l, suffix, v);
    if (r == NULL)
        return;
    if (r->plan->flags & ROUTE_TAGGED)
        stat_add(w, STAT_TAGGED, 1);
    feed_apply(w, r, sample->value, v);
    exemplar_keep(w, r, &l->stripped.exemplar, v);
}

static void feed_cut(struct bacowr_worker *w, struct slice line);

static void refuse_line(struct bacowr_worker *w, struct slice line, enum statsd_reason reason)
{
    stat_add(w, STAT_REASONS + reason, 1);
    notes_refused(w, reason, line);
}

/* A service check: only counted, or fed as the line of a gauge, which is no check again. */
static void feed_check(struct bacowr_worker *w, struct slice line)
{
    enum statsd_reason reason;
    size_t len;

    stat_add(w, STAT_DOGSTATSD_CHECKS, 1);
    if (w->b->config.service_checks == STATSD_CHECKS_COUNT)
        return;
    buf_renew(&w->check);
    if (buf_reserve(&w->check, STATSD_CHECK_SIZE(line.len)) != 0) {
        stat_add(w, STAT_NO_MEMORY, 1);
        notes_refused(w, REFUSAL_NO_MEMORY, line);
        return;
    }
    reason = statsd_check_to_gauge(line, w->check.p, &len);
    if (reason != STATSD_OK)
        refuse_line(w, line, reason);
    else
        feed_cut(w, slice_of(w->check.p, len));
}

static void feed_cut(struct bacowr_worker *w, struct slice line)
{
    struct route_plan plan;
    struct route room = {.plan = &plan};
    struct long_line l = {.room = &room, .work_own = line.len};
    struct statsd_sample sample;
    enum statsd_reason reason = statsd_split(line, &w->b->config.statsd, &l.parts);

    stat_add(w, STAT_TAG_ERRORS, l.parts.n_tag_errors);
    if (reason == STATSD_E_EVENT) {
        stat_add(w, STAT_DOGSTATSD_EVENTS, 1);
    } else if (reason == STATSD_E_CHECK) {
        feed_check(w, line);
    } else if (reason != STATSD_OK) {
        refuse_line(w, line, reason);
    } else {
        while (statsd_next_sample(&l.parts, &sample))
            feed_sample(w, &l, &sample);
    }
}

void feed_line(struct bacowr_worker *w, struct slice line)
{
    notes_line(w->notes, line);
    feed_cut(w, line);
}
