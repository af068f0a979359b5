/* SPDX-License-Identifier: Apache-2.0 */
/* HyperLogLog: ranks of hashes, and what registers say of how many there were. */
#include "store/hyperloglog.h"

#include <math.h>
#include <string.h>

#include "lib/unit.h"

#define BITS 10u
#define M    (1u << BITS)

/* A walk through 64-bit numbers that look like hashes (splitmix64). */
static uint64_t next_hash(uint64_t *state)
{
    uint64_t h = *state += UINT64_C(0x9e3779b97f4a7c15);

    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

static double estimate(const uint8_t registers[M])
{
    unsigned n_at[HYPERLOGLOG_RANKS] = {0};

    for (unsigned i = 0; i < M; i++)
        n_at[registers[i]]++;
    return hyperloglog_estimate(n_at, BITS);
}

/* The first bits are the register, the zeros behind them, plus one, the rank. */
START_TEST(test_hyperloglog_rank)
{
    ck_assert_uint_eq(hyperloglog_register(BITS, UINT64_MAX), M - 1);
    ck_assert_uint_eq(hyperloglog_register(BITS, 0), 0);
    ck_assert_uint_eq(hyperloglog_rank(BITS, UINT64_MAX), 1);
    ck_assert_uint_eq(hyperloglog_rank(BITS, UINT64_C(1) << (63 - BITS)), 1);
    ck_assert_uint_eq(hyperloglog_rank(BITS, UINT64_C(1) << (62 - BITS)), 2);
    ck_assert_uint_eq(hyperloglog_rank(BITS, 1), 64 - BITS);
    ck_assert_uint_eq(hyperloglog_rank(BITS, 0), 64 - BITS + 1);
    ck_assert_uint_eq(hyperloglog_rank(BITS, ~(UINT64_MAX >> BITS)), 64 - BITS + 1);
}
END_TEST

/* From one to a million: no worse than it says, with no gap where others change
 * their formula. */
START_TEST(test_hyperloglog_error)
{
    const double error = 1.04 / sqrt(M);
    uint8_t registers[M];
    uint64_t state = 1;

    for (unsigned n = 1; n <= 1000000; n *= 10) {
        enum { ROUNDS = 20 };
        double squares = 0, bias = 0;

        for (unsigned round = 0; round < ROUNDS; round++) {
            double off;

            memset(registers, 0, sizeof registers);
            for (unsigned i = 0; i < n; i++) {
                uint64_t hash = next_hash(&state);
                unsigned at = hyperloglog_register(BITS, hash);
                unsigned rank = hyperloglog_rank(BITS, hash);

                if (rank > registers[at])
                    registers[at] = (uint8_t)rank;
            }
            off = estimate(registers) / n - 1;
            squares += off * off;
            bias += off;
        }
        ck_assert_double_lt(sqrt(squares / ROUNDS), 1.6 * error);
        ck_assert_double_lt(fabs(bias / ROUNDS), error);
    }
}
END_TEST

/* None, all that there could be, and a register that is nobody's. */
START_TEST(test_hyperloglog_edges)
{
    unsigned n_at[HYPERLOGLOG_RANKS] = {[0] = M};
    double one;

    ck_assert(hyperloglog_estimate(n_at, BITS) == 0);
    n_at[0] = M - 1;
    n_at[1] = 1;
    one = hyperloglog_estimate(n_at, BITS);
    ck_assert_double_eq_tol(one, 1, 0.01);
    n_at[64 - BITS + 2] = n_at[255] = 7;
    ck_assert(hyperloglog_estimate(n_at, BITS) == one);
    memset(n_at, 0, sizeof n_at);
    n_at[64 - BITS + 1] = M;
    ck_assert(hyperloglog_estimate(n_at, BITS) > 0x1p63);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("hyperloglog");
    TCase *all = tcase_create("all");

    tcase_add_test(all, test_hyperloglog_rank);
    tcase_add_test(all, test_hyperloglog_error);
    tcase_add_test(all, test_hyperloglog_edges);
    suite_add_tcase(s, all);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
