/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry: who may be born under which name, in which order they stand, and that memory comes back
 */
#include "store/cell_write.h"
#include "store/series.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/unit.h"
#include "store/family.h"
#include "unit/store/world.h"

/* ---- births ---- */

/* A series is absent until it is acquired; each worker has to acquire it once, and writes to a cell
 * of its own; gauges have one cell for all. */
START_TEST(test_registry_acquire_then_find)
{
    enum metric_type type = (enum metric_type)_i;
    struct born a = {.name = "a", .type = type, .n_bounds = 2}, b = a;
    struct series_ref ref, again, other;
    struct world w;

    b.worker = 1;
    world_init(&w, 10);
    ck_assert_int_eq(find(&w, &a, &ref), SERIES_E_ABSENT);
    ref = must_acquire(&w, &a);
    ck_assert_int_eq(ref.shape->type, type);
    ck_assert_int_eq(find(&w, &a, &again), 0);
    ck_assert_ptr_eq(again.cell, ref.cell);
    ck_assert_ptr_eq(again.shape, ref.shape);
    ck_assert_uint_eq(again.birth, ref.birth);
    again = must_acquire(&w, &a);
    ck_assert_ptr_eq(again.cell, ref.cell);
    ck_assert_int_eq(find(&w, &b, &other), type == METRIC_GAUGE ? 0 : SERIES_E_ABSENT);
    other = must_acquire(&w, &b);
    ck_assert_int_eq(other.cell == ref.cell, type == METRIC_GAUGE);
    ck_assert_uint_eq(other.birth, ref.birth);
    ck_assert_int_eq(find(&w, &b, &again), 0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_alive[type]), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[type]), 1);
    world_release(&w);
}
END_TEST

/* Name and labels together are the identity: not their bytes run together, not one of them. */
START_TEST(test_registry_identity_is_name_and_labels)
{
    static const struct born series[] = {
        {"a", "", "", .type = METRIC_COUNTER},
        {"ab", "", "", .type = METRIC_COUNTER},
        {"a", "b=\"1\"", "b,", .type = METRIC_COUNTER},
        {"a", "b=\"2\"", "b,", .type = METRIC_COUNTER},
        {"ab", "b=\"1\"", "b,", .type = METRIC_COUNTER},
        {"a", "b=\"1\",c=\"1\"", "b,c,", .type = METRIC_COUNTER},
        {"a", "b=\"1,c=\\\"1\"", "b,", .type = METRIC_COUNTER},
        {"ab=\"1\"", "", "", .type = METRIC_COUNTER},
    };
    enum { N = sizeof series / sizeof series[0] };
    struct world w;

    world_init(&w, N);
    for (unsigned i = 0; i < N; i++)
        cell_add(must_acquire(&w, &series[i]).cell, i + 1, time_of(&w));
    for (unsigned i = 0; i < N; i++)
        ck_assert_double_eq(value_of(&w, &series[i]), i + 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), N);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_COUNTER]), 6);
    world_release(&w);
}
END_TEST

/* A name has one type: whichever comes second is refused, with any labels, until the first is
 * gone. */
START_TEST(test_registry_type_conflicts)
{
    enum metric_type first = (enum metric_type)(_i / METRIC_N_TYPES);
    enum metric_type second = (enum metric_type)(_i % METRIC_N_TYPES);
    struct born a = {.name = "a", .type = first, .ttl = TTL}, b = {.name = "a", .type = second};
    struct born c = {"a", "x=\"1\"", "x,", .type = second};
    struct series_ref ref;
    struct world w;

    world_init(&w, 10);
    (void)must_acquire(&w, &a);
    b.ttl = TTL;
    ck_assert_int_eq(find(&w, &b, &ref), first == second ? 0 : SERIES_E_ABSENT);
    ck_assert_int_eq(acquire(&w, &b, &ref), first == second ? 0 : SERIES_E_TYPE);
    c.ttl = TTL;
    ck_assert_int_eq(acquire(&w, &c, &ref), first == second ? 0 : SERIES_E_TYPE);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), first == second ? 2 : 1);
    expire_all(&w);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), 0);
    ck_assert_int_eq(acquire(&w, &c, &ref), 0);
    ck_assert_int_eq(acquire(&w, &a, &ref), first == second ? 0 : SERIES_E_TYPE);
    world_release(&w);
}
END_TEST

