/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests: query
 */
#include "server/query.h"

#include <string.h>

#include "lib/guard.h"
#include "lib/unit.h"

static const struct {
    const char *query;
    const char *value; /* of "match"; NULL: none */
} gets[] = {
    {"", NULL},
    {"match", ""},
    {"match=", ""},
    {"match=a", "a"},
    {"x=1&match=a&y", "a"},
    {"match=a&match=b", "a"},
    {"matches=a", NULL},
    {"Match=a", NULL},
    {"match=a%20b+c", "a b c"},
    {"match=%3Cb%3e", "<b>"},
    {"match=%", NULL},
    {"match=%4", NULL},
    {"match=%zz", NULL},
    {"match=a=b", "a=b"},
    {"&&match=a&&", "a"},
    {"match=12345678", "12345678"},
    {"match=123456789", NULL},
    {"match=%31%32%33%34%35%36%37%38", "12345678"},
};

/* The first value of a name is decoded, or there is none. */
START_TEST(test_query_get)
{
    size_t len = strlen(gets[_i].query);
    const char *text = guard_copy(gets[_i].query, len);
    struct slice value = SLICE_LIT("untouched");
    char room[8];
    bool got = query_get(slice_of(text, len), "match", room, sizeof room, &value);

    ck_assert_msg(got == (gets[_i].value != NULL), "%s", gets[_i].query);
    ck_assert(slice_eq_str(value, got ? gets[_i].value : "untouched"));
    guard_free(text, len);
}
END_TEST

static const struct {
    const char *query;
    bool good;
    uint64_t n;
} numbers[] = {
    {"", true, 7},
    {"limit=0", true, 0},
    {"limit=100", true, 100},
    {"limit=101", false, 0},
    {"limit=", false, 0},
    {"limit=-1", false, 0},
    {"limit=1x", false, 0},
    {"limit", false, 0},
    {"limit=007", true, 7},
    {"limit=18446744073709551617", false, 0},
};

/* A number is digits and at most what is allowed; none is what it falls back to. */
START_TEST(test_query_number)
{
    uint64_t n = 99;

    ck_assert_msg(query_number(slice_str(numbers[_i].query), "limit", 7, 100, &n) ==
                      numbers[_i].good,
                  "%s", numbers[_i].query);
    ck_assert_uint_eq(n, numbers[_i].good ? numbers[_i].n : 99);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("query");
    TCase *get = tcase_create("query_get");
    TCase *number = tcase_create("query_number");

    tcase_add_loop_test(get, test_query_get, 0, sizeof gets / sizeof gets[0]);
    suite_add_tcase(s, get);
    tcase_add_loop_test(number, test_query_number, 0, sizeof numbers / sizeof numbers[0]);
    suite_add_tcase(s, number);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
