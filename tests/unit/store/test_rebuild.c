/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuild: in no order of the workers' and control's steps is a sample lost, shown and then not any
 * more, or written to a cell that was given away
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/carry.h"
#include "unit/store/world.h"

static struct series *series_of(struct world *w, const struct born *b)
{
    struct series_key key = key_of(w, b);

    return index_find(&w->r, &key);
}

/* The page's buckets: bound i + 1 at [i], +Inf last; ~0 for a bound that is not shown. */
#define N_SHOWN 5

static void read_buckets(struct world *w, const struct born *b, uint64_t *shown)
{
    struct snapshot_series seen = {0};

    memset(shown, 0xff, N_SHOWN * sizeof *shown);
    ck_assert_int_eq(series_read(series_of(w, b), w->now_ms, &w->reader, &seen), 0);
    for (unsigned p = 0; p < seen.n_points; p++)
        shown[(unsigned)seen.points[p] - 1] = seen.cumulative[p];
    shown[N_SHOWN - 1] = seen.count;
}

static void observe(struct world *w, const struct series_ref *ref, double v)
{
    struct cell_outgrown *outgrown;

    ck_assert_int_eq(cell_observe_buckets(ref->cell, ref->shape, v, 1, time_of(w), &outgrown), 0);
    free(outgrown);
}

/* The first under a newer generation decides, for all its series, and only once; an older one
 * has nothing to say any more. */
START_TEST(test_rebuild_the_first_of_a_generation_decides)
{
    struct born a = {.name = "h",
                     .labels = "l=\"a\"",
                     .label_names = "l,",
                     .type = METRIC_HISTOGRAM,
                     .n_bounds = 1,
                     .gen = 1};
    struct born b = a, late = a, second = a, other = a;
    struct series_ref ref, found;
    struct world w;

    b.labels = "l=\"b\"";
    b.n_bounds = second.n_bounds = 3;
    b.gen = second.gen = 2;
    second.n_bounds = 2;
    other.label_names = "";
    other.labels = "";
    world_init(&w, 10);
    ref = must_acquire(&w, &a);
    (void)must_acquire(&w, &other);
    ck_assert_int_eq(find(&w, &a, &found), 0);
    (void)must_acquire(&w, &b);
    ck_assert_uint_eq(relaxed_load(&w.r.n_changed), 1);
    ck_assert_int_eq(find(&w, &a, &found), 0);
    (void)must_acquire(&w, &second);
    (void)must_acquire(&w, &late);
    control(&w);
    ck_assert_uint_ne(relaxed_load(&ref.cell->birth), ref.birth);
    ck_assert_int_eq(find(&w, &second, &found), SERIES_E_ABSENT);
    ck_assert_uint_eq(must_acquire(&w, &second).shape->n_points, 3);
    ck_assert_int_eq(find(&w, &second, &found), 0);
    ck_assert_uint_eq(found.shape->n_points, 3);
    ck_assert_int_eq(find(&w, &other, &found), 0);
    ck_assert_uint_eq(found.shape->n_points, 1);
    for (unsigned i = 0; i < 3; i++)
        control(&w);
    ck_assert_uint_eq(relaxed_load(&w.r.n_changed), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_rebuilt), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_HISTOGRAM]), 2);
    world_release(&w);
}
END_TEST

