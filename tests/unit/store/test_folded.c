/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded: who overflows is told apart, in fixed memory, over all stores together
 *
 * That it may be read while it is written is tested by tests/threads/test_overflow_race.c.
 */
#include "store/folded.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "lib/unit.h"
#include "unit/store/world.h"

/* Four times the standard error. */
#define NEAR(have, want)                          \
    do {                                          \
        ck_assert_double_ge(have, 0.87 * (want)); \
        ck_assert_double_le(have, 1.13 * (want)); \
    } while (0)

struct pair {
    struct world w;
    struct folded *stores[3]; /* the last one stays NULL */
    struct folded_report report;
};

static void pair_init(struct pair *p)
{
    world_init(&p->w, 10);
    p->stores[2] = NULL;
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(folded_new(&p->stores[i]), 0);
}

static void pair_release(struct pair *p)
{
    for (unsigned i = 0; i < 3; i++)
        folded_free(p->stores[i]);
    world_release(&p->w);
}

static void note(struct pair *p, unsigned store, const char *name, const char *labels)
{
    struct series_key key = series_key(&p->w.r, slice_str(name), slice_str(labels));

    folded_note(p->stores[store], &key);
}

static const struct folded_report *read_all(struct pair *p)
{
    const struct folded *all[3] = {p->stores[0], p->stores[1], p->stores[2]};

    memset(&p->report, 0xa5, sizeof p->report);
    ck_assert_int_eq(folded_read(all, 3, &p->report), 0);
    return &p->report;
}

/* Nothing noted, nothing told; without a store too. */
START_TEST(test_folded_empty)
{
    const struct folded *none[2] = {NULL, NULL};
    struct folded_report report;
    struct pair p;

    memset(&report, 0xa5, sizeof report);
    ck_assert_int_eq(folded_read(none, 2, &report), 0);
    ck_assert_uint_eq(report.n, 0);
    ck_assert_double_eq(report.n_identities, 0);
    pair_init(&p);
    ck_assert_uint_eq(read_all(&p)->n, 0);
    ck_assert_double_eq(p.report.n_identities, 0);
    pair_release(&p);
}
END_TEST

/* Two stores that saw the same and other identities tell of the union, by name and by label, the
 * most first. */
START_TEST(test_folded_union)
{
    const struct folded_family *f;
    char labels[64];
    struct pair p;

    pair_init(&p);
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(labels, sizeof labels, "code=\"%u\",user=\"%u\"", i % 5, i);
        note(&p, i % 2, "large", labels);
        if (i < 5000)
            note(&p, 0, "large", labels);
        (void)snprintf(labels, sizeof labels, "path=\"/%u\"", i % 300);
        note(&p, i % 2, "small", labels);
    }
    read_all(&p);
    ck_assert_uint_eq(p.report.n, 2);
    NEAR(p.report.n_identities, 20300.0);
    f = &p.report.families[0];
    ck_assert_str_eq(f->name, "large");
    NEAR(f->n_identities, 20000.0);
    ck_assert_uint_eq(f->n_labels, 2);
    ck_assert_str_eq(f->labels[0].name, "user");
    NEAR(f->labels[0].n_values, 20000.0);
    ck_assert_str_eq(f->labels[1].name, "code");
    ck_assert_double_eq(f->labels[1].n_values, 5);
    ck_assert_str_eq(p.report.families[1].name, "small");
    NEAR(p.report.families[1].n_identities, 300.0);
    pair_release(&p);
}
END_TEST

/* A flood of names that are met once does not drive out who is met often, and all are counted. */
START_TEST(test_folded_flood)
{
    const struct folded_family *hot = NULL;
    char name[32], labels[32];
    struct pair p;

    pair_init(&p);
    for (unsigned i = 0; i < 30000; i++) {
        if (i % 10 == 0) {
            (void)snprintf(labels, sizeof labels, "id=\"%u\"", i);
            note(&p, 0, "hot", labels);
        }
        (void)snprintf(name, sizeof name, "once%u", i);
        note(&p, 0, name, "");
    }
    read_all(&p);
    ck_assert_uint_eq(p.report.n, FOLDED_TOP);
    NEAR(p.report.n_identities, 33000.0);
    for (unsigned i = 0; i < p.report.n; i++)
        if (strcmp(p.report.families[i].name, "hot") == 0)
            hot = &p.report.families[i];
    ck_assert_ptr_nonnull(hot);
    NEAR(hot->n_identities, 3000.0);
    ck_assert_ptr_eq(hot, &p.report.families[0]);
    pair_release(&p);
}
END_TEST

static char long_name[FOLDED_NAME_MAX + 2];

/* Names are whole up to their bound; labels beyond theirs, in number or length, are left out. */
START_TEST(test_folded_bounds)
{
    struct buf labels = {0};
    struct pair p;

    pair_init(&p);
    memset(long_name, 'n', FOLDED_NAME_MAX);
    for (unsigned i = 0; i < FOLDED_LABEL_MAX + 1; i++)
        buf_add_byte(&labels, 'l');
    buf_add_str(&labels, "=\"1\"");
    for (unsigned i = 0; i < FOLDED_LABELS + 2; i++)
        buf_addf(&labels, ",m%u=\"\"", i);
    buf_add_byte(&labels, '\0');
    note(&p, 0, long_name, labels.p);
    read_all(&p);
    ck_assert_str_eq(p.report.families[0].name, long_name);
    ck_assert(!p.report.families[0].is_cut);
    ck_assert_uint_eq(p.report.families[0].n_labels, FOLDED_LABELS);
    for (unsigned i = 0; i < FOLDED_LABELS; i++) {
        ck_assert_int_eq(p.report.families[0].labels[i].name[0], 'm');
        ck_assert_double_eq(p.report.families[0].labels[i].n_values, 1);
    }
    long_name[FOLDED_NAME_MAX] = 'n';
    note(&p, 1, long_name, "");
    ck_assert_uint_eq(read_all(&p)->n, 2);
    ck_assert_int_eq(p.report.families[0].is_cut + p.report.families[1].is_cut, 1);
    ck_assert_uint_le(folded_size(), 330 * 1024);
    buf_release(&labels);
    pair_release(&p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("folded");
    TCase *t = tcase_create("folded");

    tcase_add_test(t, test_folded_empty);
    tcase_add_test(t, test_folded_union);
    tcase_add_test(t, test_folded_flood);
    tcase_add_test(t, test_folded_bounds);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
