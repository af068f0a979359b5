/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Save: the registry's series as bytes
 *
 * The walk is a scrape's (engine/scrape.c): families in name order as they were at its beginning,
 * of each the series that were born by then, in slices between which time may pass; a pin keeps
 * families in memory. What is born later is not in it, what expires between two slices may be
 * missing. The server's own families are not: they tell of a process.
 *
 * What a series holds is written as numbers that give it back exactly: a counter in the two parts
 * that its cells keep, an observer as what it would carry (carry_keep.c), a set by its members of
 * each slot of the window. The window of a summary is not written: its quantiles begin anew.
 *
 * Laws: nothing is changed, no lock is held but for a look at a shape. A chunk is written whole or
 *       not at all. What is beyond the bounds of format.h is left out.
 */
#include "state/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "state/format.h"
#include "state/wire.h"
#include "store/carry.h"
#include "store/native.h"
#include "store/set.h"

/* Series and families that one step looks at, whether they are written or not. */
#define LOOKS_MAX 16384u

struct state_save {
    struct state_save_config config;
    struct reclaim_pin pin;
    uint32_t now_ticks;
    uint64_t check; /* of the chunk before */
    bool begun, ended;

    uint64_t newest; /* series born later are not written */
    struct series_walk walk;
    size_t family_at;
    bool in_family; /* its record was written */
    enum metric_type type;
    uint64_t n_written_families, n_written_series;

    const struct shape **shapes; /* by their numbers */
    size_t n_shapes, cap_shapes;
    struct cell_reader reader;

    size_t n_families;
    struct family *families[]; /* pinned */
};

int state_save_new(struct state_save **out, const struct state_save_config *config)
{
    struct registry *r = config->registry;
    struct state_save *s;

    if (registry_sort(r) != 0)
        return -ENOMEM;
    s = calloc(1, sizeof *s + r->n_sorted * sizeof s->families[0]);
    if (s == NULL)
        return -ENOMEM;
    s->config = *config;
    s->now_ticks = (uint32_t)(config->now_ms / CELL_TICK_MS);
    s->newest = relaxed_load(&r->n_births);
    s->n_families = r->n_sorted;
    if (r->n_sorted > 0)
        memcpy(s->families, r->sorted, r->n_sorted * sizeof s->families[0]);
    reclaim_pin(r->reclaim, &s->pin);
    *out = s;
    return 0;
}

void state_save_free(struct state_save *s)
{
    if (s == NULL)
        return;
    reclaim_unpin(s->config.registry->reclaim, &s->pin);
    cell_reader_release(&s->reader);
    free(s->shapes);
    free(s);
}

uint64_t state_save_n_series(const struct state_save *s)
{
    return s->n_written_series;
}

/* Signed: a worker's clock reading may be a moment ahead. Ticks wrap. */
static uint64_t age_of(const struct state_save *s, uint32_t tick)
{
    int32_t age = (int32_t)(s->now_ticks - tick);

    return age < 0 ? 0 : age < (int32_t)STATE_MAX_AGE ? (uint64_t)age : STATE_MAX_AGE;
}

/* ---- shapes ---- */

static void put_shape(struct buf *out, const struct shape *shape)
{
    buf_add_byte(out, STATE_SHAPE);
    wire_put(out, shape->type);
    wire_put(out, shape->n_points);
    for (unsigned i = 0; i < shape->n_points; i++)
        wire_put_double(out, shape->points[i]);
    wire_put(out, shape->native_max);
    wire_put_signed(out, shape->native_schema);
    wire_put(out, shape->n_slots);
    wire_put(out, (uint64_t)shape->slot_ms);
    wire_put(out, shape->set_bits);
}

static int remember_shape(struct state_save *s, const struct shape *shape)
{
    if (s->n_shapes == s->cap_shapes) {
        size_t cap = s->cap_shapes > 0 ? 2 * s->cap_shapes : 16;
        const struct shape **shapes = realloc(s->shapes, cap * sizeof(const struct shape *));

        if (shapes == NULL)
            return -ENOMEM;
        s->shapes = shapes;
        s->cap_shapes = cap;
    }
    s->shapes[s->n_shapes++] = shape;
    return 0;
}

/* Its number, written first if it is new; most often it is the newest. -ENOMEM; -E2BIG: it cannot
 * be written. */
static int64_t shape_number(struct state_save *s, const struct shape *shape, struct buf *out)
{
    for (size_t i = s->n_shapes; i-- > 0;)
        if (s->shapes[i] == shape)
            return (int64_t)i;
    if (shape->n_points > STATE_MAX_POINTS || shape->n_slots > STATE_MAX_SLOTS ||
        s->n_shapes == STATE_MAX_SHAPES)
        return -E2BIG;
    if (remember_shape(s, shape) != 0)
        return -ENOMEM;
    put_shape(out, shape);
    return (int64_t)s->n_shapes - 1;
}

/* ---- values ---- */

