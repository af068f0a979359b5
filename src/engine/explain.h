/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: what is found out of a line, and who tells it
 *
 *      explain.c        finds out, by the functions that feed lines too
 *      explain_text.c   words for people
 *      explain_json.c   an object for programs
 *
 * Contract: a line is told by line(), then sample() for each of its samples, in their order, then
 * end(). What a teller is given is borrowed for the call. A teller writes and judges nothing;
 * failed allocations stay with its buffer.
 */
#ifndef ENGINE_EXPLAIN_H
#define ENGINE_EXPLAIN_H

#include "base/json.h"
#include "engine/engine.h"
#include "mapping/explain.h"

/* Where a refusal is counted: a counter of the page and its label `reason`; NULL: none. */
struct explain_refusal {
    const char *counter;
    const char *reason;
};

enum explain_line_outcome {
    EXPLAIN_SAMPLES,
    EXPLAIN_LINE_REFUSED,
    EXPLAIN_EVENT, /* DogStatsD's: counted, left out */
    EXPLAIN_CHECK,
    EXPLAIN_EMPTY,
};

struct explain_line {
    struct slice text;
    enum explain_line_outcome outcome;
    struct explain_refusal refusal;
    unsigned n_tag_errors; /* in the name */
};

enum explain_sample_outcome {
    EXPLAIN_SERIES,
    EXPLAIN_REFUSED,
    EXPLAIN_DROPPED, /* its rule says so */
    EXPLAIN_NOTHING, /* an observation that counts no times */
};

enum explain_op { EXPLAIN_ADD, EXPLAIN_SET, EXPLAIN_CHANGE, EXPLAIN_OBSERVE, EXPLAIN_MEMBER };

struct explain_sample {
    unsigned n; /* from 1 */
    struct slice value, suffix;
    enum explain_sample_outcome outcome;
    struct explain_refusal refusal;

    /* False: refused before it had a meaning; nothing below is filled then. */
    bool read;
    enum explain_op op;
    double effect; /* of a member: the value's text is it */
    int64_t times; /* how often it counts */
    const struct mapping *mapping;
    const struct resolver *resolver; /* identity; pairs of labels, when there is a series */
    const struct resolution *res;
    const struct mapping_candidates *candidates; /* none, unless the form tells of them */

    /* Refused since another family is in the way: a SERIES_E_..., or 0. @type is the holder's, if
     * it has one. */
    int clash;
    struct slice holder;
    enum metric_type holder_type;

    /* Of a series: the limit that it would be over now ("series", "family", "label"), or NULL; and
     * over one it is folded, else refused. */
    const char *limit;
    bool folds;
};

/* What a form is written with; begun by line(), done by end(). */
struct explain_teller {
    struct buf told;
    struct json json;
};

struct explain_form {
    bool candidates; /* tells why each rule that came close did not win, so all rules are asked */

    void (*line)(struct explain_teller *t, const struct explain_line *line);
    void (*sample)(struct explain_teller *t, const struct explain_sample *sample);

    /* Appends what was told to @out. @n_more samples were left out. */
    void (*end)(struct explain_teller *t, size_t n_more, struct buf *out);
};

/* What is told of rule @index: members of the object that is open in @j. */
void explain_put_rule(struct json *j, const struct mapping *m, uint32_t index);

/* Append @told, with what could move a terminal's cursor escaped. */
void explain_add_harmless(struct buf *out, struct slice told);

extern const struct explain_form explain_text, explain_json, explain_brief;

#endif