/* Following decides as a sample does, but makes no cell and no series. */
START_TEST(test_rebuild_follow)
{
    struct born a = {.name = "h", .type = METRIC_HISTOGRAM, .n_bounds = 1, .ttl = 90, .gen = 1};
    struct shape_spec spec = spec_of(METRIC_HISTOGRAM, 2);
    struct series_birth birth = {.spec = &spec, .ttl_ticks = 7, .gen = 2};
    struct series_ref ref;
    struct world w;
    uint64_t shown[N_SHOWN];

    world_init(&w, 10);
    birth.key = key_of(&w, &a);
    ck_assert_int_eq(series_follow(&w.r, &birth, &ref), SERIES_E_ABSENT);
    ref = must_acquire(&w, &a);
    observe(&w, &ref, 1);
    birth.worker = 1;
    ck_assert_int_eq(series_follow(&w.r, &birth, &ref), SERIES_E_ABSENT);
    ck_assert_uint_eq(relaxed_load(&series_of(&w, &a)->ttl_ticks), 7);
    for (unsigned i = 0; i < 3; i++)
        control(&w);
    birth.worker = 0;
    ck_assert_int_eq(series_follow(&w.r, &birth, &ref), SERIES_E_ABSENT);
    read_buckets(&w, &a, shown);
    ck_assert_uint_eq(shown[0], 1);
    ck_assert_uint_eq(shown[1], 1);
    ck_assert_uint_eq(shown[4], 1);
    spec.type = METRIC_SUMMARY;
    birth.ttl_ticks = 9;
    ck_assert_int_eq(series_follow(&w.r, &birth, &ref), SERIES_E_ABSENT);
    ck_assert_uint_eq(relaxed_load(&series_of(&w, &a)->ttl_ticks), 7);
    /* It was seen when it was observed, not when it moved. */
    ck_assert_uint_eq(series_last_seen(series_of(&w, &a)), tick_of(&w));
    w.now_ms += 9 * CELL_TICK_MS;
    for (unsigned i = 0; i < 4; i++)
        control(&w);
    ck_assert_ptr_null(series_of(&w, &a));
    world_release(&w);
}
END_TEST

/* Other quantiles over the same window: the cell stays, and so does what is in it. */
START_TEST(test_rebuild_quantiles_keep_the_cell)
{
    static const double quantiles[] = {0.5, 1};
    struct shape_spec spec = {.type = METRIC_SUMMARY,
                              .n_quantiles = 1,
                              .quantiles = quantiles,
                              .window_ms = 60000,
                              .n_slots = 5};
    struct born a = {.name = "s", .type = METRIC_SUMMARY};
    struct series_birth birth = {.spec = &spec, .gen = 1};
    struct snapshot_series seen = {0};
    struct series_ref ref, again;
    struct world w;

    world_init(&w, 10);
    birth.key = key_of(&w, &a);
    ck_assert_int_eq(series_acquire(&w.r, &birth, &ref), 0);
    cell_observe_sketch(ref.cell, ref.shape, 4, 3, time_of(&w));
    spec.n_quantiles = 2;
    birth.gen = 2;
    ck_assert_int_eq(series_follow(&w.r, &birth, &again), 0);
    control(&w);
    ck_assert_int_eq(series_acquire(&w.r, &birth, &again), 0);
    ck_assert_ptr_eq(again.cell, ref.cell);
    ck_assert_uint_eq(again.birth, ref.birth);
    ck_assert_int_eq(series_read(series_of(&w, &a), w.now_ms, &w.reader, &seen), 0);
    ck_assert_uint_eq(seen.n_points, 2);
    ck_assert_double_eq(seen.quantiles[1], 4);
    ck_assert_uint_eq(seen.count, 3);

    /* Another window begins anew; counts go on. */
    spec.window_ms = 30000;
    birth.gen = 3;
    ck_assert_int_eq(series_follow(&w.r, &birth, &again), 0);
    for (unsigned i = 0; i < 3; i++) {
        control(&w);
        seen = (struct snapshot_series){0};
        ck_assert_int_eq(series_read(series_of(&w, &a), w.now_ms, &w.reader, &seen), 0);
        ck_assert_uint_eq(seen.count, 3);
        ck_assert_double_eq(seen.sum, 12);
        ck_assert_double_nan(seen.quantiles[1]);
    }
    ck_assert(!series_is_leaving(series_of(&w, &a)));
    world_release(&w);
}
END_TEST

