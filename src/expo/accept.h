/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept: content negotiation over a table of formats
 *
 * Contract: pure functions over static tables; what the header's bytes are never matters beyond
 * the choice, and the work is linear in their number.
 */
#ifndef EXPO_ACCEPT_H
#define EXPO_ACCEPT_H

#include <stdbool.h>

#include "expo/encoder.h"

/* A parameter that a media range must carry with this value, or, if optional, may. */
struct accept_param {
    const char *name; /* NULL: none */
    const char *value;
    bool optional;
};

#define ACCEPT_MAX_PARAMS 2
#define ACCEPT_MAX_ROWS   8

struct accept_row {
    const char *type;
    const char *subtype;
    struct accept_param params[ACCEPT_MAX_PARAMS];
    bool by_name; /* a range with a wildcard does not mean it */
    const struct encoder *encoder;
};

/*
 * The row of @rows that @accept prefers, the first one when it accepts none. @n_rows is 1 to
 * ACCEPT_MAX_ROWS.
 */
const struct accept_row *accept_pick(struct slice accept, const struct accept_row *rows,
                                     unsigned n_rows);

#endif
