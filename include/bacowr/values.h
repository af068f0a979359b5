/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: what the series of one kind show now, one after the other
 *
 * For whoever wants numbers and not the page. Contract: the control thread's, like scrapes; no
 * worker is stopped or slowed. It is made in steps, and families that it looks at are not freed
 * before it is.
 */
#ifndef BACOWR_VALUES_H
#define BACOWR_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "bacowr/slice.h"

struct bacowr;
struct bacowr_values;

enum bacowr_values_kind {
    BACOWR_VALUES_COUNTERS,
    BACOWR_VALUES_GAUGES,
    BACOWR_VALUES_OBSERVERS, /* histograms and summaries */
};

/* Of one series; borrowed during the call that tells it. */
struct bacowr_value {
    struct slice name;
    struct slice labels; /* as on the page without braces: code="200" */
    double value;        /* counters and gauges */
    uint64_t count;      /* observers */
    double sum;
};

/* What is to become of a series that was told. */
enum bacowr_verdict {
    BACOWR_KEEP,
    BACOWR_LET_GO, /* forget it, unless somebody goes on sending it: see bacowr_values_next() */
};

/*
 * Begin to walk past what is alive now and has a name that begins with @prefix, which is borrowed
 * during the call. 0 or -ENOMEM.
 */
int bacowr_values_new(struct bacowr_values **out, struct bacowr *b, enum bacowr_values_kind kind,
                      struct slice prefix, int64_t now_ms);

/*
 * Look at some @n_series more, in order of their names and births, and tell each of the kind to
 * @fn. 1: more to come. 0: that was the end. -ENOMEM.
 *
 * A series that is let go expires as if its time to live were a tenth of a second: with the next
 * steps of bacowr_tick() if it had none, within 13 s if it had one. One that is sent meanwhile
 * gets back what the rules say.
 */
int bacowr_values_next(struct bacowr_values *v, unsigned n_series,
                       enum bacowr_verdict (*fn)(void *ctx, const struct bacowr_value *value),
                       void *ctx);
void bacowr_values_free(struct bacowr_values *v); /* accepts NULL */

#endif