static void put_points(const struct carried *c, unsigned flags, struct buf *out)
{
    uint64_t below = 0;

    wire_put(out, flags);
    wire_put(out, c->count);
    wire_put_double(out, c->sum);
    wire_put(out, c->n_points);
    for (unsigned i = 0; i < c->n_points; i++) {
        wire_put_double(out, c->points[i].bound);
        wire_put(out, c->points[i].cumulative - below);
        below = c->points[i].cumulative;
    }
}

static void put_native(const struct native_kept *k, struct buf *out)
{
    const struct snapshot_bucket *p = k->p;

    wire_put_signed(out, k->schema);
    wire_put(out, k->zero);
    wire_put(out, k->nan);
    wire_put(out, k->n[0]);
    wire_put(out, k->n[1]);
    for (size_t i = 0; i < k->n[0] + k->n[1]; i++) {
        wire_put_signed(out, p[i].index);
        wire_put(out, p[i].count);
    }
}

static void put_carried(const struct state_save *s, const struct carried *c, struct buf *out)
{
    put_points(
        c, (c->native != NULL ? STATE_HAS_NATIVE : 0) | (c->unseen != NULL ? STATE_HAS_UNSEEN : 0),
        out);
    if (c->native != NULL)
        put_native(c->native, out);
    if (c->unseen != NULL) {
        wire_put(out, age_of(s, c->since));
        put_points(c->unseen, 0, out);
    }
}

static void put_members(const struct set_members *m, int64_t age_ms, struct buf *out)
{
    wire_put(out, (uint64_t)age_ms);
    wire_put(out, m->exact);
    wire_put(out, m->n);
    for (unsigned i = 0; i < m->n; i++)
        wire_put_fixed(out, m->words[i], 8);
}

/* Each slot after a 1, the end is a 0. A copy that was torn is left out. */
static int put_set(struct state_save *s, const struct series *series, struct buf *out)
{
    const struct shape *shape = series_shape(series);
    struct cell *cells[RECLAIM_MAX_WORKERS];
    int64_t now_ms = s->config.now_ms;
    struct set_members m;

    series_cells(series, cells);
    for (unsigned i = 0; i < shape->n_slots; i++) {
        if (cell_set_members(cells, series->n_cells, shape, now_ms, i, &s->reader, &m) != 0)
            return -ENOMEM;
        if (m.n == 0 || !set_members_valid(&m))
            continue;
        buf_add_byte(out, 1);
        put_members(&m, now_ms - cell_set_slot_begins(shape, now_ms, i), out);
    }
    buf_add_byte(out, 0);
    return 0;
}

static void put_counter(const struct series *series, struct buf *out)
{
    struct cell *cells[RECLAIM_MAX_WORKERS];
    uint64_t whole;
    double rest;

    series_cells(series, cells);
    cell_counter_parts(cells, series->n_cells, &whole, &rest);
    wire_put(out, whole);
    wire_put_double(out, rest);
}

static int put_gauge(struct state_save *s, const struct series *series, struct buf *out)
{
    struct snapshot_series read;

    if (series_read(series, s->config.now_ms, &s->reader, &read) != 0)
        return -ENOMEM;
    wire_put_double(out, read.value);
    return 0;
}

static int put_observer(struct state_save *s, const struct series *series,
                        const struct shape *now_shape, struct buf *out)
{
    struct cell *cells[RECLAIM_MAX_WORKERS];
    struct carried *c;
    int rc;

    series_cells(series, cells);
    rc = carried_keep(series->carried, cells, series->n_cells, series_shape(series), now_shape,
                      s->config.now_ms, &c);
    if (rc != 0)
        return rc;
    if (c->n_points > STATE_MAX_POINTS ||
        (c->unseen != NULL && c->unseen->n_points > STATE_MAX_POINTS))
        rc = -E2BIG;
    else
        put_carried(s, c, out);
    carried_free(c);
    return rc;
}

/* ---- series and families ---- */

static void put_family(struct state_save *s, const struct family *f, struct buf *out)
{
    struct slice help = family_help(f);

    s->type = family_type(f);
    buf_add_byte(out, STATE_FAMILY);
    wire_put(out, s->type);
    wire_put_text(out, family_name(f));
    wire_put_text(out, help.len <= STATE_MAX_HELP ? help : slice_of(NULL, 0));
    s->in_family = true;
    s->n_written_families++;
}

static bool is_wanted(const struct state_save *s, enum metric_type type)
{
    return s->config.counts || type == METRIC_GAUGE || type == METRIC_SET;
}

static bool has_settings(enum metric_type type)
{
    return type != METRIC_COUNTER && type != METRIC_GAUGE;
}

static int put_value(struct state_save *s, const struct series *series, const struct shape *shape,
                     struct buf *out)
{
    switch (shape->type) {
    case METRIC_COUNTER:
        put_counter(series, out);
        return 0;
    case METRIC_GAUGE:
        return put_gauge(s, series, out);
    case METRIC_SET:
        return put_set(s, series, out);
    case METRIC_HISTOGRAM:
    case METRIC_SUMMARY:
        break;
    }
    return put_observer(s, series, shape, out);
}

