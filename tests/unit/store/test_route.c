/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route: what is remembered is right, what is hot stays, what is cold goes, and there is an end to
 * it
 */
#include "store/route_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unit.h"

#define SEED   42u

/* Places beyond a power of two: the last windows'. */
#define BEYOND ((ROUTE_WINDOW - 1) * ROUTE_LINE)

struct key {
    char text[48];
    struct slice name;
    struct slice suffix;
};

/* Key @n. Two keys have the same bytes, cut in different places: the cut is part of the key. */
static void key_init(struct key *k, unsigned n)
{
    int len = snprintf(k->text, sizeof k->text, "api.requests.%u|c|#route:%u", n / 2, n / 2 % 5);
    size_t cut = slice_find(slice_of(k->text, (size_t)len), '|') + n % 2;

    k->name = slice_of(k->text, cut);
    k->suffix = slice_of(k->text + cut, (size_t)len - cut);
}

static struct route *find(struct routes *t, unsigned n)
{
    struct key k;
    struct route_key key;

    key_init(&k, n);
    key = route_key(t, k.name, k.suffix);
    return route_find(t, &key);
}

static struct route *put(struct routes *t, unsigned n, uint32_t mark)
{
    struct route_plan plan = {.gen = mark, .weight = n};
    struct route what = {.cell = &route_nowhere, .plan = &plan};
    struct key k;
    struct route_key key;

    key_init(&k, n);
    key = route_key(t, k.name, k.suffix);
    return route_put(t, &key, &what);
}

static struct routes *routes_of(uint64_t max_routes)
{
    struct routes *t = NULL;

    ck_assert_int_eq(routes_new(&t, SEED, max_routes), 0);
    ck_assert_ptr_nonnull(t);
    return t;
}

/* A route comes back with its bytes and all that was in it; what was not put in does not come. */
START_TEST(test_route_put_then_find)
{
    struct routes *t = routes_of(100000);

    for (unsigned n = 0; n < 5000; n++) {
        struct route *r = put(t, n, n + 1);
        struct key k;

        key_init(&k, n);
        ck_assert_ptr_nonnull(r);
        ck_assert(slice_eq(route_name(r), k.name));
        ck_assert(slice_eq(route_suffix(r), k.suffix));
    }
    for (unsigned n = 0; n < 5000; n++) {
        struct route *r = find(t, n);

        ck_assert_ptr_nonnull(r);
        ck_assert_uint_eq(r->plan->gen, n + 1);
        ck_assert_int_eq(r->plan->weight, n);
        ck_assert_ptr_null(find(t, 5000 + n));
    }
    ck_assert_uint_eq(route_stats(t).n, 5000);
    ck_assert_uint_eq(route_stats(t).n_evicted, 0);
    routes_free(t);
    routes_free(NULL);
}
END_TEST

/* A newer route takes the place of an older one, which can be read until route_flush(). */
START_TEST(test_route_put_replaces)
{
    struct routes *t = routes_of(1000);
    struct route *old = put(t, 1, 10), *r;

    for (uint32_t gen = 11; gen < 200; gen++) {
        r = put(t, 1, gen);
        ck_assert_ptr_eq(find(t, 1), r);
        ck_assert_uint_eq(r->plan->gen, gen);
        ck_assert_uint_eq(route_stats(t).n, 1);
    }
    ck_assert_uint_eq(old->plan->gen, 10);
    route_flush(t);
    route_flush(t);
    ck_assert_uint_eq(find(t, 1)->plan->gen, 199);
    ck_assert_uint_eq(route_stats(t).n_evicted, 0);
    routes_free(t);
}
END_TEST

