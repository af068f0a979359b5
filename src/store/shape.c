/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shape: how the samples of a series are kept
 *
 * A few settings decide the layout of a cell: the number of buckets of a histogram, the number of
 * slots in a summary's window. Others decide what it points to: the resolution of native buckets.
 * They come from the mapping file, so there are few distinct ones, and a hundred thousand series
 * share them. What the page repeats for each series - the bounds as text - is printed here, once.
 *
 * Laws: a shape never changes. A cell's layout follows from its shape alone.
 */
#include "store/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "store/cell.h"
#include "store/native.h"
#include "store/set.h"

static unsigned spec_n_points(const struct shape_spec *spec)
{
    return spec->type == METRIC_HISTOGRAM ? spec->n_bounds
           : spec->type == METRIC_SUMMARY ? spec->n_quantiles
                                          : 0;
}

static const double *spec_points(const struct shape_spec *spec)
{
    return spec->type == METRIC_HISTOGRAM ? spec->bounds : spec->quantiles;
}

static bool spec_has_window(const struct shape_spec *spec)
{
    return spec->type == METRIC_SUMMARY || spec->type == METRIC_SET;
}

/* The window's slot, never shorter than the clock's resolution. */
static int64_t spec_slot_ms(const struct shape_spec *spec)
{
    int64_t slot_ms = spec_has_window(spec) ? spec->window_ms / spec->n_slots : 0;

    return slot_ms > 0 || !spec_has_window(spec) ? slot_ms : 1;
}

/* So many that a block holds them. */
static uint32_t spec_native_max(const struct shape_spec *spec)
{
    if (spec->type != METRIC_HISTOGRAM)
        return 0;
    return spec->native_max < NATIVE_MAX_BUCKETS ? spec->native_max : NATIVE_MAX_BUCKETS;
}

static int spec_native_schema(const struct shape_spec *spec)
{
    return spec_native_max(spec) > 0 ? spec->native_schema : 0;
}

static unsigned spec_set_bits(const struct shape_spec *spec)
{
    if (spec->type != METRIC_SET)
        return 0;
    return spec->set_bits > 0 ? spec->set_bits : SET_DEFAULT_BITS;
}

static int shape_print_points(struct shape *s)
{
    char *text;

    if (s->n_points == 0)
        return 0;
    s->texts = calloc(s->n_points, sizeof *s->texts + NUM_TEXT_MAX);
    if (s->texts == NULL)
        return -ENOMEM;
    text = (char *)(s->texts + s->n_points);
    for (unsigned i = 0; i < s->n_points; i++, text += NUM_TEXT_MAX)
        s->texts[i] = slice_of(text, num_print(text, s->points[i]));
    return 0;
}

int shape_new(struct shape **out, const struct shape_spec *spec)
{
    struct shape *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    s->type = spec->type;
    s->n_points = spec_n_points(spec);
    s->native_max = spec_native_max(spec);
    s->native_schema = spec_native_schema(spec);
    s->n_slots = spec_has_window(spec) ? spec->n_slots : 0;
    s->slot_ms = spec_slot_ms(spec);
    s->set_bits = spec_set_bits(spec);
    s->cell_size = cell_size(s);
    if (s->n_points > 0) {
        s->points = malloc(s->n_points * sizeof *s->points);
        if (s->points == NULL)
            goto fail;
        memcpy(s->points, spec_points(spec), s->n_points * sizeof *s->points);
    }
    if (shape_print_points(s) != 0)
        goto fail;
    *out = s;
    return 0;

fail:
    shape_free(s);
    return -ENOMEM;
}

void shape_free(struct shape *s)
{
    if (s == NULL)
        return;
    free(s->points);
    free(s->texts);
    free(s);
}

bool shape_is(const struct shape *s, const struct shape_spec *spec)
{
    unsigned n = spec_n_points(spec);

    if (s->type != spec->type || s->n_points != n || s->slot_ms != spec_slot_ms(spec))
        return false;
    if (spec_has_window(spec) && s->n_slots != spec->n_slots)
        return false;
    if (s->set_bits != spec_set_bits(spec))
        return false;
    if (s->native_max != spec_native_max(spec) || s->native_schema != spec_native_schema(spec))
        return false;
    return n == 0 || memcmp(s->points, spec_points(spec), n * sizeof *s->points) == 0;
}

/* What a summary's cell holds does not depend on the quantiles that are read out of it. */
bool shape_same_cells(const struct shape *a, const struct shape *b)
{
    return a == b || (a->type == METRIC_SUMMARY && b->type == METRIC_SUMMARY &&
                      a->n_slots == b->n_slots && a->slot_ms == b->slot_ms);
}
