/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Insight: what an operator asks of an engine that runs
 *
 * Counts by number, and JSON about rules, refused lines, names without a rule, families and labels.
 * Contract: the control thread's, like scrapes; no worker is stopped or slowed. Keys of JSON
 * objects are only added, never renamed or taken away. Times are ages in seconds at @now_ms.
 */
#ifndef BACOWR_INSIGHT_H
#define BACOWR_INSIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "bacowr/slice.h"

struct bacowr;
struct buf;  /* base/buf.h */
struct json; /* base/json.h */
struct bacowr_survey;

/* ---- counts that only grow ---- */

enum bacowr_total_id {
    BACOWR_TOTAL_LINES,
    BACOWR_TOTAL_SAMPLES,
    BACOWR_TOTAL_EVENTS, /* that reached their series */
    BACOWR_TOTAL_UNMAPPED,
    BACOWR_TOTAL_DROPPED, /* as the mapping says */
    BACOWR_TOTAL_BORN,    /* series */
    BACOWR_TOTAL_EXPIRED,
    BACOWR_TOTAL_REFUSED, /* the first of the reasons, which are the rest */
};

/* How many there are. */
unsigned bacowr_n_totals(void);

/* "lines", or a reason as the metrics page names it. Never freed. */
const char *bacowr_total_name(unsigned id);

/* The counter in which a reason is counted on the metrics page; NULL for what is none. */
const char *bacowr_total_counter(unsigned id);

/* All of them, @totals has room for as many. */
void bacowr_read_totals(const struct bacowr *b, uint64_t *totals);

/* ---- JSON ---- */

struct bacowr_tell {
    int64_t now_ms;
    bool secrets;       /* with lines as they came, and who sent them */
    struct slice match; /* only what has this in it; empty: all */
    bool never;         /* only rules that took nothing */
    unsigned limit;     /* so many at most */
};

/*
 * Each writes members of the object that is open in @j. A failed allocation stays with its buffer.
 */
void bacowr_tell_mapping(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j);
void bacowr_tell_refused(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j);
void bacowr_tell_unmapped(const struct bacowr *b, const struct bacowr_tell *tell, struct json *j);

/* ---- a walk past all series ---- */

#define BACOWR_SURVEY_MAX 1000u /* families that are told of */

/*
 * Begin to look at all families and series that are alive now. tell->match is copied, of at most
 * 256 bytes. 0 or -ENOMEM.
 */
int bacowr_survey_new(struct bacowr_survey **out, struct bacowr *b, const struct bacowr_tell *tell);

/* Look at some @n_series more. True: there are more. */
bool bacowr_survey_next(struct bacowr_survey *s, unsigned n_series);

/* What was found, as members of the object that is open in @j. */
void bacowr_survey_tell(struct bacowr_survey *s, struct json *j);
void bacowr_survey_free(struct bacowr_survey *s); /* accepts NULL */

#endif
