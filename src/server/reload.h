/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload: the mapping files and the web configuration, at start and whenever somebody asks
 *
 * Contract: all of it is called on the control thread. A reload works on a thread of libuv's pool;
 * its outcome is logged, counted and told on the loop. One runs at a time.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"
#include "bacowr/aggregator.h"
#include "conf/options.h"

struct door;
struct reload;

enum reload_part {
    RELOAD_MAPPING = 1,
    RELOAD_WEB = 2,
    RELOAD_ALL = RELOAD_MAPPING | RELOAD_WEB,
};

struct reload_config {
    uv_loop_t *loop;       /* borrowed, like all below: they outlive the struct */
    struct bacowr *engine; /* whose rules are replaced */
    const struct log *log;
    const struct options_list *paths; /* of files and directories; empty: there is no mapping */
    const char *web_config;           /* NULL: none */

    void *ctx;
    void (*began)(void *ctx); /* a run, but for the first load */
    /*
     * The web configuration was read, out of @files (borrowed). @d is taken; NULL: it is wrong, and
     * the one before goes on.
     */
    void (*door)(void *ctx, struct door *d, const struct options_list *files);
    /* Run number @run is over: 0, or a negative errno and the reason in @message (borrowed). */
    void (*done)(void *ctx, uint64_t run, int r, struct slice message);
};

struct reload_stats {
    uint64_t good;
    uint64_t failed;
    bool last_failed;                    /* the file that was read last is not the one in force */
    char error[sizeof(struct err) + 64]; /* why, then */
    uint64_t n_warnings;                 /* of the load before */
    double last_good_seconds;            /* when a file came into force, since 1970; 0: never */
};

/* 0 or -ENOMEM. */
int reload_new(struct reload **out, const struct reload_config *config);

/* Load all there is now, before anything is served. 0, or a negative errno with @e filled. */
int reload_first(struct reload *r, struct err *e);

/*
 * Load @parts (of enum reload_part) once more: at once, or as soon as the run that goes on is over.
 * The number of the run that reads the files as they are now; 0 when there are none to load.
 */
uint64_t reload_ask(struct reload *r, unsigned parts);

/* Valid as long as @r. */
const struct reload_stats *reload_stats(const struct reload *r);     /* of the mapping */
const struct reload_stats *reload_web_stats(const struct reload *r); /* of the web configuration */

/* No more runs; what the one that goes on brings is thrown away. The loop waits for it. */
void reload_stop(struct reload *r); /* accepts NULL */
void reload_free(struct reload *r); /* after the loop has ended; accepts NULL */

#endif
