/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report: what was measured, as a table for people and as JSON
 *
 * Contract: a report holds up to REPORT_MAX rows. A row is a figure, perhaps the reference's figure
 * beside it and their ratio, perhaps a goal for the ratio or for the figure.
 */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#define REPORT_MAX 64
#define ROUNDS_MAX 101

/* Of an odd or even number of rounds. */
struct spread {
    double median, low, high;
};

enum goal { GOAL_NONE, GOAL_RATIO, GOAL_VALUE };

struct row {
    const char *group;
    const char *name;
    const char *unit;
    struct spread ours;
    struct spread reference; /* of no meaning when ... */
    struct spread ratio;     /* ... the median of this is 0; round by round */
    enum goal goal_for;
    double goal; /* at most */
};

struct report {
    unsigned n_rows;
    unsigned n_rounds;
    struct row rows[REPORT_MAX];
};

/* Sorts @values. */
struct spread spread_of(double *values, unsigned n);

/* What is the same in each round: a size. */
struct spread spread_one(double value);

/* The figures of @n rounds and, unless @reference is NULL, their ratios. Sorts both. */
void report_rounds(struct report *r, const struct row *what, double *ours, double *reference,
                   unsigned n);
void report_add(struct report *r, const struct row *row);

/* Goals that were missed. */
unsigned report_n_missed(const struct report *r);

void report_table(const struct report *r, FILE *out);
void report_json(const struct report *r, FILE *out);

#endif