/* The names that histograms and summaries use on the page are theirs, whichever came first; a name
 * that was refused leaves nothing behind. */
START_TEST(test_registry_suffix_conflicts)
{
    static const char *const suffixed[] = {"a_bucket", "a_sum", "a_count", "a_total", "a_bucket_x"};
    enum metric_type base = (enum metric_type)(_i / METRIC_N_TYPES);
    enum metric_type other = (enum metric_type)(_i % METRIC_N_TYPES);

    for (unsigned i = 0; i < 5; i++) {
        bool clash =
            (base == METRIC_HISTOGRAM && i < 3) || (base == METRIC_SUMMARY && (i == 1 || i == 2));
        struct born a = {.name = "a", .type = base, .ttl = TTL};
        struct born b = {.name = suffixed[i], .type = other, .ttl = TTL};

        for (unsigned order = 0; order < 2; order++) {
            struct series_ref ref;
            struct world w;

            world_init(&w, 10);
            (void)must_acquire(&w, order == 0 ? &a : &b);
            ck_assert_int_eq(acquire(&w, order == 0 ? &b : &a, &ref), clash ? SERIES_E_SUFFIX : 0);
            if (clash)
                ck_assert_ptr_null(family_find(&w.r, slice_str(order == 0 ? b.name : a.name)));
            expire_all(&w);
            ck_assert_int_eq(acquire(&w, order == 0 ? &b : &a, &ref), 0);
            world_release(&w);
        }
    }
}
END_TEST

/* Reserved names take only our own series, in families that are to hold them; those count nowhere
 * and are born past the limit. */
START_TEST(test_registry_reserved_names)
{
    static const struct {
        const char *name;
        bool internal;
        int want;
    } cases[] = {
        {"own_page", false, SERIES_E_RESERVED},   {"own_page", true, SERIES_E_RESERVED},
        {"own_series", false, SERIES_E_RESERVED}, {"own_series", true, 0},
        {"own_series", false, SERIES_E_RESERVED}, {"own", false, 0},
        {"own_series_2", false, SERIES_E_LIMIT},
    };
    struct world w;

    world_init(&w, 1);
    ck_assert_int_eq(registry_reserve(&w.r, SLICE_LIT("own_page"), SLICE_LIT("h"), false), 0);
    ck_assert_int_eq(registry_reserve(&w.r, SLICE_LIT("own_series"), SLICE_LIT("h"), true), 0);
    ck_assert_int_eq(registry_reserve(&w.r, SLICE_LIT("own_series"), SLICE_LIT("h"), true), 0);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct born b = {.name = cases[i].name, .internal = cases[i].internal};
        struct series_ref ref;

        ck_assert_int_eq(acquire(&w, &b, &ref), cases[i].want);
    }
    ck_assert_int_eq(acquire(&w, &(struct born){"own_series", "a=\"1\"", "a,", .internal = true},
                             &(struct series_ref){0}),
                     0);
    ck_assert_uint_eq(relaxed_load(&w.r.n_series), 1);
    ck_assert_uint_eq(relaxed_load(&w.r.n_internal), 2);
    ck_assert_uint_eq(relaxed_load(&w.r.n_born), 1);
    world_release(&w);
}
END_TEST

/* At the limit nothing new is born, what is there goes on, and no trace is left of what was
 * refused; what expires makes room. */
