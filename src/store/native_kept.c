/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native, kept: a sum of native buckets by itself
 *
 * native.c makes one of a sum in order; here it is made of numbers that were written down, and put
 * together with another. Numbers from a file are anybody's: what native_keep() could not have made
 * is no sum of buckets, and is refused before it is near a page.
 *
 * Laws: whoever makes one fills it once; then it never changes.
 */
#include "store/native.h"

#include <errno.h>
#include <stdlib.h>

#include "base/relaxed.h"
#include "store/bucket.h"

/* The finest bucket of +Inf, and one that is below the smallest magnitude which has a bucket. */
#define INDEX_MAX (1024 * BUCKET_PER_OCTAVE + 1)
#define INDEX_MIN (-129 * BUCKET_PER_OCTAVE)

struct native_kept *native_kept_new(size_t n_positive, size_t n_negative)
{
    struct native_kept *k = calloc(1, sizeof *k + (n_positive + n_negative) * sizeof k->p[0]);

    if (k == NULL)
        return NULL;
    k->n[0] = n_positive;
    k->n[1] = n_negative;
    return k;
}

void native_kept_free(struct native_kept *k)
{
    free(k);
}

static bool run_valid(const struct snapshot_bucket *p, size_t n, int schema, uint64_t *count)
{
    unsigned steps = (unsigned)(BUCKET_SCHEMA_MAX - schema);

    for (size_t i = 0; i < n; i++) {
        if (p[i].count == 0 || p[i].index < bucket_coarser(INDEX_MIN, steps) ||
            p[i].index > bucket_coarser(INDEX_MAX, steps) ||
            (i > 0 && p[i].index <= p[i - 1].index))
            return false;
        *count = sum_or_most(*count, p[i].count);
    }
    return true;
}

bool native_kept_valid(const struct native_kept *k, uint64_t *count)
{
    uint64_t total = sum_or_most(k->zero, k->nan);

    if (k->schema < NATIVE_SCHEMA_MIN || k->schema > BUCKET_SCHEMA_MAX ||
        k->n[0] + k->n[1] > NATIVE_MAX_BUCKETS || !run_valid(k->p, k->n[0], k->schema, &total) ||
        !run_valid(k->p + k->n[0], k->n[1], k->schema, &total) || total == 0)
        return false;
    *count = total;
    return true;
}

int native_kept_sum(const struct native_kept *a, const struct native_kept *b,
                    struct native_kept **out)
{
    struct native_merge *m = native_merge_new();
    struct snapshot_native unused;
    uint64_t count;
    int rc = m != NULL ? 0 : -ENOMEM;

    if (rc == 0)
        native_merge_begin(m, BUCKET_SCHEMA_MAX);
    if (rc == 0 && a != NULL)
        rc = native_merge_add_kept(m, a);
    if (rc == 0 && b != NULL)
        rc = native_merge_add_kept(m, b);
    if (rc == 0) {
        native_merge_end(m, NATIVE_MAX_BUCKETS, &unused, &count);
        rc = native_keep(m, out);
    }
    native_merge_free(m);
    return rc;
}