/* A set's window begins anew, and its blocks are given back: the sanitizer would notice. */
START_TEST(test_rebuild_set_begins_anew)
{
    struct shape_spec spec = {.type = METRIC_SET, .window_ms = 60000, .n_slots = 6};
    struct born a = {.name = "s", .type = METRIC_SET};
    struct series_birth birth = {.spec = &spec, .gen = 1};
    struct cell_outgrown *outgrown;
    struct series_ref ref, again;
    struct world w;

    world_init(&w, 10);
    birth.key = key_of(&w, &a);
    ck_assert_int_eq(series_acquire(&w.r, &birth, &ref), 0);
    reclaim_enter(&w.reclaim, 0);
    spec.window_ms = 30000;
    birth.gen = 2;
    (void)series_follow(&w.r, &birth, &again);
    control(&w);
    /* Still in the batch. */
    ck_assert_int_eq(cell_set_add(ref.cell, ref.shape, SLICE_LIT("x"), time_of(&w), &outgrown), 0);
    control(&w);
    ck_assert(series_is_leaving(series_of(&w, &a)));
    ck_assert_double_eq(value_of(&w, &a), 0);
    reclaim_leave(&w.reclaim, 0);
    control(&w);
    ck_assert(!series_is_leaving(series_of(&w, &a)));
    world_release(&w);
}
END_TEST

/* ---- every order ---- */

/*
 * A worker with a route, one step at a time, as in test_expire.c; the rules that it takes up with
 * each batch are those in force.
 *      enter | is the birth number still so? if not, look up or acquire | observe 0.5 | leave
 */
struct player {
    unsigned step;
    struct born rules;
    struct series_ref ref;
};

struct play {
    struct world w;
    struct player players[N_WORKERS];
    struct born rules; /* in force */
    unsigned n_control;
    uint64_t n_written;
    uint64_t shown[N_SHOWN]; /* last, 0: never */
};

/* All that was observed is in native buckets, wherever it is. */
static void check_native(struct play *p)
{
    struct snapshot_series seen = {0};
    uint64_t n = 0;

    p->w.reader.wants_native = true;
    ck_assert_int_eq(series_read(series_of(&p->w, &p->rules), p->w.now_ms, &p->w.reader, &seen), 0);
    p->w.reader.wants_native = false;
    if (seen.native == NULL || seen.count != p->n_written)
        ck_abort_msg("%lu native", (unsigned long)seen.count);
    for (unsigned i = 0; i < seen.native->n_positive; i++)
        n += seen.native->positive[i].count;
    if (n != p->n_written)
        ck_abort_msg("%lu in native buckets", (unsigned long)n);
}

static void check_buckets(struct play *p)
{
    uint64_t shown[N_SHOWN];

    if (series_of(&p->w, &p->rules) == NULL)
        ck_abort_msg("the series is gone");
    check_native(p);
    read_buckets(&p->w, &p->rules, shown);
    if (shown[N_SHOWN - 1] != p->n_written)
        ck_abort_msg("%lu of %lu", (unsigned long)shown[N_SHOWN - 1], (unsigned long)p->n_written);
    for (unsigned i = 0; i < N_SHOWN; i++) {
        if (shown[i] == UINT64_MAX)
            continue;
        if (shown[i] < p->shown[i])
            ck_abort_msg("bound %u fell", i);
        p->shown[i] = shown[i];
    }
}

static void play_worker(struct play *p, unsigned worker)
{
    struct player *player = &p->players[worker];

    switch (player->step++ % 4) {
    case 0:
        reclaim_enter(&p->w.reclaim, worker);
        player->rules = p->rules;
        player->rules.worker = worker;
        return;
    case 1:
        if ((player->ref.cell == NULL ||
             relaxed_load(&player->ref.cell->birth) != player->ref.birth) &&
            find(&p->w, &player->rules, &player->ref) != 0)
            player->ref = must_acquire(&p->w, &player->rules);
        return;
    case 2:
        observe(&p->w, &player->ref, 0.5);
        p->n_written++;
        return;
    default:
        reclaim_leave(&p->w.reclaim, worker);
    }
}

/* After each of control's steps thieves are born that take any cell that was given away. */
static void play_control(struct play *p)
{
    char name[16];
    struct born thief = {.name = name, .type = METRIC_HISTOGRAM, .gen = 9};

    control(&p->w);
    for (thief.n_bounds = 1; thief.n_bounds <= 3; thief.n_bounds++) {
        (void)snprintf(name, sizeof name, "t%u_%u", p->n_control, thief.n_bounds);
        for (thief.worker = 0; thief.worker < N_WORKERS; thief.worker++)
            (void)must_acquire(&p->w, &thief);
    }
    p->n_control++;
}

