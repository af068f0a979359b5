/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exemplars read while they are written: whole, of the right key, and never ahead of their counter
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/relaxed.h"
#include "lib/engine.h"
#include "lib/unit.h"
#include "store/exemplar.h"

/* ---- the store ---- */

#define N_PUTS 300000u

/* Some that come all the time, and many for whom there is no room, so that entries change hands. */
static struct exemplar_key key_of(unsigned i)
{
    unsigned n = i % 2 == 0 ? i / 2 % 16 : 16 + i % 20000;

    return (struct exemplar_key){.birth = n + 1, .slot = n};
}

struct putter {
    pthread_t thread;
    struct exemplars *store;
    relaxed_u32 done;
};

/* The labels of number i are its digits, as many times as it takes for a length of its own. */
static size_t labels_of(unsigned i, char text[EXEMPLAR_TEXT_MAX])
{
    char digits[16];
    size_t n = (size_t)sprintf(digits, "%u,", i), len = 0;

    for (unsigned times = 1 + i % 30; times > 0; times--, len += n)
        memcpy(text + len, digits, n);
    return len;
}

static void *put_all(void *arg)
{
    struct putter *p = arg;

    for (unsigned i = 0; i < N_PUTS; i++) {
        struct exemplar_key key = key_of(i);
        char text[EXEMPLAR_TEXT_MAX];
        size_t len = labels_of(i, text);

        exemplar_put(p->store, &key, &(struct exemplar){i, i, slice_of(text, len)});
    }
    atomic_store_explicit(&p->done, 1, memory_order_release);
    return NULL;
}

/* What is found is what was put: all of one number, which belongs to the key, and not an older one
 * than was found before. */
START_TEST(test_exemplar_race_copies_are_whole)
{
    struct putter p = {0};
    double last[16] = {0};
    unsigned n_found = 0;

    must(exemplars_new(&p.store) == 0);
    must(pthread_create(&p.thread, NULL, put_all, &p) == 0);
    for (unsigned i = 0; atomic_load_explicit(&p.done, memory_order_acquire) == 0; i++) {
        struct exemplar_key key = key_of(i), owner;
        char text[EXEMPLAR_TEXT_MAX], want[EXEMPLAR_TEXT_MAX];
        struct exemplar found;

        if (!exemplar_get(p.store, &key, text, &found))
            continue;
        n_found++;
        owner = key_of((unsigned)found.value);
        must(owner.birth == key.birth && owner.slot == key.slot);
        must((double)found.now_ms == found.value);
        must(found.labels.len == labels_of((unsigned)found.value, want));
        must(memcmp(found.labels.p, want, found.labels.len) == 0);
        must(key.slot >= 16 || found.value >= last[key.slot]);
        last[key.slot % 16] = key.slot < 16 ? found.value : last[key.slot % 16];
    }
    ck_assert_uint_gt(n_found, 0);
    pthread_join(p.thread, NULL);
    exemplars_free(p.store);
}
END_TEST

/* ---- the page ---- */

#define N_LINES 60000u

struct feeder {
    pthread_t thread;
    struct bacowr_worker *worker;
    relaxed_u32 done;
};

/* The n-th increment brings the number n. */
static void *feed_all(void *arg)
{
    struct feeder *f = arg;

    for (unsigned i = 2; i <= N_LINES; i++) {
        char line[64];
        int len = snprintf(line, sizeof line, "a_total:1|c|#n:%u\nh:1|h|#n:%u", i, i);

        bacowr_feed(f->worker, &(struct bacowr_datagram){.p = line, .len = (size_t)len}, 1, 0);
    }
    atomic_store_explicit(&f->done, 1, memory_order_release);
    return NULL;
}

/* The number in the exemplar of the line that begins with @name is not above its value. There may
 * be none: its writer was stopped while it wrote. */
static void check_line(const char *page, const char *name)
{
    const char *line = strstr(page, name);
    unsigned value, n = 0;

    must(line != NULL);
    must(sscanf(line + strlen(name), " %u # {n=\"%u\"} 1", &value, &n) >= 1);
    must(n <= value);
}

/* No page shows an exemplar of a sample that it has not counted. */
START_TEST(test_exemplar_race_pages_count_first)
{
    struct bacowr_config config = engine_config();
    struct feeder f = {0};
    struct engine e;

    config.openmetrics = true;
    config.statsd.exemplar_tags[0] = "n";
    engine_init(&e, &config,
                "mappings: [{match: h, name: h, observer_type: histogram,"
                " histogram_options: {buckets: [1]}}]");
    f.worker = bacowr_worker(e.b, 0);
    engine_feed(&e, "a_total:1|c|#n:1\nh:1|h|#n:1");
    must(pthread_create(&f.thread, NULL, feed_all, &f) == 0);
    while (atomic_load_explicit(&f.done, memory_order_acquire) == 0) {
        const char *page = engine_page(&e, OPENMETRICS).p;

        check_line(page, "\na_total");
        check_line(page, "\nh_bucket{le=\"1.0\"}");
    }
    pthread_join(f.thread, NULL);
    engine_release(&e);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("exemplar_race");
    TCase *race = tcase_create("race");

    tcase_add_test(race, test_exemplar_race_copies_are_whole);
    tcase_add_test(race, test_exemplar_race_pages_count_first);
    tcase_set_timeout(race, 60);
    suite_add_tcase(s, race);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
