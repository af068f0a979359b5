/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, a page: see self_page.h
 *
 * One allocation: the head, behind it all samples, behind them the families. Each family points to
 * its first sample, so samples stand in the order of their families. What a page will hold is known
 * before it is made, so it never grows.
 *
 * Law: a family is ended by the next one; its number of samples is right after each add().
 */
#include "server/self_page.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/self.h"

struct self_page {
    struct bacowr_own_family *families; /* in this allocation */
    unsigned n_families, n_samples;     /* so far, the last family's too */
    unsigned max_families, max_samples;
    struct bacowr_own_sample samples[];
};

int self_page_alloc(struct self_page **out, unsigned max_families, unsigned max_samples)
{
    size_t head = sizeof(struct self_page) + max_samples * sizeof(struct bacowr_own_sample);
    struct self_page *p = calloc(1, head + max_families * sizeof(struct bacowr_own_family));

    if (p == NULL)
        return -ENOMEM;
    p->families = (struct bacowr_own_family *)((char *)p + head);
    p->max_families = max_families;
    p->max_samples = max_samples;
    *out = p;
    return 0;
}

void self_page_begin(struct self_page *p, const char *name, const char *help,
                     enum bacowr_metric_type type)
{
    assert(p->n_families < p->max_families);
    p->families[p->n_families++] = (struct bacowr_own_family){
        .name = name,
        .help = help,
        .type = type,
        .samples = p->samples + p->n_samples,
    };
}

void self_page_add(struct self_page *p, const char *labels, double value)
{
    assert(p->n_families > 0 && p->n_samples < p->max_samples);
    p->samples[p->n_samples++] = (struct bacowr_own_sample){.labels = labels, .value = value};
    p->families[p->n_families - 1].n_samples++;
}

void self_page_carry(struct self_page *p, const struct self_carry *carry)
{
    unsigned at = 0;

    for (unsigned i = 0; i < p->n_families && carry->n > 0; i++) {
        const struct bacowr_own_family *family = &p->families[i];

        for (unsigned k = 0; k < family->n_samples; k++, at++) {
            const char *labels = p->samples[at].labels;

            if (family->type == BACOWR_METRIC_COUNTER)
                p->samples[at].value +=
                    self_carry_of(carry, family->name, labels != NULL ? labels : "");
        }
    }
}

unsigned self_page_n_samples(const struct self_page *p)
{
    return p->n_samples;
}

const struct bacowr_own_family *self_page_families(const struct self_page *page, unsigned *n)
{
    *n = page->n_families;
    return page->families;
}

void self_page_free(struct self_page *page)
{
    free(page);
}