static void check_thieves(struct play *p)
{
    char name[16];
    struct born thief = {.name = name};
    uint64_t shown[N_SHOWN];

    for (unsigned i = 0; i < p->n_control; i++) {
        for (unsigned n = 1; n <= 3; n++) {
            (void)snprintf(name, sizeof name, "t%u_%u", i, n);
            read_buckets(&p->w, &thief, shown);
            if (shown[N_SHOWN - 1] != 0)
                ck_abort_msg("%s was written to", name);
        }
    }
}

/* Another number of bounds; the sweep of some idle worker says so. */
static void play_reload(struct play *p)
{
    struct shape_spec spec;
    struct series_birth birth = {.gen = ++p->rules.gen, .ttl_ticks = p->rules.ttl, .spec = &spec};
    struct series_ref ref;

    p->rules.n_bounds = p->rules.n_bounds % 3 + 1;
    p->rules.native_max = 20 + p->rules.n_bounds % 2;
    spec = native_spec_of(METRIC_HISTOGRAM, p->rules.n_bounds, p->rules.native_max);
    birth.key = key_of(&p->w, &p->rules);
    (void)series_follow(&p->w.r, &birth, &ref);
}

#define CONTROL N_WORKERS
#define RELOAD  (N_WORKERS + 1)
#define N_WHO   (N_WORKERS + 2)

static void play_order(const unsigned char *who, unsigned n)
{
    struct play p = {
        .rules = {
            .name = "h", .type = METRIC_HISTOGRAM, .n_bounds = 2, .gen = 1, .native_max = 20}};

    /* Whether or not its time is over before the steps, as long as it was not marked. */
    p.rules.ttl = TTL;
    world_init(&p.w, 1000);
    p.players[0].ref = must_acquire(&p.w, &p.rules);
    observe(&p.w, &p.players[0].ref, 1.5);
    p.n_written = 1;
    for (unsigned i = 0; i < n; i++) {
        if (who[i] == CONTROL)
            play_control(&p);
        else if (who[i] == RELOAD)
            play_reload(&p);
        else
            play_worker(&p, who[i]);
        check_buckets(&p);
    }
    for (unsigned i = 0; i < 6; i++) {
        play_control(&p);
        check_buckets(&p);
    }
    check_thieves(&p);
    if (series_is_leaving(series_of(&p.w, &p.rules)))
        ck_abort_msg("cells are left over");
    if (relaxed_load(&p.w.r.n_changed) != 0)
        ck_abort_msg("a family is left over");
    world_release(&p.w);
}

static unsigned play_all(unsigned char *who, unsigned at, unsigned left[N_WHO])
{
    unsigned n = 0, n_left = 0;

    for (unsigned i = 0; i < N_WHO; i++) {
        n_left += left[i];
        if (left[i] == 0)
            continue;
        left[i]--;
        who[at] = (unsigned char)i;
        n += play_all(who, at + 1, left);
        left[i]++;
    }
    if (n_left > 0)
        return n;
    play_order(who, at);
    return 1;
}

/* Two batches of one worker, control, one reload. */
START_TEST(test_rebuild_against_one_worker)
{
    unsigned char who[16];
    unsigned left[N_WHO] = {8, 0, 3, 1};

    ck_assert_uint_eq(play_all(who, 0, left), 1980);
}
END_TEST

/* One batch each of two workers. */
START_TEST(test_rebuild_against_two_workers)
{
    unsigned char who[16];
    unsigned left[N_WHO] = {4, 4, 2, 1};

    ck_assert_uint_eq(play_all(who, 0, left), 34650);
}
END_TEST

/* Two reloads, perhaps before anything was folded. */
START_TEST(test_rebuild_two_reloads)
{
    unsigned char who[16];
    unsigned left[N_WHO] = {4, 0, 3, 2};

    ck_assert_uint_eq(play_all(who, 0, left), 1260);
}
END_TEST

/* ---- another type of observer ---- */

static struct snapshot_series seen_of(struct world *w, const struct born *b)
{
    struct snapshot_series seen = {0};

    ck_assert_int_eq(series_read(series_of(w, b), w->now_ms, &w->reader, &seen), 0);
    return seen;
}

