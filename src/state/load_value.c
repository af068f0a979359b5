/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load, values: read, judged, and put where they belong
 *
 * A counter, a gauge and a set go into the cell of the first worker, observers are carried. Values
 * are added to what the series has by then; a gauge is set.
 *
 * Laws: nothing is put that was not judged: what a series could not have counted is refused before
 *       it is near one. Memory is asked for only for what has arrived.
 */
#include "state/load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "store/cell_write.h"
#include "store/native.h"
#include "store/set.h"
#include "store/sketch.h"

uint32_t load_tick(const struct load_clock *clock, uint32_t age)
{
    return (uint32_t)(uint64_t)(clock->tick - age);
}

/* ---- shapes ---- */

/* Ascending, within what the type allows. */
static bool points_are_good(const struct shape_spec *spec, const double *points, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!isfinite(points[i]) || (i > 0 && points[i] <= points[i - 1]))
            return false;
        if (spec->type == METRIC_SUMMARY && (points[i] < 0 || points[i] > 1))
            return false;
    }
    return true;
}

static bool numbers_are_good(const struct shape_spec *spec, uint64_t slot_ms)
{
    bool has_window = spec->type == METRIC_SUMMARY || spec->type == METRIC_SET;

    if (has_window != (slot_ms > 0) || has_window != (spec->n_slots > 0) ||
        (spec->type == METRIC_SUMMARY && spec->n_slots > SKETCH_MAX_SLOTS))
        return false;
    if (spec->type == METRIC_SET ? spec->set_bits < SET_MIN_BITS || spec->set_bits > SET_MAX_BITS
                                 : spec->set_bits != 0)
        return false;
    if (spec->native_max == 0)
        return spec->native_schema == 0;
    return spec->type == METRIC_HISTOGRAM && spec->native_schema >= NATIVE_SCHEMA_MIN &&
           spec->native_schema <= 8;
}

/* Takes @points. */
static void set_points(struct shape_spec *spec, double *points, unsigned n)
{
    if (spec->type == METRIC_HISTOGRAM) {
        spec->bounds = points;
        spec->n_bounds = n;
    } else {
        spec->quantiles = points;
        spec->n_quantiles = n;
    }
}

static double *read_points(struct wire *w, unsigned n)
{
    /* What is not there is not asked memory for. */
    double *points = wire_left(w) / 8 >= n ? calloc((size_t)n + 1, sizeof *points) : NULL;

    for (unsigned i = 0; points != NULL && i < n; i++)
        points[i] = wire_double(w);
    return points;
}

bool load_shape(struct wire *w, struct shape_spec *out)
{
    struct shape_spec spec = {.type = (enum metric_type)wire_number_to(w, METRIC_N_TYPES - 1)};
    unsigned n = (unsigned)wire_number_to(w, STATE_MAX_POINTS);
    double *points = w->bad ? NULL : read_points(w, n);
    uint64_t slot_ms;
    int64_t schema;

    spec.native_max = (uint32_t)wire_number_to(w, NATIVE_MAX_BUCKETS);
    schema = wire_signed(w);
    spec.n_slots = (unsigned)wire_number_to(w, STATE_MAX_SLOTS);
    slot_ms = wire_number_to(w, INT64_MAX / STATE_MAX_SLOTS);
    spec.set_bits = (unsigned)wire_number_to(w, SET_MAX_BITS);
    if (points == NULL || w->bad || schema < NATIVE_SCHEMA_MIN || schema > 8 ||
        spec.type == METRIC_COUNTER || spec.type == METRIC_GAUGE ||
        (spec.type == METRIC_SET && n > 0))
        goto refuse;
    spec.native_schema = (int)schema;
    spec.window_ms = (int64_t)slot_ms * spec.n_slots;
    if (!points_are_good(&spec, points, n) || !numbers_are_good(&spec, slot_ms))
        goto refuse;
    set_points(&spec, points, n);
    *out = spec;
    return true;

refuse:
    free(points);
    return false;
}