/* Keys of up to ROUTE_MAX_KEY bytes are remembered, longer ones are not; empty parts are parts. */
START_TEST(test_route_put_bounds_the_key)
{
    static const struct {
        size_t name_len, suffix_len;
        bool kept;
    } cases[] = {
        {0, 0, true},
        {1, 0, true},
        {0, 1, true},
        {ROUTE_MAX_KEY, 0, true},
        {0, ROUTE_MAX_KEY, true},
        {4000, 96, true},
        {4000, 97, false},
        {ROUTE_MAX_KEY + 1, 0, false},
        {0, 100000, false},
    };
    struct routes *t = routes_of(1000);
    char *bytes = malloc(200000);
    struct route_plan plan = {.gen = 1};
    struct route what = {.cell = &route_nowhere, .plan = &plan};

    memset(bytes, 'x', 200000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice name = slice_of(bytes, cases[i].name_len);
        struct slice suffix = slice_of(bytes + 100000, cases[i].suffix_len);
        struct route_key key = route_key(t, name, suffix);
        struct route *r = route_put(t, &key, &what);

        ck_assert_int_eq(r != NULL, cases[i].kept);
        ck_assert_ptr_eq(route_find(t, &key), r);
    }
    free(bytes);
    routes_free(t);
}
END_TEST

/* Where hashes agree, the bytes decide, and where they are cut. */
START_TEST(test_route_find_compares_bytes)
{
    static const char *const texts[] = {"ab|c", "ab|d", "ba|c"};
    const uint32_t tag = 4096;
    struct routes *t = routes_of(1000);

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned n = 0; n < 3 * 5; n++) {
            struct slice name = slice_of(texts[n / 5], n % 5);
            struct slice suffix = slice_of(texts[n / 5] + n % 5, 4 - n % 5);
            struct route_key key = route_key(t, name, suffix);
            struct route_plan plan = {.gen = n};
            struct route what = {.cell = &route_nowhere, .plan = &plan}, *r;

            key.tag = tag;
            if (round == 0)
                ck_assert_ptr_nonnull(route_put(t, &key, &what));
            r = route_find(t, &key);
            ck_assert_ptr_nonnull(r);
            ck_assert_uint_eq(r->plan->gen, n);
        }
    }
    ck_assert_uint_eq(route_stats(t).n, 15);
    routes_free(t);
}
END_TEST

/* Of each byte of a key of any length, in the name or the suffix. */
START_TEST(test_route_find_compares_every_byte)
{
    struct routes *t = routes_of(1000);
    struct route_plan plan = {.gen = 1};
    struct route what = {.cell = &route_nowhere, .plan = &plan};

    for (size_t len = 1; len < 100; len++) {
        char bytes[200];
        struct route_key key;

        memset(bytes, 'x', sizeof bytes);
        key = route_key(t, slice_of(bytes, len), slice_of(bytes + 100, len));
        ck_assert_ptr_nonnull(route_put(t, &key, &what));
        ck_assert_ptr_nonnull(route_find(t, &key));
        for (size_t i = 0; i < 2 * len; i++) {
            char *byte = &bytes[i < len ? i : 100 + i - len];
            uint32_t tag = key.tag;

            *byte = 'y';
            key = route_key(t, key.name, key.suffix);
            ck_assert_uint_ne(key.tag, tag);
            key.tag = tag;
            ck_assert_ptr_null(route_find(t, &key));
            *byte = 'x';
        }
    }
    routes_free(t);
}
END_TEST

/* Keys longer than any route are found nowhere, not even where a route has their tag and the lower
 * bits of their lengths. */
START_TEST(test_route_find_knows_no_endless_keys)
{
    static char bytes[2 * 65536];
    struct routes *t = routes_of(1000);
    struct route_plan plan = {.gen = 1};
    struct route what = {.cell = &route_nowhere, .plan = &plan};
    struct slice suffix = SLICE_LIT("|c");
    struct route_key key, endless;

    memset(bytes, 'x', sizeof bytes);
    key = route_key(t, slice_of(bytes, 1), suffix);
    endless = route_key(t, slice_of(bytes, 65536 + 1), suffix);
    endless.tag = key.tag;
    ck_assert_ptr_nonnull(route_put(t, &key, &what));
    ck_assert_ptr_nonnull(route_find(t, &key));
    ck_assert_ptr_null(route_find(t, &endless));
    ck_assert_ptr_null(route_put(t, &endless, &what));
    routes_free(t);
}
END_TEST