START_TEST(test_registry_limit)
{
    static const struct born few[] = {{.name = "a", .ttl = TTL}, {.name = "b", .ttl = TTL}};
    static const struct born more[] = {{"c", NULL, NULL, .type = METRIC_GAUGE},
                                       {"a", "x=\"1\"", "x,", .type = METRIC_COUNTER}};
    struct series_ref ref;
    struct world w;

    world_init(&w, 2);
    for (unsigned i = 0; i < 2; i++)
        (void)must_acquire(&w, &few[i]);
    for (unsigned i = 0; i < 2; i++) {
        struct born second = few[i];

        ck_assert_int_eq(find(&w, &more[i], &ref), SERIES_E_LIMIT);
        ck_assert_int_eq(acquire(&w, &more[i], &ref), SERIES_E_LIMIT);
        ck_assert_int_eq(find(&w, &few[i], &ref), 0);
        second.worker = 1;
        ck_assert_int_eq(find(&w, &second, &ref), SERIES_E_ABSENT);
        (void)must_acquire(&w, &second);
    }
    ck_assert_ptr_null(family_find(&w.r, SLICE_LIT("c")));
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_COUNTER]), 2);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_GAUGE]), 0);
    expire_all(&w);
    for (unsigned i = 0; i < 2; i++)
        (void)must_acquire(&w, &more[i]);
    ck_assert_int_eq(find(&w, &few[0], &ref), SERIES_E_LIMIT);
    world_release(&w);
}
END_TEST

/* All series of a family with the same label names are kept as the first of them; those with other
 * label names as theirs. When the last is gone, the next decides anew. */
START_TEST(test_registry_vector_keeps_its_first_shape)
{
    static const struct born series[] = {
        {"h", "a=\"1\"", "a,", METRIC_HISTOGRAM, 2, .ttl = TTL},
        {"h", "a=\"2\"", "a,", METRIC_HISTOGRAM, 3, .ttl = TTL},
        {"h", "b=\"1\"", "b,", METRIC_HISTOGRAM, 3, .ttl = TTL},
        {"h", "a=\"1\",b=\"1\"", "a,b,", METRIC_HISTOGRAM, 4, .ttl = TTL},
        {"h", "a=\"3\"", "a,", METRIC_HISTOGRAM, 4, .ttl = TTL},
    };
    static const unsigned want[] = {2, 2, 3, 4, 2};
    struct world w;

    world_init(&w, 10);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(must_acquire(&w, &series[i]).shape->n_points, want[i]);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_HISTOGRAM]), 3);
    expire_all(&w);
    ck_assert_uint_eq(relaxed_load(&w.r.n_vectors[METRIC_HISTOGRAM]), 0);
    ck_assert_uint_eq(must_acquire(&w, &series[1]).shape->n_points, 3);
    world_release(&w);
}
END_TEST

/* ---- order ---- */

/* Families come in name order, whenever and in whatever order they were born; each once; those gone
 * are out. */
START_TEST(test_registry_sort_by_name)
{
    enum { N = 500 };
    char name[16];
    struct world w;

    srandom(12);
    world_init(&w, 2 * N);
    for (unsigned i = 0; i < N; i++) {
        unsigned n = i * 211 % N;
        struct born b = {.name = name, .ttl = n % 3 == 0 ? TTL : 0};

        (void)snprintf(name, sizeof name, "n%u", n);
        (void)must_acquire(&w, &b);
        (void)must_acquire(&w, &(struct born){name, "a=\"1\"", "a,", .ttl = b.ttl});
        if (random() % 20 != 0)
            continue;
        ck_assert_int_eq(registry_sort(&w.r), 0);
        ck_assert_uint_eq(w.r.n_sorted, i + 1);
    }
    for (unsigned round = 0; round < 2; round++) {
        ck_assert_int_eq(registry_sort(&w.r), 0);
        ck_assert_uint_eq(w.r.n_sorted, round == 0 ? N : N - (N + 2) / 3);
        for (size_t i = 1; i < w.r.n_sorted; i++)
            ck_assert_int_lt(slice_cmp(family_name(w.r.sorted[i - 1]), family_name(w.r.sorted[i])),
                             0);
        expire_all(&w);
    }
    world_release(&w);
}
END_TEST