/* ---- observers ---- */

/* NULL: bad, or no memory. */
static struct carried *read_carried_points(struct wire *w, unsigned *flags, bool *nomem)
{
    uint64_t count, below = 0;
    struct carried *c;
    double sum;
    unsigned n;

    *flags = (unsigned)wire_number_to(w, STATE_HAS_NATIVE | STATE_HAS_UNSEEN);
    count = wire_number(w);
    sum = wire_double(w);
    n = (unsigned)wire_number_to(w, STATE_MAX_POINTS);
    if (w->bad || wire_left(w) / 9 < n)
        return NULL;
    c = carried_new(n);
    if (c == NULL) {
        *nomem = true;
        return NULL;
    }
    c->count = count;
    c->sum = sum;
    for (; c->n_points < n; c->n_points++) {
        struct carried_point *p = &c->points[c->n_points];
        uint64_t more;

        p->bound = wire_double(w);
        more = wire_number(w);
        w->bad |= more > UINT64_MAX - below;
        p->cumulative = below += more;
    }
    return c;
}

static struct native_kept *read_native(struct wire *w, bool *nomem)
{
    int64_t schema = wire_signed(w);
    uint64_t zero = wire_number(w), nan = wire_number(w);
    size_t n[2];
    struct native_kept *k;

    n[0] = (size_t)wire_number_to(w, NATIVE_MAX_BUCKETS);
    n[1] = (size_t)wire_number_to(w, NATIVE_MAX_BUCKETS);
    if (w->bad || schema < NATIVE_SCHEMA_MIN || schema > 8 || wire_left(w) / 2 < n[0] + n[1])
        return NULL;
    k = native_kept_new(n[0], n[1]);
    if (k == NULL) {
        *nomem = true;
        return NULL;
    }
    k->schema = (int)schema;
    k->zero = zero;
    k->nan = nan;
    for (size_t i = 0; i < n[0] + n[1]; i++) {
        int64_t index = wire_signed(w);

        w->bad |= index < INT32_MIN || index > INT32_MAX;
        k->p[i].index = (int32_t)index;
        k->p[i].count = wire_number(w);
    }
    return k;
}

static bool read_carried(struct wire *w, const struct load_clock *clock, struct carried **out,
                         bool *nomem)
{
    unsigned flags, none = 0;
    struct carried *c = read_carried_points(w, &flags, nomem);

    if (c == NULL)
        return false;
    if (flags & STATE_HAS_NATIVE) {
        c->native = read_native(w, nomem);
        w->bad |= c->native == NULL;
    }
    if (flags & STATE_HAS_UNSEEN) {
        c->since = load_tick(clock, (uint32_t)wire_number_to(w, STATE_MAX_AGE));
        c->unseen = read_carried_points(w, &none, nomem);
        w->bad |= c->unseen == NULL || none != 0;
    }
    if (w->bad || *nomem || !carried_valid(c)) {
        carried_free(c);
        return false;
    }
    *out = c;
    return true;
}

/* ---- sets ---- */

/* The words as the process has them: copied, for the chunk's bytes lie anywhere. */
static bool members_of(const struct load_slot *slot, unsigned bits, uint64_t *room,
                       struct set_members *out)
{
    struct wire w = {slot->words, slot->words + (size_t)slot->n * 8, false};

    for (unsigned i = 0; i < slot->n; i++)
        room[i] = wire_fixed(&w, 8);
    *out = (struct set_members){bits, slot->exact, slot->n, room};
    return set_members_valid(out);
}

static uint64_t *new_room(void)
{
    return malloc((1u << (SET_MAX_BITS - 3)) * sizeof(uint64_t));
}

static bool read_slot(struct wire *w, struct load_slot *slot)
{
    slot->age_ms = (int64_t)wire_number_to(w, INT64_MAX / 4);
    slot->exact = wire_number_to(w, 1) != 0;
    slot->n = (unsigned)wire_number_to(w, 1u << (SET_MAX_BITS - 3));
    if (wire_left(w) / 8 < slot->n)
        w->bad = true;
    if (w->bad || slot->n == 0)
        return false;
    slot->words = w->p;
    w->p += (size_t)slot->n * 8;
    return true;
}