static void sample(struct world *w, const struct series_ref *ref)
{
    if (ref->shape->type == METRIC_HISTOGRAM)
        observe(w, ref, 0.5);
    else
        cell_observe_sketch(ref->cell, ref->shape, 0.5, 1, time_of(w));
}

/* There and back with a batch that stays open: what is known goes on, samples go where the series
 * is kept at the time, and the older rules have nothing to say. */
START_TEST(test_rebuild_type_there_and_back)
{
    struct born h = {.name = "m", .type = METRIC_HISTOGRAM, .n_bounds = 1, .gen = 1};
    struct born s = {.name = "m", .type = METRIC_SUMMARY, .gen = 2}, late = h;
    struct series_ref old, ref;
    struct world w;

    world_init(&w, 10);
    old = must_acquire(&w, &h);
    sample(&w, &old);
    reclaim_enter(&w.reclaim, 0);
    ref = must_acquire(&w, &s);
    ck_assert_int_eq(family_type(series_family(series_of(&w, &h))), METRIC_SUMMARY);
    ck_assert_int_eq(ref.shape->type, METRIC_HISTOGRAM);
    sample(&w, &ref);
    control(&w);
    sample(&w, &old);
    ref = must_acquire(&w, &late);
    ck_assert_int_eq(ref.shape->type, METRIC_SUMMARY);
    sample(&w, &ref);
    ck_assert_uint_eq(seen_of(&w, &h).count, 4);
    ck_assert_double_eq(seen_of(&w, &h).sum, 2);
    h.gen = 3;
    (void)must_acquire(&w, &h);
    control(&w);
    ck_assert_uint_eq(seen_of(&w, &h).count, 4);
    reclaim_leave(&w.reclaim, 0);
    for (unsigned i = 0; i < 6; i++)
        control(&w);
    ck_assert_uint_eq(seen_of(&w, &h).count, 4);
    ck_assert_ptr_nonnull(seen_of(&w, &h).cumulative);
    ck_assert_uint_eq(seen_of(&w, &h).cumulative[0], 3);
    ck_assert_uint_eq(relaxed_load(&w.r.n_alive[METRIC_HISTOGRAM]), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_alive[METRIC_SUMMARY]), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_SUMMARY]), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_changed), 0);
    world_release(&w);
}
END_TEST

/* One generation has one type, whoever comes; rules that disagree do so after a reload as well;
 * types of other kinds never give way. */
START_TEST(test_rebuild_type_is_decided_once)
{
    struct born h = {.name = "m",
                     .labels = "l=\"h\"",
                     .label_names = "l,",
                     .type = METRIC_HISTOGRAM,
                     .n_bounds = 1,
                     .gen = 1};
    struct born s = {.name = "m", .type = METRIC_SUMMARY, .gen = 1};
    struct born c = {.name = "m", .type = METRIC_COUNTER, .gen = 9};
    struct series_ref ref;
    struct world w;

    world_init(&w, 10);
    (void)must_acquire(&w, &h);
    ck_assert_int_eq(acquire(&w, &s, &ref), SERIES_E_TYPE);
    s.gen = 2;
    ck_assert_int_eq(acquire(&w, &s, &ref), SERIES_E_TYPE);
    ck_assert_int_eq(acquire(&w, &c, &ref), SERIES_E_TYPE);
    /* The rule of what is there has changed. */
    h.type = METRIC_SUMMARY;
    h.gen = 2;
    (void)must_acquire(&w, &h);
    ck_assert_int_eq(must_acquire(&w, &s).shape->type, METRIC_SUMMARY);
    /* A name that the new type needs. */
    s.name = "m_bucket";
    (void)must_acquire(&w, &s);
    h.type = METRIC_HISTOGRAM;
    h.gen = 3;
    ck_assert_int_eq(acquire(&w, &h, &ref), SERIES_E_SUFFIX);
    world_release(&w);
}
END_TEST