/* ---- the hash ---- */

#define PLACES_BITS 12u
#define N_PLACES    (1u << PLACES_BITS)

/*
 * Keys that differ in a digit, a length, or where they are cut, go to places as chance would have
 * it: about 16 in each of 4096, with a chi-square within six sigma of its mean. Two tables have
 * keys of their own, so a key has the same tag in both by chance only: one in 2^30.
 */
START_TEST(test_route_hash_spreads)
{
    enum { N = 16 * N_PLACES };
    static const char *const forms[] = {"a.%u|c", "api.requests.count.%07u|ms", "n%u|c|#k:%u",
                                        "a.longer.name.for.the.loop.%u|c|#route:/r/%05u,env:p"};
    struct routes *t = routes_of(1000), *other = NULL;

    ck_assert_int_eq(routes_new(&other, SEED + 1, 1000), 0);
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        unsigned counts[N_PLACES] = {0}, n_same = 0;
        double chi = 0;

        for (unsigned i = 0; i < N; i++) {
            char text[128];
            int len = snprintf(text, sizeof text, forms[f], i, i % 100);
            struct slice line = slice_of(text, (size_t)len);
            size_t cut = slice_find(line, '|');
            struct route_key key = route_key(t, slice_of(text, cut), slice_from(line, cut));

            ck_assert_uint_eq(key.tag & ROUTE_HEAT, 0);
            ck_assert_uint_ne(key.tag, 0);
            n_same += key.tag == route_key(other, key.name, key.suffix).tag;
            n_same +=
                key.tag == route_key(t, slice_of(text, cut + 1), slice_from(line, cut + 1)).tag;
            counts[route_home(key.tag, PLACES_BITS)]++;
        }
        ck_assert_uint_le(n_same, 1);
        for (unsigned i = 0; i < N_PLACES; i++)
            chi += (counts[i] - 16.0) * (counts[i] - 16.0) / 16.0;
        ck_assert_msg(chi > 4095 - 6 * 90.5 && chi < 4095 + 6 * 90.5, "%s: %g", forms[f], chi);
    }
    routes_free(t);
    routes_free(other);
}
END_TEST

/* A line's marks are those of a plain loop, whatever the heat, and an empty place has none. */
START_TEST(test_route_marks_agree)
{
    struct route_line line = {.tags = {0}};

    srandom(12);
    for (unsigned step = 0; step < 100000; step++) {
        uint32_t tag = (uint32_t)(1 + random() % 3) << 2 << random() % 28;

        line.tags[random() % ROUTE_LINE] = random() % 4 ? tag | (uint32_t)(random() % 4) : 0;
        ck_assert_uint_eq(route_marks(&line, tag), route_marks_portable(&line, tag));
        for (unsigned i = 0; i < ROUTE_LINE; i++)
            ck_assert_int_eq(route_marks(&line, tag) >> i & 1,
                             (line.tags[i] & ~ROUTE_HEAT) == tag && line.tags[i] != 0);
    }
}
END_TEST

/* ---- plans ---- */

static struct route *put_plan(struct routes *t, unsigned n, const struct route_plan *plan)
{
    struct key k;
    struct route_key key;
    struct route_plan copy = *plan;

    key_init(&k, n);
    key = route_key(t, k.name, k.suffix);
    return route_put(t, &key, &(struct route){.cell = &route_nowhere, .plan = &copy});
}

