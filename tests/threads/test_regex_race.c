/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First searches by several threads: each finds what there is, whoever makes the machine code
 */
#include <pthread.h>
#include <stdio.h>

#include "lib/unit.h"
#include "mapping/regex.h"

enum { N_THREADS = 4, N_ROUNDS = 20, N_REGEXES = 25 };

struct race {
    struct regex *regexes[N_REGEXES];
    pthread_barrier_t begin;
    unsigned n_wrong[N_THREADS];
};

struct runner {
    struct race *race;
    unsigned i;
};

static void *run(void *ctx)
{
    struct runner *r = ctx;
    struct regex_scratch *s;
    struct slice captures[2];
    char name[32];

    if (regex_scratch_new(&s, 0) != 0)
        return NULL;
    pthread_barrier_wait(&r->race->begin);
    for (unsigned i = 0; i < N_REGEXES; i++) {
        int len = snprintf(name, sizeof name, "job%u.part%u.x", i, r->i);
        int found = regex_match(r->race->regexes[i], slice_of(name, (size_t)len), s, captures);
        int missed = regex_match(r->race->regexes[i], SLICE_LIT("job.part.x"), s, captures);

        r->race->n_wrong[r->i] += found != 0 || missed != REGEX_MISS;
    }
    regex_scratch_free(s);
    return NULL;
}

/* Several threads may be the first at the same time, with many expressions, again and again. */
START_TEST(test_regex_race_of_first_searches)
{
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        struct race race = {0};
        struct runner runners[N_THREADS];
        pthread_t threads[N_THREADS];
        struct err e;

        for (unsigned i = 0; i < N_REGEXES; i++)
            ck_assert_int_eq(
                regex_new(&race.regexes[i], SLICE_LIT("^job\\d+\\.([a-z]+\\d)\\.x$"), &e), 0);
        pthread_barrier_init(&race.begin, NULL, N_THREADS);
        for (unsigned i = 0; i < N_THREADS; i++) {
            runners[i] = (struct runner){&race, i};
            ck_assert_int_eq(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
        }
        for (unsigned i = 0; i < N_THREADS; i++) {
            pthread_join(threads[i], NULL);
            ck_assert_uint_eq(race.n_wrong[i], 0);
        }
        for (unsigned i = 0; i < N_REGEXES; i++)
            regex_free(race.regexes[i]);
        pthread_barrier_destroy(&race.begin);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("regex_race");
    TCase *first = tcase_create("first");

    tcase_add_test(first, test_regex_race_of_first_searches);
    suite_add_tcase(s, first);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