/* Labels that the new type has for itself: the series is let go. Other vectors follow. */
START_TEST(test_rebuild_type_against_labels)
{
    struct born le = {
        .name = "m", .labels = "le=\"x\"", .label_names = "le,", .type = METRIC_SUMMARY, .gen = 1};
    struct born other = {.name = "m", .type = METRIC_SUMMARY, .gen = 1};
    struct born h = {.name = "m",
                     .labels = "l=\"h\"",
                     .label_names = "l,",
                     .type = METRIC_HISTOGRAM,
                     .n_bounds = 2,
                     .gen = 2};
    struct series_ref ref;
    struct world w;

    world_init(&w, 10);
    (void)must_acquire(&w, &le);
    ref = must_acquire(&w, &other);
    sample(&w, &ref);
    (void)must_acquire(&w, &h);
    ck_assert(vector_clashes(series_of(&w, &le)->vector, METRIC_HISTOGRAM));
    ck_assert_int_eq(acquire(&w, &le, &ref), SERIES_E_TYPE);
    control(&w);
    expire_all(&w);
    ck_assert_ptr_null(series_of(&w, &le));
    ck_assert_uint_eq(seen_of(&w, &other).n_points, 2);
    ck_assert_uint_eq(seen_of(&w, &other).count, 1);
    world_release(&w);
}
END_TEST

/* ---- beside expiry ---- */

/* A series that is marked moves when it was kept, or never; one with cells that are leaving is
 * not removed. */
START_TEST(test_rebuild_beside_expiry)
{
    struct born a = {.name = "h", .type = METRIC_HISTOGRAM, .n_bounds = 1, .gen = 1, .ttl = TTL};
    struct series_ref ref;
    struct world w;
    uint64_t shown[N_SHOWN];

    for (unsigned marked_first = 0; marked_first < 2; marked_first++) {
        a.n_bounds = a.gen = 1;
        world_init(&w, 10);
        ref = must_acquire(&w, &a);
        observe(&w, &ref, 0.5);
        control(&w);
        reclaim_enter(&w.reclaim, 0);
        w.now_ms += (TTL + 2) * CELL_TICK_MS;
        if (marked_first)
            control(&w);
        a.n_bounds = a.gen = 2;
        a.worker = 1;
        ck_assert_int_eq(acquire(&w, &a, &ref), 0);
        a.worker = 0;
        for (unsigned i = 0; i < 5; i++) {
            control(&w);
            ck_assert_ptr_nonnull(series_of(&w, &a));
            read_buckets(&w, &a, shown);
            ck_assert_uint_eq(shown[N_SHOWN - 1], 1);
        }
        reclaim_leave(&w.reclaim, 0);
        for (unsigned i = 0; i < 10; i++)
            control(&w);
        expire_all(&w);
        ck_assert_ptr_null(series_of(&w, &a));
        ck_assert_uint_eq(relaxed_load(&w.r.n_changed), 0);
        world_release(&w);
    }
}
END_TEST

/* A batch that ends between control's two steps: what is marked has waited long enough, but its
 * cells have not been folded, and the next step will look for it. */
START_TEST(test_rebuild_before_removal)
{
    struct born a = {.name = "h", .type = METRIC_HISTOGRAM, .n_bounds = 1, .gen = 1, .ttl = TTL};
    struct shape_spec spec = spec_of(METRIC_HISTOGRAM, 2);
    struct series_birth birth = {.spec = &spec, .ttl_ticks = TTL, .gen = 2};
    struct series_ref ref;
    struct world w;

    world_init(&w, 10);
    ref = must_acquire(&w, &a);
    observe(&w, &ref, 0.5);
    control(&w);
    reclaim_enter(&w.reclaim, 0);
    birth.key = key_of(&w, &a);
    (void)series_follow(&w.r, &birth, &ref);
    control(&w);
    w.now_ms += (TTL + 2) * CELL_TICK_MS;
    control(&w);
    ck_assert(series_is_leaving(series_of(&w, &a)));
    ck_assert(series_of(&w, &a)->dying);
    registry_rebuild(&w.r, w.now_ms);
    reclaim_leave(&w.reclaim, 0);
    registry_expire(&w.r, w.now_ms);
    ck_assert_ptr_nonnull(series_of(&w, &a));
    expire_all(&w);
    ck_assert_ptr_null(series_of(&w, &a));
    world_release(&w);
}
END_TEST

