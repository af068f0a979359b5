/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table: what was put in is found until it is taken out, whatever the hashes
 */
#include "base/table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/unit.h"

struct entry {
    char before[3]; /* the link need not come first */
    struct table_link link;
    unsigned key;
    bool in;
};

static struct entry *find(const struct table *t, uint64_t hash, unsigned key)
{
    for (struct table_link *l = table_chain(t, hash); l != NULL; l = l->next) {
        struct entry *e = table_entry(l, struct entry, link);

        if (l->hash == hash && e->key == key)
            return e;
    }
    return NULL;
}

/* A zeroed table is empty, and may be released. */
START_TEST(test_table_zeroed_is_empty)
{
    struct table t = {0};

    for (uint64_t hash = 0; hash < 100; hash++)
        ck_assert_ptr_null(table_chain(&t, hash));
    table_release(&t);
    ck_assert_uint_eq(t.n, 0);
}
END_TEST

/* The hash functions of the tests below: good, poor, all in one chain. */
static uint64_t hash_of(unsigned kind, unsigned key)
{
    return kind == 0   ? key * UINT64_C(0x9e3779b97f4a7c15) >> 20
           : kind == 1 ? (uint64_t)key << 32 | key % 7
                       : 42;
}

/* After any order of insertions and removals exactly those in it are found. */
START_TEST(test_table_holds_what_was_put_in)
{
    enum { N = 300 };
    static struct entry entries[N];
    struct table t = {0};
    size_t n_in = 0;

    srandom(3);
    for (unsigned i = 0; i < N; i++)
        entries[i] = (struct entry){.link.hash = hash_of((unsigned)_i, i), .key = i};
    for (unsigned step = 0; step < 5000; step++) {
        struct entry *e = &entries[random() % N];

        if (e->in)
            table_remove(&t, &e->link);
        else
            ck_assert_int_eq(table_insert(&t, &e->link), 0);
        n_in += e->in ? (size_t)-1 : 1;
        e->in = !e->in;
        ck_assert_uint_eq(t.n, n_in);
        if (step % 100 == 0)
            for (unsigned i = 0; i < N; i++)
                ck_assert_ptr_eq(find(&t, entries[i].link.hash, i),
                                 entries[i].in ? &entries[i] : NULL);
    }
    table_release(&t);
}
END_TEST

/* Chains stay short: there are never fewer of them than entries. */
START_TEST(test_table_grows_with_its_entries)
{
    enum { N = 5000 };
    static struct entry entries[N];
    struct table t = {0};

    for (unsigned i = 0; i < N; i++) {
        entries[i] = (struct entry){.link.hash = hash_of(0, i), .key = i};
        ck_assert_int_eq(table_insert(&t, &entries[i].link), 0);
        ck_assert_uint_ge(t.n_chains, t.n);
        ck_assert_uint_eq(t.n_chains & (t.n_chains - 1), 0);
    }
    for (unsigned i = 0; i < N; i++)
        ck_assert_ptr_eq(find(&t, entries[i].link.hash, i), &entries[i]);
    table_release(&t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("table");
    TCase *zeroed = tcase_create("zeroed"), *insert = tcase_create("insert");

    tcase_add_test(zeroed, test_table_zeroed_is_empty);
    suite_add_tcase(s, zeroed);
    tcase_add_loop_test(insert, test_table_holds_what_was_put_in, 0, 3);
    tcase_add_test(insert, test_table_grows_with_its_entries);
    suite_add_tcase(s, insert);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
