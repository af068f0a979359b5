/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/shelf: things stay, are aligned, and are there once
 */
#include "mapping/shelf.h"

#include "lib/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5000 };

static struct shelf *new_shelf(void)
{
    struct shelf *s;

    ck_assert_int_eq(shelf_new(&s), 0);
    return s;
}

/* However many there are, each stays where it was put and what it was; again it is the same. */
START_TEST(test_shelf_keeps_each_once)
{
    static const char *texts[N];
    static const void *things[N];
    struct shelf *s = new_shelf();
    char text[32];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++) {
            size_t thing[3] = {i, i + 1, i};
            const char *as_text;
            const void *as_thing;

            sprintf(text, "text %u", i);
            as_text = shelf_text(s, text);
            as_thing = shelf_put(s, thing, sizeof thing);
            ck_assert_uint_eq((uintptr_t)as_thing % sizeof(double), 0);
            ck_assert(round == 0 || (as_text == texts[i] && as_thing == things[i]));
            texts[i] = as_text;
            things[i] = as_thing;
        }
    }
    shelf_close(s);
    for (unsigned i = 0; i < N; i++) {
        sprintf(text, "text %u", i);
        ck_assert_str_eq(texts[i], text);
        ck_assert_uint_eq(((const size_t *)things[i])[1], i + 1);
    }
    shelf_free(s);
}
END_TEST

/* A thing with the bytes of a string that stands at any address has an address of its own. */
START_TEST(test_shelf_aligns_what_was_a_string)
{
    struct shelf *s = new_shelf();

    for (unsigned i = 0; i < 16; i++) {
        char text[16];
        const void *thing;

        sprintf(text, "seven%02u", i);
        (void)shelf_text(s, "1");
        (void)shelf_text(s, text);
        thing = shelf_put(s, text, 8);
        ck_assert_uint_eq((uintptr_t)thing % sizeof(double), 0);
        ck_assert_str_eq(thing, text);
    }
    shelf_free(s);
}
END_TEST

/* Nothing has an address too; large things have room. */
START_TEST(test_shelf_takes_any_size)
{
    struct shelf *s = new_shelf();
    char *large = calloc(1, 1 << 20);
    const char *copy;

    ck_assert_ptr_nonnull(shelf_put(s, NULL, 0));
    ck_assert_ptr_nonnull(shelf_room(s, 0));
    ck_assert_ptr_ne(shelf_room(s, 8), shelf_room(s, 8));
    ck_assert_uint_eq((uintptr_t)shelf_room(s, 8) % sizeof(double), 0);
    ck_assert_str_eq(shelf_text(s, ""), "");
    large[(1 << 20) - 1] = 'x';
    copy = shelf_put(s, large, 1 << 20);
    ck_assert(memcmp(copy, large, 1 << 20) == 0);
    ck_assert_ptr_eq(shelf_put(s, large, 1 << 20), copy);
    free(large);
    shelf_free(s);
    shelf_free(NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("shelf");
    TCase *put = tcase_create("put");

    tcase_add_test(put, test_shelf_keeps_each_once);
    tcase_add_test(put, test_shelf_aligns_what_was_a_string);
    tcase_add_test(put, test_shelf_takes_any_size);
    suite_add_tcase(s, put);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