/* A family that goes while it waits, and a registry that ends in the middle of a move. */
START_TEST(test_rebuild_cut_short)
{
    struct born a = {.name = "h", .type = METRIC_HISTOGRAM, .n_bounds = 1, .gen = 1, .ttl = TTL};
    struct shape_spec spec = spec_of(METRIC_HISTOGRAM, 2);
    struct series_birth birth = {.spec = &spec, .ttl_ticks = TTL, .gen = 2};
    struct series_ref ref;
    struct world w;

    world_init(&w, 10);
    (void)must_acquire(&w, &a);
    control(&w);
    w.now_ms += (TTL + 2) * CELL_TICK_MS;
    control(&w);
    birth.key = key_of(&w, &a);
    (void)series_follow(&w.r, &birth, &ref);
    ck_assert_uint_eq(relaxed_load(&w.r.n_changed), 1);
    control(&w);
    ck_assert_ptr_null(series_of(&w, &a));
    ck_assert_uint_eq(relaxed_load(&w.r.n_changed), 0);
    ck_assert_ptr_null(w.r.changed);

    (void)must_acquire(&w, &a);
    birth.gen = 3;
    (void)series_follow(&w.r, &birth, &ref);
    control(&w);
    ck_assert(series_is_leaving(series_of(&w, &a)));
    world_release(&w);
}
END_TEST

/* Many series move in steps; what is born meanwhile is born right. */
START_TEST(test_rebuild_many)
{
    char labels[32];
    struct born b = {.name = "h",
                     .labels = labels,
                     .label_names = "l,",
                     .type = METRIC_HISTOGRAM,
                     .n_bounds = 1,
                     .gen = 1};
    struct series_ref ref;
    struct world w;
    unsigned n_steps = 0;

    world_init(&w, 20000);
    for (unsigned i = 0; i < 10000; i++) {
        (void)snprintf(labels, sizeof labels, "l=\"%u\"", i);
        ref = must_acquire(&w, &b);
        observe(&w, &ref, 0.5);
    }
    b.gen = b.n_bounds = 2;
    for (unsigned i = 10000; i < 10100; i++) {
        (void)snprintf(labels, sizeof labels, "l=\"%u\"", i);
        ck_assert_uint_eq(must_acquire(&w, &b).shape->n_points, 2);
    }
    while (relaxed_load(&w.r.n_changed) > 0 && ++n_steps < 100)
        control(&w);
    control(&w);
    ck_assert_uint_ge(n_steps, 3);
    ck_assert_uint_lt(n_steps, 10);
    ck_assert_uint_eq(relaxed_load(&w.r.n_rebuilt), 10000);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t shown[N_SHOWN];

        (void)snprintf(labels, sizeof labels, "l=\"%u\"", i);
        read_buckets(&w, &b, shown);
        if (shown[0] != 1 || shown[1] != 1 || shown[4] != 1)
            ck_abort_msg("%s", labels);
    }
    world_release(&w);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rebuild");
    TCase *shape = tcase_create("shape"), *orders = tcase_create("orders");
    TCase *expiry = tcase_create("expiry"), *type = tcase_create("type");

    tcase_add_test(shape, test_rebuild_the_first_of_a_generation_decides);
    tcase_add_test(shape, test_rebuild_follow);
    tcase_add_test(shape, test_rebuild_quantiles_keep_the_cell);
    tcase_add_test(shape, test_rebuild_set_begins_anew);
    tcase_add_test(shape, test_rebuild_many);
    suite_add_tcase(s, shape);
    tcase_set_timeout(orders, 60);
    tcase_add_test(orders, test_rebuild_against_one_worker);
    tcase_add_test(orders, test_rebuild_against_two_workers);
    tcase_add_test(orders, test_rebuild_two_reloads);
    suite_add_tcase(s, orders);
    tcase_add_test(type, test_rebuild_type_there_and_back);
    tcase_add_test(type, test_rebuild_type_is_decided_once);
    tcase_add_test(type, test_rebuild_type_against_labels);
    suite_add_tcase(s, type);
    tcase_add_test(expiry, test_rebuild_beside_expiry);
    tcase_add_test(expiry, test_rebuild_before_removal);
    tcase_add_test(expiry, test_rebuild_cut_short);
    suite_add_tcase(s, expiry);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
