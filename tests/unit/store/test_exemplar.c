/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exemplars: the newest of each key, whole, and only of that key; the oldest make room
 *
 * That copies are whole while they are written is tested by tests/threads/test_exemplar_race.c.
 */
#include "store/exemplar.h"

#include <stdio.h>
#include <string.h>

#include "lib/unit.h"

#define ROOM 4096u /* exemplars that a store holds */

static struct exemplars *store_new(void)
{
    struct exemplars *e = NULL;

    ck_assert_int_eq(exemplars_new(&e), 0);
    ck_assert_ptr_nonnull(e);
    return e;
}

/* A key out of four numbers; its pointers are never followed. */
static struct exemplar_key key_of(size_t cell, size_t shape, uint32_t birth, uint32_t slot)
{
    return (struct exemplar_key){(const struct cell *)(cell * 32), (const struct shape *)shape,
                                 birth, slot};
}

static void put(struct exemplars *e, struct exemplar_key key, double value, const char *labels)
{
    exemplar_put(e, &key, &(struct exemplar){value, (int64_t)value, slice_str(labels)});
}

/* What @key has: "labels value time", or "". */
static const char *told(const struct exemplars *e, struct exemplar_key key)
{
    static char line[EXEMPLAR_TEXT_MAX + 64];
    char text[EXEMPLAR_TEXT_MAX];
    struct exemplar found;

    line[0] = '\0';
    memset(text, 'x', sizeof text);
    if (exemplar_get(e, &key, text, &found))
        snprintf(line, sizeof line, "%.*s %g %lld", (int)found.labels.len, found.labels.p,
                 found.value, (long long)found.now_ms);
    return line;
}

/* The last one that was put, with all that it is; a store begins without any. */
START_TEST(test_exemplar_get_finds_the_newest)
{
    struct exemplars *e = store_new();
    struct exemplar_key key = key_of(1, 2, 3, 4);
    char longest[EXEMPLAR_TEXT_MAX + 1], want[EXEMPLAR_TEXT_MAX + 16];

    memset(longest, 'l', EXEMPLAR_TEXT_MAX);
    longest[EXEMPLAR_TEXT_MAX] = '\0';
    snprintf(want, sizeof want, "%s 8 8", longest);
    ck_assert_str_eq(told(e, key), "");
    ck_assert_str_eq(told(e, key_of(0, 0, 0, 0)), "");
    put(e, key, 7, "a=\"b\"");
    ck_assert_str_eq(told(e, key), "a=\"b\" 7 7");
    put(e, key, 8, longest);
    ck_assert_str_eq(told(e, key), want);
    put(e, key, 2.5, "c=\"d\"");
    ck_assert_str_eq(told(e, key), "c=\"d\" 2.5 2");
    exemplars_free(e);
    exemplars_free(NULL);
}
END_TEST

/* Another cell, other bounds, another birth in the same cell, another bucket: none has it. */
START_TEST(test_exemplar_get_believes_the_whole_key)
{
    static const unsigned others[][4] = {{2, 2, 3, 4}, {1, 3, 3, 4}, {1, 2, 4, 4}, {1, 2, 3, 5}};
    struct exemplars *e = store_new();

    put(e, key_of(1, 2, 3, 4), 1, "first");
    for (unsigned i = 0; i < 4; i++) {
        const unsigned *o = others[i];
        char want[32];

        ck_assert_str_eq(told(e, key_of(o[0], o[1], o[2], o[3])), "");
        put(e, key_of(o[0], o[1], o[2], o[3]), i + 10, "other");
        snprintf(want, sizeof want, "other %u %u", i + 10, i + 10);
        ck_assert_str_eq(told(e, key_of(o[0], o[1], o[2], o[3])), want);
    }
    ck_assert_str_eq(told(e, key_of(1, 2, 3, 4)), "first 1 1");
    exemplars_free(e);
}
END_TEST

static unsigned count_found(const struct exemplars *e, unsigned from, unsigned n)
{
    unsigned n_found = 0;

    for (unsigned i = from; i < from + n; i++)
        n_found += told(e, key_of(i, 1, i, 0))[0] != '\0';
    return n_found;
}

/* However many come, the store does not grow: those of late are there, those of long ago are not,
 * but for one that comes again and again. */
START_TEST(test_exemplar_put_makes_room)
{
    enum { N = 10 * ROOM, LATE = 256 };
    struct exemplars *e = store_new();
    struct exemplar_key hot = key_of(1000000, 1, 1, 0);

    ck_assert_uint_lt(exemplars_size(), 1500000);
    for (unsigned i = 0; i < N; i++) {
        put(e, key_of(i, 1, i, 0), i, "cold");
        ck_assert_str_ne(told(e, key_of(i, 1, i, 0)), "");
        if (i % 64 == 0)
            put(e, hot, i, "hot");
    }
    ck_assert_str_ne(told(e, hot), "");
    ck_assert_uint_eq(count_found(e, N - LATE, LATE), LATE);
    ck_assert_uint_eq(count_found(e, 0, N - 8 * ROOM), 0);
    ck_assert_uint_le(count_found(e, 0, N), ROOM);
    ck_assert_uint_gt(count_found(e, 0, N), ROOM * 9 / 10);
    exemplars_free(e);
}
END_TEST

/* As long as there is room in its set nothing goes: a few hundred are all there. */
START_TEST(test_exemplar_put_keeps_what_has_room)
{
    struct exemplars *e = store_new();

    for (unsigned i = 0; i < ROOM / 16; i++)
        put(e, key_of(i, 1, i, 0), i, "cold");
    ck_assert_uint_eq(count_found(e, 0, ROOM / 16), ROOM / 16);
    exemplars_free(e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("exemplar");
    TCase *store = tcase_create("store");

    tcase_add_test(store, test_exemplar_get_finds_the_newest);
    tcase_add_test(store, test_exemplar_get_believes_the_whole_key);
    tcase_add_test(store, test_exemplar_put_makes_room);
    tcase_add_test(store, test_exemplar_put_keeps_what_has_room);
    tcase_set_timeout(store, 30);
    suite_add_tcase(s, store);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