/* Routes that say the same have one plan, others have their own; the last route takes it along. */
START_TEST(test_route_plans_are_shared)
{
    const struct route_plan says[] = {
        {.gen = 1},
        {.gen = 2},
        {.gen = 1, .op = 1},
        {.gen = 1, .weight = 5},
        {.gen = 1, .scale = 2},
        {.gen = 1, .n_rate_errors = 3},
    };
    enum { N = sizeof says / sizeof says[0] };
    struct routes *t = routes_of(10000);

    for (unsigned n = 0; n < 100 * N; n++)
        ck_assert_ptr_nonnull(put_plan(t, n, &says[n % N]));
    ck_assert_uint_eq(t->plans.table.n, N);
    for (unsigned n = N; n < 100 * N; n++)
        ck_assert_ptr_eq(find(t, n)->plan, find(t, n - N)->plan);
    ck_assert_uint_eq(find(t, 0)->plan->n_routes, 100);
    for (unsigned n = 0; n < 100 * N; n++)
        ck_assert_ptr_nonnull(put_plan(t, n, &says[0]));
    /* Until then who holds a route that was replaced may look at its plan. */
    ck_assert_uint_eq(t->plans.table.n, N);
    route_flush(t);
    ck_assert_uint_eq(t->plans.table.n, 1);
    routes_free(t);
}
END_TEST

/* ---- full ---- */

/* Every number of identities fits a table of that many, up to the luck of short windows. */
START_TEST(test_route_put_past_the_limit_evicts)
{
    struct routes *t = routes_of(2048);

    for (unsigned n = 0; n < 50000; n++) {
        ck_assert_ptr_nonnull(put(t, n, n));
        ck_assert_ptr_nonnull(find(t, n));
        ck_assert_uint_le(route_stats(t).n, 2048 + BEYOND);
        if (n % 1000 == 0)
            route_flush(t);
    }
    ck_assert_uint_eq(route_stats(t).n + route_stats(t).n_evicted, 50000);
    ck_assert_uint_gt(route_stats(t).n, 2048 / 2);
    routes_free(t);
}
END_TEST

/* A flood of identities that come once evicts itself, not those that are met again and again. */
START_TEST(test_route_flood_does_not_evict_the_hot)
{
    enum { N_HOT = 10000, N_FLOOD = 1000000 };
    struct routes *t = routes_of(32768);
    unsigned n_lost = 0;

    for (unsigned round = 0; round < 2; round++)
        for (unsigned n = 0; n < N_HOT; n++)
            if (find(t, n) == NULL)
                ck_assert_ptr_nonnull(put(t, n, 1));
    for (unsigned n = 0; n < N_FLOOD; n++) {
        (void)put(t, N_HOT + n, 2);
        if (n % 16 == 0)
            n_lost += find(t, n / 16 % N_HOT) == NULL;
        if (n % 64 == 0)
            route_flush(t);
        if (n % 4096 == 0)
            routes_age(t);
    }
    for (unsigned n = 0; n < N_HOT; n++)
        n_lost += find(t, n) == NULL;
    ck_assert_uint_eq(n_lost, 0);
    ck_assert_uint_le(route_stats(t).n, 32768 + BEYOND);
    routes_free(t);
}
END_TEST

/* Not even when the flood's keys are so long that bytes, not places, are the limit. */
START_TEST(test_route_flood_of_long_keys_keeps_to_its_bytes)
{
    enum { N_HOT = 500, N_FLOOD = 10000 };
    struct routes *t = routes_of(4096);
    uint64_t max_bytes = 4096 * (uint64_t)ROUTE_MEAN_BYTES;
    char bytes[ROUTE_MAX_KEY];
    struct route_plan plan = {.gen = 1};
    struct route what = {.cell = &route_nowhere, .plan = &plan};
    unsigned n_lost = 0;

    memset(bytes, 'x', sizeof bytes);
    for (unsigned n = 0; n < N_HOT; n++) {
        (void)put(t, n, 1);
        ck_assert_ptr_nonnull(find(t, n));
    }
    for (unsigned n = 0; n < N_FLOOD; n++) {
        struct slice name = slice_of(bytes, sizeof bytes), none = slice_of(bytes, 0);
        struct route_key key;

        memcpy(bytes, &n, sizeof n);
        key = route_key(t, name, none);
        ck_assert_ptr_nonnull(route_put(t, &key, &what));
        n_lost += find(t, n % N_HOT) == NULL;
        ck_assert_uint_le(route_stats(t).n_bytes, max_bytes + (4096 + 512) * 16);
        route_flush(t);
    }
    ck_assert_uint_eq(n_lost, 0);
    ck_assert_uint_gt(route_stats(t).n_evicted, N_FLOOD / 2);
    routes_free(t);
}
END_TEST

