/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: which rules take a name or come close, as data, and told
 *
 * Contract: mapping_explain() finds out, the tellers write down; whoever wants both forms asks
 * once. What was found borrows nothing and is released by its owner; the tellers need the mapping
 * that was asked.
 */
#ifndef MAPPING_EXPLAIN_H
#define MAPPING_EXPLAIN_H

#include "mapping/mapping.h"

/* From the best to the worst; what came close is ranked by how much of the name fitted. */
enum mapping_verdict {
    VERDICT_WINS,
    VERDICT_LATER,   /* takes it too, but another rule does before */
    VERDICT_EXCEPT,  /* would take it, but for an exception */
    VERDICT_LABEL,   /* would take it, but for the sample's labels */
    VERDICT_KIND,    /* would take it, but is for another kind */
    VERDICT_LIMIT,   /* a regex that gave up */
    VERDICT_SEGMENT, /* one segment is another */
    VERDICT_COUNT,   /* too many segments, or too few */
    VERDICT_REST,    /* a regex whose literal part fits */
    VERDICT_FAR,     /* not worth a word: never among the candidates */
};
#define N_VERDICTS             10

#define MAPPING_MAX_CANDIDATES 20

struct mapping_candidate {
    uint32_t rule; /* its index in the mapping */
    enum mapping_verdict verdict;
    size_t fit;             /* leading segments that fit */
    size_t condition;       /* which exception, or which label */
    size_t why_at, why_len; /* the verdict in words, in the candidates' text */
};

/* A zeroed struct is empty. */
struct mapping_candidates {
    struct mapping_candidate best[MAPPING_MAX_CANDIDATES]; /* the best first */
    size_t n;
    size_t n_more; /* came close too, but there was no room */
    struct buf text;
};

void mapping_candidates_release(struct mapping_candidates *c); /* accepts a zeroed one */

/*
 * Which rules took the name or came close (same literals up to some segment, other kind, an
 * exception, other labels, a regex whose literal prefix fits)? What @out held before is replaced. 0
 * or -ENOMEM.
 */
int mapping_explain(const struct mapping *m, const struct mapping_query *q,
                    struct mapping_scratch *s, struct mapping_candidates *out);

/* ---- tell.c ---- */

/* "wins", "later", ...: the verdict as one word. */
const char *mapping_verdict_name(enum mapping_verdict verdict);

/* The verdict of candidate @i in words; borrows @c. */
struct slice mapping_why(const struct mapping_candidates *c, size_t i);

/* One line for each candidate of @m, the winner marked. Failure stays with @out. */
void mapping_tell(const struct mapping *m, const struct mapping_candidates *c, struct buf *out);

#endif
