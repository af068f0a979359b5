/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overflow, the page: which names and labels explode
 *
 *      bacowr_statsd_overflow_identities                                   of all names
 *      bacowr_statsd_overflow_family_identities{metric_name="x"}
 *      bacowr_statsd_overflow_label_values{label="user",metric_name="x"}
 *
 * Gauges: they are estimates. Names and labels were escaped when they became such, so they stand
 * here as they are; one that was cut is left out, since two could be the same then.
 *
 * Laws: no more than OVERFLOW_TOP names, and FOLDED_LABELS labels of each, however many overflow.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OVERFLOW_TOP 10u
#define TEXT_MAX     (FOLDED_NAME_MAX + FOLDED_LABEL_MAX + sizeof "label=\"\",metric_name=\"\"")

static const struct {
    const char *name;
    const char *help;
} told[OVERFLOW_PAGE_FAMILIES] = {
    {"bacowr_statsd_overflow_identities",
     "Estimated number of distinct identities over a series limit."},
    {"bacowr_statsd_overflow_family_identities", "Estimated number of distinct identities "
                                                 "over a series limit per metric name; top "
                                                 "names only."},
    {"bacowr_statsd_overflow_label_values", "Estimated number of distinct values per label "
                                            "of these metric names over a series limit."},
};

struct overflow_page {
    struct bacowr_own_sample total;
    struct bacowr_own_sample names[OVERFLOW_TOP];
    struct bacowr_own_sample labels[OVERFLOW_TOP * FOLDED_LABELS];
    unsigned n_names, n_labels;
    char name_texts[OVERFLOW_TOP][TEXT_MAX];
    char label_texts[OVERFLOW_TOP * FOLDED_LABELS][TEXT_MAX];
};

int overflow_page_reserve(struct bacowr *b)
{
    for (unsigned i = 0; i < OVERFLOW_PAGE_FAMILIES; i++)
        if (bacowr_reserve(b, told[i].name) != 0)
            return -ENOMEM;
    return 0;
}

static void add_label(struct overflow_page *p, const struct folded_family *f,
                      const struct folded_label *label)
{
    char *text = p->label_texts[p->n_labels];

    (void)snprintf(text, TEXT_MAX, "label=\"%s\",metric_name=\"%s\"", label->name, f->name);
    p->labels[p->n_labels++] = (struct bacowr_own_sample){text, label->n_values};
}

static void add_name(struct overflow_page *p, const struct folded_family *f)
{
    char *text = p->name_texts[p->n_names];

    (void)snprintf(text, TEXT_MAX, "metric_name=\"%s\"", f->name);
    p->names[p->n_names++] = (struct bacowr_own_sample){text, f->n_identities};
    for (unsigned i = 0; i < f->n_labels; i++)
        add_label(p, f, &f->labels[i]);
}

/* 0 or -ENOMEM. */
static int fill(struct overflow_page *p, const struct bacowr *b)
{
    struct folded_report *report = malloc(sizeof *report);
    int rc = report != NULL ? overflow_read(b, report) : -ENOMEM;

    if (rc == 0) {
        p->total.value = report->n_identities;
        for (unsigned i = 0; i < report->n && p->n_names < OVERFLOW_TOP; i++)
            if (!report->families[i].is_cut)
                add_name(p, &report->families[i]);
    }
    free(report);
    return rc;
}

int overflow_page_new(struct overflow_page **out, const struct bacowr *b,
                      struct bacowr_own_family families[OVERFLOW_PAGE_FAMILIES])
{
    struct overflow_page *p = calloc(1, sizeof *p);

    if (p == NULL)
        return -ENOMEM;
    if (fill(p, b) != 0) {
        free(p);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < OVERFLOW_PAGE_FAMILIES; i++)
        families[i] = (struct bacowr_own_family){
            .name = told[i].name, .help = told[i].help, .type = BACOWR_METRIC_GAUGE};
    families[0].samples = &p->total;
    families[0].n_samples = 1;
    families[1].samples = p->names;
    families[1].n_samples = p->n_names;
    families[2].samples = p->labels;
    families[2].n_samples = p->n_labels;
    *out = p;
    return 0;
}

void overflow_page_free(struct overflow_page *p)
{
    free(p);
}