/* ---- age ---- */

/* One round of routes_age() goes all round the table. */
static void age_rounds(struct routes *t, unsigned rounds)
{
    for (unsigned i = 0; i < rounds * 560; i++)
        routes_age(t);
}

/* What is met in every round stays; what was met once goes in two, what was hot in five. */
START_TEST(test_route_age_forgets)
{
    enum { N = 3000 };
    struct routes *t = routes_of(8192);
    struct route_stats stats;

    for (unsigned n = 0; n < N; n++) {
        (void)put(t, n, 1);
        if (n % 3 > 0)
            ck_assert_ptr_nonnull(find(t, n));
    }
    for (unsigned round = 0; round < 5; round++) {
        age_rounds(t, 1);
        for (unsigned n = 1; n < N; n += 3)
            ck_assert_ptr_nonnull(find(t, n));
        if (round == 1)
            for (unsigned n = 0; n < N; n += 3)
                ck_assert_ptr_null(find(t, n));
    }
    for (unsigned n = 2; n < N; n += 3)
        ck_assert_ptr_null(find(t, n));
    ck_assert_uint_eq(route_stats(t).n, N / 3);
    ck_assert_uint_eq(route_stats(t).n_evicted, 0);
    age_rounds(t, 12);
    stats = route_stats(t);
    ck_assert_uint_eq(stats.n, 0);
    routes_free(t);
}
END_TEST

/* What was met once is known for a round, wherever age stands in the table. */
START_TEST(test_route_age_leaves_a_round)
{
    enum { N = 3000, ROUND = 512 }; /* steps, but for the places beyond the last home */
    struct routes *t = routes_of(8192);

    for (unsigned start = 0; start < 5; start++) {
        for (unsigned n = 0; n < N; n++)
            (void)put(t, n, 1);
        for (unsigned i = 0; i < ROUND; i++)
            routes_age(t);
        ck_assert_uint_eq(route_stats(t).n, N);
        age_rounds(t, 1);
        ck_assert_uint_eq(route_stats(t).n, 0);
        route_flush(t);
        for (unsigned i = 0; i < 100; i++)
            routes_age(t);
    }
    routes_free(t);
}
END_TEST

/* A table that was large and is nearly empty becomes small again, and loses nothing that is met. */
START_TEST(test_route_age_gives_memory_back)
{
    struct routes *t = routes_of(65536);
    uint64_t n_bytes;

    for (unsigned n = 0; n < 36000; n++)
        (void)put(t, n, 1);
    n_bytes = route_stats(t).n_bytes;
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned n = 0; n < 100; n++)
            ck_assert_ptr_nonnull(find(t, n));
        age_rounds(t, 1);
        route_flush(t);
    }
    ck_assert_uint_eq(route_stats(t).n, 100);
    ck_assert_uint_lt(route_stats(t).n_bytes, n_bytes / 50);
    routes_free(t);
}
END_TEST

/* Names that come and go for ever leave nothing behind, and do not make the table forget the
 * rest. */
START_TEST(test_route_churn_leaves_nothing)
{
    struct routes *t = routes_of(65536);
    uint64_t n_max = 0;

    for (unsigned n = 0; n < 200; n++)
        (void)put(t, n, 1);
    for (unsigned step = 0; step < 20 * 560; step++) {
        for (unsigned i = 0; i < 5; i++)
            (void)put(t, 1000 + step * 5 + i, 2);
        if (step % 100 == 0)
            for (unsigned n = 0; n < 200; n++)
                ck_assert_ptr_nonnull(find(t, n));
        routes_age(t);
        route_flush(t);
        n_max = route_stats(t).n > n_max ? route_stats(t).n : n_max;
    }
    /* Five a step live for one to two rounds; a full window is the rare exception. */
    ck_assert_uint_le(n_max, 200 + 2 * 5 * 600);
    ck_assert_uint_le(route_stats(t).n_evicted, 10);
    routes_free(t);
}
END_TEST

