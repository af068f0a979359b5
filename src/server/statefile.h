/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State file: what is counted outlives the process
 *
 * Contract: the control thread. statefile_new() before anything is counted; statefile_load() when
 * nothing else can fail the start, before a worker runs; statefile_begin() with the loop;
 * statefile_end() when the workers have ended, or statefile_give_up() when another process goes on
 * with the counts; statefile_free() after the loop was closed.
 */
#ifndef SERVER_STATEFILE_H
#define SERVER_STATEFILE_H

#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "bacowr/aggregator.h"

struct statefile;

struct statefile_config {
    uv_loop_t *loop; /* borrowed, like all below: they outlive the struct */
    struct bacowr *engine;
    const struct log *log;
    const char *path;    /* NULL: there is no file, and nothing is done */
    int64_t interval_ms; /* between two savings of gauges and sets; 0: none */
    int64_t max_age_ms;  /* of gauges and sets that are taken up; 0: any */
};

/* Files that were set aside or could not be read, by reason. */
enum statefile_refusal {
    STATEFILE_DAMAGED,
    STATEFILE_FOREIGN,
    STATEFILE_VERSION,
    STATEFILE_UNREADABLE,
};
#define STATEFILE_N_REFUSALS 4

struct statefile_stats {
    uint64_t saved, failed;    /* savings */
    double last_saved_seconds; /* since 1970; 0: never */
    uint64_t last_size;        /* bytes of the file */
    uint64_t last_series;      /* in it */
    uint64_t refused[STATEFILE_N_REFUSALS];
    uint64_t loaded[BACOWR_STATE_N_OUTCOMES]; /* series at the start, by outcome */
};

/* 0; -ENOMEM; another negative errno with @e filled: the path can never be a file. */
int statefile_new(struct statefile **out, const struct statefile_config *config, struct err *e);

/* Take up what a former process left. Whatever the file is, the start goes on. */
void statefile_load(struct statefile *f);

/* From now on what was taken up is this process's, and is saved now and then. 0 or a negative
 * errno. */
int statefile_begin(struct statefile *f);

/* Everything is saved, as by a process that ends in order. Runs the loop until a saving under way
 * has ended. */
void statefile_end(struct statefile *f);

/* Another process goes on with the counts and with the file: nothing is saved any more. Runs the
 * loop likewise. */
void statefile_give_up(struct statefile *f);

void statefile_close(struct statefile *f); /* the loop will end; accepts NULL */
void statefile_free(struct statefile *f);  /* accepts NULL */
const struct statefile_stats *statefile_stats(const struct statefile *f);

#endif