/* ---- memory ---- */

static void counters(struct world *w, unsigned from, unsigned to, uint32_t ttl)
{
    for (unsigned n = from; n < to; n++) {
        char labels[32];
        struct born b = {"many", labels, "n,", .ttl = ttl};

        (void)snprintf(labels, sizeof labels, "n=\"%u\"", n);
        cell_add(must_acquire(w, &b).cell, n, time_of(w));
    }
}

static void check_counters(struct world *w, unsigned from, unsigned to, bool alive)
{
    for (unsigned n = from; n < to; n++) {
        char labels[32];
        struct born b = {"many", labels, "n,", .ttl = 0};

        (void)snprintf(labels, sizeof labels, "n=\"%u\"", n);
        ck_assert_double_eq(value_of(w, &b), alive ? (double)n : -1);
    }
}

/* Entries of the family's list that are not gone, which must be in order of birth. */
static unsigned list_length(struct world *w, const struct family *f)
{
    const struct series_list *list = atomic_load(&f->list);
    uint64_t order = 0;
    unsigned n = 0;

    for (uint32_t i = 0; i < relaxed_load(&list->n); i++) {
        uint32_t ref = relaxed_load(&list->entries[i]);
        const struct series *s;

        if (ref == 0)
            continue;
        s = series_at(&w->r, ref);
        ck_assert_uint_eq(s->place, i);
        ck_assert_uint_gt(s->order, order);
        order = s->order;
        n++;
    }
    return n;
}

/* All of many series are found while the index grows, and the gone ones are not. */
START_TEST(test_registry_index_grows)
{
    struct world w;

    world_init(&w, 100000);
    for (unsigned n = 0; n < 8000; n += 1000) {
        counters(&w, n, n + 1000, n % 2000 == 0 ? TTL : 0);
        check_counters(&w, 0, n + 1000, true);
    }
    expire_all(&w);
    for (unsigned n = 0; n < 8000; n += 1000)
        check_counters(&w, n, n + 1000, n % 2000 != 0);
    ck_assert_uint_eq(list_length(&w, family_find(&w.r, SLICE_LIT("many"))), 4000);
    world_release(&w);
}
END_TEST

/* Families with the same help hold one copy, until the last of them is gone. */
START_TEST(test_registry_help_is_shared)
{
    struct born a = {.name = "a", .ttl = TTL}, b = {.name = "b", .ttl = 10 * TTL};
    const struct family *f, *g, *other;
    struct world w;

    world_init(&w, 10);
    ck_assert_int_eq(registry_reserve(&w.r, SLICE_LIT("c"), SLICE_LIT("other"), true), 0);
    (void)must_acquire(&w, &a);
    (void)must_acquire(&w, &b);
    f = family_find(&w.r, SLICE_LIT("a"));
    g = family_find(&w.r, SLICE_LIT("b"));
    other = family_find(&w.r, SLICE_LIT("c"));
    ck_assert_ptr_eq(f->help, g->help);
    ck_assert(slice_eq_str(family_help(g), "help"));
    ck_assert(slice_eq_str(family_help(other), "other"));
    expire_all(&w);
    ck_assert_ptr_null(family_find(&w.r, SLICE_LIT("a")));
    ck_assert(slice_eq_str(family_help(g), "help"));
    for (unsigned i = 0; i < 10; i++)
        expire_all(&w);
    ck_assert_uint_eq(w.r.helps.n, 1);
    ck_assert(slice_eq_str(family_help(other), "other"));
    world_release(&w);
}
END_TEST