/* A table that is tidied up grows older from where it was: each place waits one round for its turn,
 * so there are as many routes as come in one and a half, at any time. */
START_TEST(test_route_age_goes_on_where_it_was)
{
    struct routes *t = routes_of(65536);
    uint64_t n_max = 0, n_resizes = 0;

    for (unsigned step = 0; step < 60 * 512; step++) {
        for (unsigned i = 0; i < 5; i++)
            (void)put(t, step * 5 + i, 1);
        routes_age(t);
        route_flush(t);
        if (step == 5 * 512)
            n_resizes = t->n_resizes;
        if (step > 5 * 512 && t->n > n_max)
            n_max = t->n;
    }
    ck_assert_uint_gt(t->n_resizes, n_resizes + 2);
    ck_assert_uint_le(n_max, 5 * 512 * 3 / 2 * 21 / 20);
    routes_free(t);
}
END_TEST

/* Age goes on in the table, wherever it stood when that grew: also in the last windows' places. */
START_TEST(test_route_age_stays_in_a_table_that_grows)
{
    for (unsigned n_steps = 512; n_steps < 512 + BEYOND; n_steps++) {
        struct routes *t = routes_of(8192);
        unsigned n = 0;

        for (unsigned i = 0; i < n_steps; i++)
            routes_age(t);
        while (t->n_resizes == 0)
            (void)put(t, n++, 1);
        ck_assert_uint_lt(t->hand, (UINT64_C(8) << t->bits) + BEYOND);
        routes_age(t);
        ck_assert_uint_eq(route_stats(t).n, n);
        routes_free(t);
    }
}
END_TEST

/* ---- all together ---- */

/* While nothing is evicted, the table answers as a plain array does. */
START_TEST(test_route_agrees_with_an_array)
{
    enum { N = 6000 };
    static uint32_t want[N];
    struct routes *t = routes_of(65536);
    uint64_t n = 0;

    srandom(10);
    memset(want, 0, sizeof want);
    for (uint32_t step = 1; step < 200000; step++) {
        unsigned i = (unsigned)(random() % (1 + step / 20 % N));
        struct route *r = find(t, i);

        ck_assert_uint_eq(r != NULL ? r->plan->gen : 0, want[i]);
        if (step % 3 != 0) {
            n += want[i] == 0;
            want[i] = step;
            ck_assert_ptr_nonnull(put(t, i, step));
        }
        if (step % 64 == 0)
            route_flush(t);
        ck_assert_uint_eq(route_stats(t).n, n);
    }
    ck_assert_uint_eq(route_stats(t).n_evicted, 0);
    routes_free(t);
}
END_TEST

/* With evictions and ageing in any order: what is found is the newest that was put in. */
START_TEST(test_route_never_finds_the_wrong_one)
{
    enum { N = 20000 };
    static uint32_t newest[N];
    struct routes *t = routes_of(1024);

    srandom(11);
    memset(newest, 0, sizeof newest);
    for (uint32_t step = 1; step < 300000; step++) {
        unsigned i = (unsigned)(random() % (random() % 2 ? 600 : N));
        struct route *r = find(t, i);

        ck_assert(r == NULL || (r->plan->gen == newest[i] && r->plan->weight == i));
        if (r == NULL || random() % 20 == 0) {
            newest[i] = step;
            r = put(t, i, step);
            ck_assert_ptr_eq(find(t, i), r);
        }
        if (random() % 3 == 0)
            routes_age(t);
        if (step % 64 == 0)
            route_flush(t);
    }
    ck_assert_uint_le(route_stats(t).n, 1024 + BEYOND);
    routes_free(t);
}
END_TEST

/* A walk in small steps meets each route once, whatever is put in their place meanwhile; what it
 * renews keeps its key. */
