/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserve: room that a loop has before it needs it, and nothing else that is left in it
 */
#include "server/reserve.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/unit.h"

static uv_loop_t loop;
static uv_work_t job; /* lives until the loop has run: stop() */

static void start(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
}

/* Nothing may be left in the loop: else this fails. */
static void stop(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static unsigned count_entries(const char *path)
{
    DIR *folder = opendir(path);
    unsigned n = 0;

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

/* The table has room for all numbers below, and no descriptor stays open. */
START_TEST(test_reserve_descriptors_below_a_number)
{
    unsigned before = count_entries("/proc/self/fd");

    ck_assert_int_eq(reserve_descriptors(&loop, 500), 0);
    ck_assert_uint_ge(loop.nwatchers, 500);
    ck_assert_uint_eq(count_entries("/proc/self/fd"), before);
    ck_assert(!uv_loop_alive(&loop));
}
END_TEST

/* More than the limit of open files allows is as much as it allows. */
START_TEST(test_reserve_descriptors_up_to_the_limit)
{
    ck_assert_int_eq(reserve_descriptors(&loop, 1 << 28), 0);
}
END_TEST

/* The pool's threads are there at once, and the job ends by itself. */
START_TEST(test_reserve_pool_makes_its_threads)
{
    unsigned before = count_entries("/proc/self/task");

    ck_assert_int_eq(reserve_pool(&loop, &job), 0);
    ck_assert_uint_gt(count_entries("/proc/self/task"), before);
}
END_TEST

/* Where a limit allows no thread it says so: libuv would end the process. */
START_TEST(test_reserve_pool_tells_that_threads_are_refused)
{
    struct rlimit limit, none;

    /* Root has no such limit, and in a namespace of one user can be nobody else. */
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return;
    ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &none), 0);
    ck_assert_int_eq(reserve_pool(&loop, &job), -EAGAIN);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &limit), 0); /* sanitizers make threads at the end */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("reserve");
    TCase *t = tcase_create("reserve");

    tcase_add_checked_fixture(t, start, stop);
    tcase_add_test(t, test_reserve_descriptors_below_a_number);
    tcase_add_test(t, test_reserve_descriptors_up_to_the_limit);
    tcase_add_test(t, test_reserve_pool_makes_its_threads);
    tcase_add_test(t, test_reserve_pool_tells_that_threads_are_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
