/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stem: may a counter's family lose its _total?
 *
 * In OpenMetrics the counter `x_total` makes the family `x`, which owns the names x, x_total and
 * x_created. In the text format these are three names, and all of them may be on the page. Then the
 * counter is shown as a family of its full name, of type unknown, and owns nothing else. So it is
 * enough to look at the counter's side: its stem is free if no family of the page is called
 *
 *      x, x_created                  it would stand twice
 *      x_created_total               a counter whose stem is x_created: that one keeps the name
 *      y, a histogram or summary, of which x is y_bucket, y_sum, y_count or y_created
 *
 * `x_total_total`, whose stem is x_total, is covered by the first. That no family but a counter
 * owns a name of another one is the registry's law (store/family.c).
 *
 * Laws: the answer depends only on the names that the scrape began with, so that it is one for all
 *       series of a family. No lock, no memory.
 */
#include "engine/engine.h"

/* slice_cmp() of @name and @head followed by @tail. */
static int cmp_joined(struct slice name, struct slice head, struct slice tail)
{
    size_t len = name.len < head.len ? name.len : head.len;
    int c = slice_cmp(slice_of(name.p, len), head);

    return c != 0 ? c : slice_cmp(slice_from(name, len), tail);
}

/* The registry's family called @head followed by @tail, or NULL. */
static const struct family *find_family(const struct page_names *names, struct slice head,
                                        struct slice tail)
{
    size_t from = 0, to = names->n_families;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct family *f = names->families[middle];
        int c = cmp_joined(family_name(f), head, tail);

        if (c == 0)
            return f;
        if (c < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static bool own_has(const struct own_families *own, struct slice head, struct slice tail)
{
    unsigned from = 0, to = own_n(own);

    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        int c = cmp_joined(slice_str(own_at(own, middle)->name), head, tail);

        if (c == 0)
            return true;
        if (c < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return false;
}

static bool is_family(const struct page_names *names, struct slice head, struct slice tail)
{
    return find_family(names, head, tail) != NULL || own_has(names->own, head, tail);
}

/* Is @stem a histogram's or summary's sample name? Those are never our own families. */
static bool is_sample(const struct page_names *names, struct slice stem)
{
    static const struct slice suffixes[] = {
        {"_bucket", 7}, {"_sum", 4}, {"_count", 6}, {"_created", 8}};

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct slice suffix = suffixes[i];
        const struct family *f;

        if (stem.len <= suffix.len || !slice_eq(slice_from(stem, stem.len - suffix.len), suffix))
            continue;
        f = find_family(names, slice_of(stem.p, stem.len - suffix.len), SLICE_LIT(""));
        if (f != NULL && (family_type(f) == METRIC_HISTOGRAM || family_type(f) == METRIC_SUMMARY))
            return true;
    }
    return false;
}

bool stem_is_free(const struct page_names *names, struct slice counter)
{
    const struct slice total = SLICE_LIT("_total");
    struct slice stem;

    if (counter.len <= total.len)
        return false;
    stem = slice_of(counter.p, counter.len - total.len);
    if (!slice_eq(slice_from(counter, stem.len), total))
        return false;
    return !is_family(names, stem, SLICE_LIT("")) &&
           !is_family(names, stem, SLICE_LIT("_created")) &&
           !is_family(names, stem, SLICE_LIT("_created_total")) && !is_sample(names, stem);
}