START_TEST(test_route_walk_meets_all)
{
    struct routes *t = routes_of(100000);
    struct route_walk walk = {0};
    unsigned char met[3000] = {0};
    unsigned n_met = 0;

    for (unsigned n = 0; n < 3000; n++)
        put(t, n, 1);
    for (unsigned steps = 0; !route_walk_ended(t, &walk); steps++) {
        uint64_t n_places = 37;
        struct route *r;

        while ((r = route_walk_next(t, &walk, &n_places)) != NULL) {
            struct route_plan plan = {.gen = 2, .weight = r->plan->weight};
            struct route now = {.cell = &route_nowhere, .plan = &plan};

            n_met++;
            met[r->plan->weight]++;
            route_renew(t, r, &now);
        }
        ck_assert_uint_eq(n_places, route_walk_ended(t, &walk) ? n_places : 0);
        put(t, steps % 3000, 3);
        route_flush(t);
        ck_assert_uint_lt(steps, 1000);
    }
    ck_assert_uint_eq(n_met, 3000);
    for (unsigned n = 0; n < 3000; n++) {
        ck_assert_uint_eq(met[n], 1);
        ck_assert_uint_ge(find(t, n)->plan->gen, 2);
    }
    routes_free(t);
}
END_TEST

/* A table that grew puts its routes elsewhere: the walk begins anew. */
START_TEST(test_route_walk_begins_anew)
{
    struct routes *t = routes_of(100000);
    struct route_walk walk = {0};
    unsigned n_met = 0;
    uint64_t n_places = 300;

    for (unsigned n = 0; n < 200; n++)
        put(t, n, 1);
    while (route_walk_next(t, &walk, &n_places) != NULL)
        continue;
    for (unsigned n = 200; n < 2000; n++)
        put(t, n, 1);
    ck_assert(!route_walk_ended(t, &walk));
    n_places = 100000;
    while (route_walk_next(t, &walk, &n_places) != NULL)
        n_met++;
    ck_assert(route_walk_ended(t, &walk));
    ck_assert_uint_eq(n_met, route_stats(t).n);
    routes_free(t);
}
END_TEST

static void add_full(Suite *s)
{
    TCase *full = tcase_create("full");

    tcase_set_timeout(full, 30);
    tcase_add_test(full, test_route_put_past_the_limit_evicts);
    tcase_add_test(full, test_route_flood_does_not_evict_the_hot);
    tcase_add_test(full, test_route_flood_of_long_keys_keeps_to_its_bytes);
    suite_add_tcase(s, full);
}

static Suite *suite(void)
{
    Suite *s = suite_create("route");
    TCase *put_case = tcase_create("put"), *age = tcase_create("age");
    TCase *together = tcase_create("together"), *walk = tcase_create("walk");

    tcase_add_test(put_case, test_route_put_then_find);
    tcase_add_test(put_case, test_route_put_replaces);
    tcase_add_test(put_case, test_route_put_bounds_the_key);
    tcase_add_test(put_case, test_route_find_compares_bytes);
    tcase_add_test(put_case, test_route_find_compares_every_byte);
    tcase_add_test(put_case, test_route_find_knows_no_endless_keys);
    tcase_add_test(put_case, test_route_hash_spreads);
    tcase_add_test(put_case, test_route_marks_agree);
    tcase_add_test(put_case, test_route_plans_are_shared);
    suite_add_tcase(s, put_case);
    add_full(s);
    tcase_add_test(walk, test_route_walk_meets_all);
    tcase_add_test(walk, test_route_walk_begins_anew);
    suite_add_tcase(s, walk);
    tcase_add_test(age, test_route_age_forgets);
    tcase_add_test(age, test_route_age_leaves_a_round);
    tcase_add_test(age, test_route_age_gives_memory_back);
    tcase_add_test(age, test_route_churn_leaves_nothing);
    tcase_add_test(age, test_route_age_goes_on_where_it_was);
    tcase_add_test(age, test_route_age_stays_in_a_table_that_grows);
    suite_add_tcase(s, age);
    tcase_add_test(together, test_route_agrees_with_an_array);
    tcase_add_test(together, test_route_never_finds_the_wrong_one);
    suite_add_tcase(s, together);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