static bool read_set(struct wire *w, const struct load_series *series, struct load_value *out,
                     bool *nomem)
{
    uint64_t *room = new_room();
    struct set_members unused;
    bool good = true;

    if (room == NULL) {
        *nomem = true;
        return false;
    }
    while (good && wire_number_to(w, 1) == 1) {
        good = out->n_slots < series->spec->n_slots && read_slot(w, &out->slots[out->n_slots]) &&
               members_of(&out->slots[out->n_slots], series->spec->set_bits, room, &unused);
        out->n_slots++;
    }
    free(room);
    return good && !w->bad;
}

/* How many slots ago one began that began so long ago: never sooner than it did, nor in the
 * future. */
static int64_t slots_ago(const struct shape *shape, const struct load_clock *clock, int64_t age_ms)
{
    int64_t begun = clock->now_ms - clock->down_ms - age_ms;
    int64_t epoch = begun / shape->slot_ms + (begun % shape->slot_ms > 0);
    int64_t ago = clock->now_ms / shape->slot_ms - epoch;

    return ago > 0 ? ago : 0;
}

static int put_set(const struct load_value *v, struct series *s, struct cell *c,
                   const struct load_clock *clock)
{
    const struct shape *shape = series_shape(s);
    uint64_t *room = new_room();
    struct set_members members;
    int rc = room != NULL ? 0 : -ENOMEM;

    for (unsigned i = 0; i < v->n_slots && rc == 0; i++) {
        int64_t ago = slots_ago(shape, clock, v->slots[i].age_ms);

        if (ago < shape->n_slots && members_of(&v->slots[i], shape->set_bits, room, &members))
            rc = cell_set_put(c, shape, clock->now_ms, (unsigned)ago, &members);
    }
    free(room);
    return rc;
}

/* ---- all types ---- */

bool load_value_read(struct wire *w, const struct load_series *series,
                     const struct load_clock *clock, struct load_value *out, bool *nomem)
{
    switch (series->type) {
    case METRIC_COUNTER:
        out->whole = wire_number(w);
        out->number = wire_double(w);
        return !w->bad && out->number >= 0;
    case METRIC_GAUGE:
        out->number = wire_double(w);
        return !w->bad;
    case METRIC_SET:
        return read_set(w, series, out, nomem);
    case METRIC_HISTOGRAM:
    case METRIC_SUMMARY:
        break;
    }
    return read_carried(w, clock, &out->carried, nomem);
}

void load_value_release(struct load_value *v)
{
    carried_free(v->carried);
}

/* The newer of two is the gauge's value; one that sleeps was set by nobody yet. */
static void put_gauge(double v, struct cell *c, uint32_t set_at, uint32_t seen)
{
    /* Signed: ticks wrap. */
    if (relaxed_load(&c->birth) == 0 || (int32_t)(relaxed_load(&c->tick) - set_at) <= 0)
        cell_gauge_set(c, v, (struct cell_time){.tick = seen});
}

int load_value_put(struct load_value *v, struct series *s, const struct load_clock *clock,
                   uint32_t set_at, uint32_t seen)
{
    struct cell *cells[RECLAIM_MAX_WORKERS];
    struct carried *c = v->carried;

    series_cells(s, cells);
    switch (series_shape(s)->type) {
    case METRIC_COUNTER:
        cell_counter_put(cells[0], v->whole, v->number);
        return 0;
    case METRIC_GAUGE:
        put_gauge(v->number, cells[0], set_at, seen);
        return 0;
    case METRIC_SET:
        return put_set(v, s, cells[0], clock);
    case METRIC_HISTOGRAM:
    case METRIC_SUMMARY:
        break;
    }
    v->carried = NULL;
    c->tick = seen;
    return carried_add(&s->carried, c);
}
