/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native buckets read while they are written: whole, never falling, as many as the count
 *
 * Below the engine, so that reader and writers meet in as few instructions as can be: each writer
 * has the cell that is its own, and the reader adds them up again and again.
 */
#include <pthread.h>
#include <math.h>
#include <stdlib.h>

#include "lib/unit.h"
#include "store/cell.h"

#define N_WRITERS 2u
#define N_VALUES  400000u /* at least, from each */
#define N_PAGES   3000u

/* All values are below the second one. */
static const double bounds[] = {0.5, 1e300};

struct writer {
    pthread_t thread;
    struct cell *cell;
    const struct shape *shape;
    unsigned seed;
    struct cell_outgrown *outgrown; /* the reader may still look at them */
    uint64_t count;                 /* what it observed, when it is done */
    relaxed_u32 stop;               /* written by the reader */
    relaxed_u32 done;
};

static void *write_values(void *arg)
{
    struct writer *w = arg;
    unsigned long random = w->seed;

    for (unsigned n = 0; n < N_VALUES || relaxed_load(&w->stop) == 0; n++) {
        unsigned wide = n < N_VALUES ? n : N_VALUES;
        struct cell_outgrown *outgrown;
        double v;

        random = random * 6364136223846793005u + 1442695040888963407u;
        /* Wider and wider, so that blocks grow and halve all the time. */
        v = ldexp(1 + (double)(random >> 40) * 0x1p-24,
                  (int)((random >> 33) % (2 + wide / 4000)) - (int)(wide / 8000));
        (void)cell_observe_buckets(w->cell, w->shape, random % 4 == 0 ? -v : v, 1 + n % 2,
                                   (struct cell_time){0}, &outgrown);
        w->count += 1 + n % 2;
        if (outgrown != NULL) {
            outgrown->next = w->outgrown;
            w->outgrown = outgrown;
        }
    }
    atomic_store_explicit(&w->done, 1, memory_order_release);
    return NULL;
}

/* Observations in buckets at or below a magnitude of 2^@power, a bound at every resolution. */
static uint64_t up_to(const struct snapshot_bucket *p, unsigned n, int schema, int power)
{
    int64_t last = schema >= 0 ? (int64_t)power << schema : power >> -schema;
    uint64_t sum = 0;

    for (unsigned i = 0; i < n && p[i].index <= last; i++)
        sum += p[i].count;
    return sum;
}

struct last {
    int schema;
    uint64_t count, below, all[2], cumulative[2];
};

/* Compare with what was seen before. */
static void turn(struct last *last, const struct snapshot_series *s)
{
    const struct snapshot_native *h = s->native;
    uint64_t all[2] = {up_to(h->positive, h->n_positive, h->schema, 1024),
                       up_to(h->negative, h->n_negative, h->schema, 1024)};
    uint64_t below = up_to(h->positive, h->n_positive, h->schema, 16);

    ck_assert_uint_eq(all[0] + all[1] + h->zero_count, s->count);
    ck_assert_uint_ge(s->count, last->count);
    ck_assert_uint_ge(below, last->below);
    ck_assert_int_le(h->schema, last->schema);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_ge(all[i], last->all[i]);
        ck_assert_uint_ge(s->cumulative[i], last->cumulative[i]);
        ck_assert_uint_le(s->cumulative[i], s->count);
        last->all[i] = all[i];
        last->cumulative[i] = s->cumulative[i];
    }
    ck_assert_uint_eq(s->cumulative[1], s->count);
    last->schema = h->schema;
    last->count = s->count;
    last->below = below;
}

/* No page shows a native bucket below an earlier page's, nor a count that is not their sum, nor an
 * observation in the count that is not in its classic bucket. */
START_TEST(test_native_race_reads_are_whole)
{
    struct shape_spec spec = {METRIC_HISTOGRAM, .n_bounds = 2, .bounds = bounds, .native_max = 40,
                              .native_schema = 8};
    struct writer writers[N_WRITERS] = {{0}};
    struct cell *cells[N_WRITERS];
    struct cell_reader reader = {.wants_native = true};
    struct last last = {.schema = 8};
    struct snapshot_series seen;
    struct shape *shape;
    uint64_t count = 0;
    unsigned n_done = 0;

    ck_assert_int_eq(shape_new(&shape, &spec), 0);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        cells[i] = aligned_alloc(CELL_ALIGN, shape->cell_size);
        cell_init(cells[i], shape);
        writers[i] = (struct writer){.cell = cells[i], .shape = shape, .seed = i + 1};
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, write_values, &writers[i]), 0);
    }
    for (unsigned page = 0; n_done < N_WRITERS; page++) {
        n_done = 0;
        for (unsigned i = 0; i < N_WRITERS; i++) {
            if (page >= N_PAGES)
                relaxed_store(&writers[i].stop, 1);
            n_done += atomic_load_explicit(&writers[i].done, memory_order_acquire);
        }
        ck_assert_int_eq(cell_read(cells, N_WRITERS, shape, 0, &reader, &seen), 0);
        turn(&last, &seen);
    }
    for (unsigned i = 0; i < N_WRITERS; i++)
        count += writers[i].count;
    ck_assert_uint_eq(last.count, count);
    ck_assert_int_lt(last.schema, 3);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        while (writers[i].outgrown != NULL) {
            struct cell_outgrown *next = writers[i].outgrown->next;

            free(writers[i].outgrown);
            writers[i].outgrown = next;
        }
        cell_release(cells[i], shape);
        free(cells[i]);
    }
    cell_reader_release(&reader);
    shape_free(shape);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("native_race");
    TCase *race = tcase_create("race");

    tcase_add_test(race, test_native_race_reads_are_whole);
    suite_add_tcase(s, race);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