static int put_series(struct state_save *s, const struct family *f, const struct series *series,
                      struct buf *out)
{
    /* A set's window is written as it is kept now; it would begin anew with the next shape. */
    const struct shape *shape = series_shape(series)->type == METRIC_SET
                                    ? series_shape(series)
                                    : series_next_shape(s->config.registry, series);
    int64_t number = 0;
    size_t at;
    int rc;

    if (!is_wanted(s, shape->type) || vector_clashes(series->vector, shape->type))
        return 0;
    if (!s->in_family || s->type != shape->type)
        put_family(s, f, out);
    if (has_settings(shape->type))
        number = shape_number(s, shape, out);
    if (number < 0)
        return number == -E2BIG ? 0 : (int)number;
    at = out->len;
    buf_add_byte(out, STATE_SERIES);
    wire_put(out, series->fold ? STATE_IS_FOLD : 0);
    wire_put_text(out, series_labels(series));
    wire_put(out, age_of(s, series->born));
    wire_put(out, age_of(s, series_last_seen(series)));
    wire_put(out, relaxed_load(&series->ttl_ticks));
    if (has_settings(shape->type))
        wire_put(out, (uint64_t)number);
    rc = put_value(s, series, shape, out);
    if (rc == 0)
        s->n_written_series++;
    else
        out->len = at;
    return rc == -E2BIG ? 0 : rc;
}

/* The next series of the family under way; moves on to the next family at its end. 0 when there is
 * no family; 1; -ENOMEM. */
static int put_next(struct state_save *s, struct buf *out)
{
    const struct family *f;
    const struct series *series = NULL;

    if (s->family_at == s->n_families)
        return 0;
    f = s->families[s->family_at];
    if (!f->reserved && is_wanted(s, family_type(f)))
        series = series_walk_next(&s->walk, s->config.registry, f, s->newest);
    if (series != NULL)
        return put_series(s, f, series, out) == 0 ? 1 : -ENOMEM;
    s->walk = (struct series_walk){0};
    s->in_family = false;
    s->family_at++;
    return 1;
}

/* ---- chunks ---- */

static void put_head(struct state_save *s, struct buf *out)
{
    int64_t zero_ms = s->config.unix_ms_at_zero;
    int64_t tick_ms = s->config.now_ms / CELL_TICK_MS * CELL_TICK_MS;

    buf_add_byte(out, STATE_HEAD);
    wire_put_signed(out, zero_ms > 0 ? zero_ms + tick_ms : 0);
    wire_put(out, s->config.counts);
    wire_put_fixed(out, s->config.rules, 8);
}

static void put_end(struct state_save *s, struct buf *out)
{
    buf_add_byte(out, STATE_END);
    wire_put(out, s->n_written_families);
    wire_put(out, s->n_written_series);
    s->ended = true;
}

static void begin_stream(struct state_save *s, struct buf *out)
{
    size_t at = out->len;

    buf_add(out, STATE_MAGIC, STATE_MAGIC_LEN);
    wire_put_fixed(out, STATE_VERSION, 4);
    if (!out->failed)
        s->check = hash_bytes(slice_of(out->p + at, STATE_HEADER_LEN), 0);
}

/* The payload begins at @at, behind the room for its length. */
static void end_chunk(struct state_save *s, struct buf *out, size_t at)
{
    size_t len = out->len - at;

    assert(len > 0 && len <= STATE_MAX_CHUNK);
    for (unsigned i = 0; i < STATE_LENGTH_LEN; i++)
        out->p[at - STATE_LENGTH_LEN + i] = (char)(len >> (8 * i));
    s->check = hash_bytes(slice_of(out->p + at, len), s->check);
    wire_put_fixed(out, s->check, STATE_CHECK_LEN);
}

/* As many records as fit. */
static int fill_chunk(struct state_save *s, struct buf *out, size_t until)
{
    int rc = 1;

    if (!s->begun)
        put_head(s, out);
    s->begun = true;
    for (unsigned looks = LOOKS_MAX; rc == 1 && looks > 0 && out->len < until && !out->failed;
         looks--)
        rc = put_next(s, out);
    if (rc == 0)
        put_end(s, out);
    return rc < 0 || out->failed ? -ENOMEM : rc;
}

int state_save_next(struct state_save *s, struct buf *out, unsigned want)
{
    size_t at;
    int rc;

    assert(!s->ended);
    if (want > STATE_MAX_CHUNK / 4)
        want = STATE_MAX_CHUNK / 4;
    if (!s->begun)
        begin_stream(s, out);
    wire_put_fixed(out, 0, STATE_LENGTH_LEN);
    at = out->len;
    rc = fill_chunk(s, out, at + want);
    if (rc < 0)
        return rc;
    if (out->len > at)
        end_chunk(s, out, at);
    else
        out->len = at - STATE_LENGTH_LEN;
    return out->failed ? -ENOMEM : rc;
}