/* A list whose entries are mostly gone is made anew: shorter, in the same order. */
START_TEST(test_registry_list_compacts)
{
    const struct family *f;
    struct world w;

    world_init(&w, 10000);
    for (unsigned n = 0; n < 1000; n += 10) {
        counters(&w, n, n + 1, 0);
        counters(&w, n + 1, n + 10, TTL);
    }
    f = family_find(&w.r, SLICE_LIT("many"));
    ck_assert_uint_eq(f->n_compactions, 0);
    expire_all(&w);
    ck_assert_uint_ge(f->n_compactions, 1);
    ck_assert_uint_eq(list_length(&w, f), 100);
    ck_assert_uint_lt(atomic_load(&f->list)->cap, 500);
    counters(&w, 2000, 2100, TTL);
    ck_assert_uint_eq(list_length(&w, f), 200);
    for (unsigned n = 0; n < 1000; n += 10)
        check_counters(&w, n, n + 1, true);
    expire_all(&w);
    ck_assert_uint_eq(list_length(&w, f), 100);
    world_release(&w);
}
END_TEST

/* Names that come and go for ever need no more memory than those of two rounds. */
START_TEST(test_registry_churn_gives_memory_back)
{
    size_t index_bytes = 0, pool_bytes = 0;
    struct world w;

    world_init(&w, 100000);
    for (unsigned round = 0; round < 15; round++) {
        counters(&w, round * 1000, round * 1000 + 1000, TTL);
        if (round == 2) {
            index_bytes = malloc_usable_size(atomic_load(&w.r.index));
            pool_bytes = w.r.pools[0].n_bytes;
        }
        if (round > 2) {
            ck_assert_uint_le(malloc_usable_size(atomic_load(&w.r.index)), index_bytes);
            ck_assert_uint_eq(w.r.pools[0].n_bytes, pool_bytes);
        }
        expire_all(&w);
        ck_assert_uint_eq(relaxed_load(&w.r.n_series), 0);
        ck_assert_uint_eq(w.r.families.n, 0);
        ck_assert_uint_eq(w.r.vectors.n, 0);
        ck_assert_uint_eq(w.r.helps.n, 0);
        ck_assert_uint_eq(w.r.slab.n_bytes, 0);
    }
    ck_assert_ptr_null(w.r.outgrown);
    ck_assert_ptr_null(w.reclaim.oldest);
    world_release(&w);
}
END_TEST

/* An index that was large becomes small again with the births that follow. */
START_TEST(test_registry_index_shrinks)
{
    struct world w;
    size_t large;

    world_init(&w, 100000);
    counters(&w, 0, 20000, TTL);
    large = malloc_usable_size(atomic_load(&w.r.index));
    expire_all(&w);
    for (unsigned round = 0; round < 40; round++) {
        counters(&w, 100000 + 1000 * round, 101000 + 1000 * round, TTL);
        expire_all(&w);
    }
    ck_assert_uint_lt(malloc_usable_size(atomic_load(&w.r.index)), large / 4);
    world_release(&w);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("registry");
    TCase *births = tcase_create("births"), *order = tcase_create("order");
    TCase *memory = tcase_create("memory");

    tcase_add_loop_test(births, test_registry_acquire_then_find, 0, METRIC_N_TYPES);
    tcase_add_test(births, test_registry_identity_is_name_and_labels);
    tcase_add_loop_test(births, test_registry_type_conflicts, 0, METRIC_N_TYPES * METRIC_N_TYPES);
    tcase_add_loop_test(births, test_registry_suffix_conflicts, 0, METRIC_N_TYPES * METRIC_N_TYPES);
    tcase_add_test(births, test_registry_reserved_names);
    tcase_add_test(births, test_registry_limit);
    tcase_add_test(births, test_registry_vector_keeps_its_first_shape);
    suite_add_tcase(s, births);
    tcase_add_test(order, test_registry_sort_by_name);
    suite_add_tcase(s, order);
    tcase_set_timeout(memory, 30);
    tcase_add_test(memory, test_registry_index_grows);
    tcase_add_test(memory, test_registry_help_is_shared);
    tcase_add_test(memory, test_registry_list_compacts);
    tcase_add_test(memory, test_registry_churn_gives_memory_back);
    tcase_add_test(memory, test_registry_index_shrinks);
    suite_add_tcase(s, memory);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
