/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report: what was measured, as a table for people and as JSON
 *
 * Medians, with the lowest and the highest round beside them. A ratio is taken round by round,
 * since the two of a round met the same weather, and its median is what a goal is held against.
 */
#include "bench/report.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct spread spread_of(double *values, unsigned n)
{
    qsort(values, n, sizeof values[0], compare);
    return (struct spread){
        .median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
        .low = values[0],
        .high = values[n - 1],
    };
}

struct spread spread_one(double value)
{
    return (struct spread){value, value, value};
}

void report_add(struct report *r, const struct row *row)
{
    if (r->n_rows == REPORT_MAX)
        abort();
    r->rows[r->n_rows++] = *row;
}

void report_rounds(struct report *r, const struct row *what, double *ours, double *reference,
                   unsigned n)
{
    struct row row = *what;
    double ratios[ROUNDS_MAX];

    if (reference != NULL) {
        for (unsigned i = 0; i < n; i++)
            ratios[i] = ours[i] / reference[i];
        row.ratio = spread_of(ratios, n);
        row.reference = spread_of(reference, n);
    }
    row.ours = spread_of(ours, n);
    report_add(r, &row);
}

static bool row_met(const struct row *row)
{
    return (row->goal_for == GOAL_RATIO ? row->ratio : row->ours).median <= row->goal;
}

unsigned report_n_missed(const struct report *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_rows; i++)
        n += r->rows[i].goal_for != GOAL_NONE && !row_met(&r->rows[i]);
    return n;
}

/* ---- the table ---- */

static const char *format_spread(char out[48], const struct spread *s, int decimals)
{
    if (s->low < s->high)
        snprintf(out, 48, "%.*f (%.*f-%.*f)", decimals, s->median, decimals, s->low, decimals,
                 s->high);
    else
        snprintf(out, 48, "%.*f", decimals, s->median);
    return out;
}

static int decimals_of(double v)
{
    return v < 10 ? 2 : v < 1000 ? 1 : 0;
}

static void table_row(const struct row *row, FILE *out)
{
    char ours[48], reference[48] = "-", ratio[48] = "-", goal[48] = "-";

    format_spread(ours, &row->ours, decimals_of(row->ours.median));
    if (row->ratio.median > 0) {
        format_spread(reference, &row->reference, decimals_of(row->reference.median));
        format_spread(ratio, &row->ratio, 2);
    }
    if (row->goal_for != GOAL_NONE)
        snprintf(goal, sizeof goal, "%s <= %g %s", row->goal_for == GOAL_RATIO ? "ratio" : "ours",
                 row->goal, row_met(row) ? "met" : "MISSED");
    fprintf(out, "%-7s %-28s %-9s %-22s %-22s %-18s %s\n", row->group, row->name, row->unit, ours,
            reference, ratio, goal);
}

void report_table(const struct report *r, FILE *out)
{
    fprintf(out, "Medians of %u interleaved rounds (lowest-highest); CPU time of the thread.\n\n",
            r->n_rounds);
    fprintf(out, "%-7s %-28s %-9s %-22s %-22s %-18s %s\n", "", "", "unit", "ours", "reference",
            "ratio", "goal");
    for (unsigned i = 0; i < r->n_rows; i++)
        table_row(&r->rows[i], out);
}

/* ---- JSON: names and units need no escapes ---- */

static void json_spread(const char *key, const struct spread *s, FILE *out)
{
    fprintf(out, ", \"%s\": {\"median\": %.6g, \"low\": %.6g, \"high\": %.6g}", key, s->median,
            s->low, s->high);
}

static void json_row(const struct row *row, FILE *out)
{
    fprintf(out, "    {\"group\": \"%s\", \"name\": \"%s\", \"unit\": \"%s\"", row->group,
            row->name, row->unit);
    json_spread("ours", &row->ours, out);
    if (row->ratio.median > 0) {
        json_spread("reference", &row->reference, out);
        json_spread("ratio", &row->ratio, out);
    }
    if (row->goal_for != GOAL_NONE)
        fprintf(out, ", \"goal\": {\"of\": \"%s\", \"at_most\": %g, \"met\": %s}",
                row->goal_for == GOAL_RATIO ? "ratio" : "ours", row->goal,
                row_met(row) ? "true" : "false");
    fputc('}', out);
}

void report_json(const struct report *r, FILE *out)
{
    fprintf(out, "{\n  \"rounds\": %u,\n  \"rows\": [\n", r->n_rounds);
    for (unsigned i = 0; i < r->n_rows; i++) {
        json_row(&r->rows[i], out);
        fputs(i + 1 < r->n_rows ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
