/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregator: the engine without its server
 *
 * Feed it batches of datagrams, ask it for the page that Prometheus scrapes. It does no I/O, knows
 * no threads, reads no clock: bytes and `now` go in, bytes come out. It can be embedded.
 *
 * Threads: worker i is fed by one thread at a time. All other functions belong to one thread, the
 * control thread, and may run while workers are fed. A scrape never stops a worker.
 *
 * Time: `now_ms` is a monotonic clock in milliseconds, never negative; all callers use the same.
 */
#ifndef BACOWR_AGGREGATOR_H
#define BACOWR_AGGREGATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "bacowr/slice.h"
#include "bacowr/statsd.h"

struct bacowr;
struct bacowr_worker;
struct bacowr_scrape;
struct bacowr_mapping;
struct buf; /* base/buf.h */
struct err; /* base/err.h */
struct ip;  /* base/cidr.h */

struct bacowr_config {
    unsigned n_workers;           /* 1..BACOWR_MAX_WORKERS */
    uint64_t hash_seed;           /* random: senders must not be able to guess it */
    struct statsd_options statsd; /* what it borrows outlives the engine */
    enum statsd_checks service_checks;
    enum statsd_gauge_mode gauge_mode; /* where no rule says it */
    /*
     * Series alive. What is over one of these limits goes to the series overflow="true" of its
     * name; of gauges, it is refused and counted.
     */
    uint64_t max_series;       /* 0: 1 000 000 */
    uint64_t max_family;       /* of one metric name; 0: as many as above */
    uint64_t max_label_values; /* distinct values of a label of one metric name; 0: any number */
    uint64_t max_routes;       /* remembered identities of each worker; 0: 2 097 152 */
    uint32_t regex_max_steps;  /* back, of a regex from each place of a name; 0: 10 000 */

    /* The wall clock at now_ms = 0, for the time at which a series was born; 0: it is not told. */
    int64_t unix_ms_at_zero;
    /* A counter that is younger is shown as 0, so that rate() sees what it began with; so are the
     * counts, sums and buckets of observations. 0: none is. */
    int64_t zero_first_ms;
    bool openmetrics; /* offer the page in OpenMetrics to those who ask for it */
};
#define BACOWR_MAX_WORKERS 64

/* 0, -ENOMEM, -EINVAL. The engine starts without rules: everything is unmapped. */
int bacowr_new(struct bacowr **out, const struct bacowr_config *config);
void bacowr_free(struct bacowr *b); /* no worker is being fed; accepts NULL */

/*
 * Load a mapping, aside from any engine; any thread may, and it may take a second. It is made of @n
 * texts, whose rules form one list in their order; one of them may have defaults, which hold for
 * all. Borrows @texts during the call. 0; -ENOMEM; -EINVAL with @e filled. Warnings go to
 * @on_warning (may be NULL).
 */
int bacowr_mapping_new(struct bacowr_mapping **out, const struct bacowr_text *texts, size_t n,
                       void (*on_warning)(void *ctx, const struct err *e), void *ctx,
                       struct err *e);
void bacowr_mapping_free(struct bacowr_mapping *m); /* one that was not published; accepts NULL */

/*
 * What in @m, not yet published, is legal and with the configuration of @b surely not meant goes to
 * @on_warning. Any thread may call.
 */
void bacowr_check_mapping(const struct bacowr *b, const struct bacowr_mapping *m,
                          void (*on_warning)(void *ctx, const struct err *e), void *ctx);

/*
 * Put @m, which is taken, in the old mapping's place: workers take it up with their next batch,
 * existing series go on.
 */
void bacowr_publish_mapping(struct bacowr *b, struct bacowr_mapping *m);

/* All in one, for a single text: load, check, and publish when it is good. */
int bacowr_load_mapping(struct bacowr *b, const char *file, struct slice text,
                        void (*on_warning)(void *ctx, const struct err *e), void *ctx,
                        struct err *e);
uint64_t bacowr_n_rules(const struct bacowr *b);

/* ---- the worker's side ---- */

/* Worker @i, borrowed. */
struct bacowr_worker *bacowr_worker(struct bacowr *b, unsigned i);

/* Bytes behind a padded datagram. */
#define BACOWR_PADDING 64u

struct bacowr_datagram {
    const char *p; /* borrowed during bacowr_feed() */
    size_t len;
    bool truncated; /* the kernel cut it: what follows its last LF is not a line */
    bool stream;    /* whole lines of a stream: nothing after the last LF is no line */
    bool padded; /* BACOWR_PADDING bytes behind it may be read, whatever they are: it is faster */
};

/*
 * Parse, map and fold a batch. Nothing is returned: what is refused is counted. To be called now
 * and then without datagrams too, so that identities that are not met any more are forgotten.
 */
void bacowr_feed(struct bacowr_worker *w, const struct bacowr_datagram *batch, unsigned n,
                 int64_t now_ms);

/*
 * Who sent the datagrams that are fed next: asked for one that holds a refused line, by its number
 * in the batch. False: nobody knows. Borrowed until that bacowr_feed() ends; only for one.
 */
struct bacowr_senders {
    bool (*of)(const void *ctx, unsigned i, struct ip *out);
    const void *ctx;
};
void bacowr_senders(struct bacowr_worker *w, const struct bacowr_senders *senders);

/* When a line was last refused, as far as it was noted; far below 0: never. For the thread that
 * feeds @w. */
int64_t bacowr_refused_ms(const struct bacowr_worker *w);

/* What a worker made of all that it was fed: grows only. */
struct bacowr_account {
    uint64_t lines;
    uint64_t refused; /* lines and samples, for whatever reason */
    uint64_t series;  /* born */
};

/* To be called by the thread that feeds @w. */
void bacowr_account(const struct bacowr_worker *w, struct bacowr_account *out);

/* Has the worker still to bring what it remembers up to newer rules? Each bacowr_feed() does a
 * part. */
bool bacowr_is_sweeping(const struct bacowr_worker *w);

/* ---- the control thread's side ---- */

/*
 * Expire what is due and give back what no worker can touch any more: a bounded step, to be called
 * about ten times a second.
 */
void bacowr_tick(struct bacowr *b, int64_t now_ms);

/*
 * After a step at @now_ms: for how many ms, at most @max_ms, the next one may be put off beyond its
 * time, unless a worker is fed or rules are published meanwhile.
 */
int64_t bacowr_rest_ms(struct bacowr *b, int64_t now_ms, int64_t max_ms);

enum bacowr_metric_type { BACOWR_METRIC_COUNTER, BACOWR_METRIC_GAUGE };

/* A family of the embedding program's own, shown in its place on the page. */
struct bacowr_own_sample {
    const char *labels; /* as on the page without braces: code="200"; NULL or "": none */
    double value;
};
struct bacowr_own_family {
    const char *name; /* its name is reserved: see bacowr_reserve() */
    const char *help;
    enum bacowr_metric_type type;
    unsigned n_samples;
    const struct bacowr_own_sample *samples;
};

/* Refuse senders' metrics of this name from now on. Before the first feed. 0 or -ENOMEM. */
int bacowr_reserve(struct bacowr *b, const char *name);

/*
 * Each counter of the engine's own families and of @own, with what it shows now; the texts are
 * borrowed during the call. 0 or -ENOMEM.
 */
int bacowr_each_counter(struct bacowr *b, const struct bacowr_own_family *own, unsigned n_own,
                        void (*fn)(void *ctx, const char *name, const char *labels, double value),
                        void *ctx);

/*
 * Let the engine's counter @name with @labels go on from @value, whatever it counted so far. False:
 * the engine has none of that name, or no memory.
 */
bool bacowr_count_on(struct bacowr *b, const char *name, const char *labels, double value);

/* A format of the page, of those that @b offers, chosen by an Accept header. Never freed. */
struct bacowr_format;
const struct bacowr_format *bacowr_format_for(const struct bacowr *b, struct slice accept);
const char *bacowr_content_type(const struct bacowr_format *format);

/*
 * Begin a page of what is alive now. @own (its arrays and strings are borrowed until the scrape is
 * freed) are the program's own families. Families that are on the page are not freed before the
 * scrape is; a series that expires meanwhile may be missing. 0 or -ENOMEM.
 */
int bacowr_scrape_new(struct bacowr_scrape **out, struct bacowr *b,
                      const struct bacowr_format *format, const struct bacowr_own_family *own,
                      unsigned n_own, int64_t now_ms);

/*
 * Append at least one and about @want bytes of the page to @out. 1: more to come. 0: that was the
 * end. -ENOMEM.
 */
int bacowr_scrape_next(struct bacowr_scrape *s, struct buf *out, unsigned want);
void bacowr_scrape_free(struct bacowr_scrape *s); /* accepts NULL */

/* ---- state: what is counted outlives the process ---- */

/*
 * Saving: the series as bytes, in bounded pieces, for a file or for a process that takes over. A
 * piece is a part of one stream: they are of use only together and in their order. Nothing is
 * changed; series that expire or are born meanwhile may be missing.
 *
 * With @counts everything is in it, and it is exact if no worker is fed from the beginning of the
 * saving to its end, for what is counted after its series was written is not. Without: gauges and
 * sets only, which may be saved at any time. Whoever takes up counts that others have shown greater
 * values of meanwhile, or that go on somewhere else, breaks them for who reads: so counts are for
 * the end of a process.
 */
struct bacowr_state_save;

/* 0 or -ENOMEM. The engine outlives it. Like a scrape it keeps families in memory while it is. */
int bacowr_state_save_new(struct bacowr_state_save **out, struct bacowr *b, bool counts,
                          int64_t now_ms);

/*
 * Append about @want bytes to @out; a series is not cut, so it may be more (most often by some
 * hundred bytes; by a set or a histogram of thousands of bounds by more), and where there is little
 * to save among many series it may be none. 1: more to come. 0: that was the end. -ENOMEM: nothing
 * can come any more.
 */
int bacowr_state_save_next(struct bacowr_state_save *s, struct buf *out, unsigned want);
uint64_t bacowr_state_save_n_series(const struct bacowr_state_save *s); /* so far */
void bacowr_state_save_free(struct bacowr_state_save *s);               /* accepts NULL */

/*
 * Loading: the reverse, in pieces of any size. Values are added to what the engine has by then; of
 * two gauges the one that was seen later stays. No worker is fed from the beginning of the loading
 * to its end. The mapping is published before: it decides what becomes of what conflicts with it.
 *
 * Any bytes are safe to give: what is wrong is found by checksums and bounds before it is near a
 * series. But what came before it was taken already. Whoever can read twice, as from a file, first
 * checks all of it (check_only), and then takes nothing of what is damaged; whoever cannot gives
 * the engine up.
 */
struct bacowr_state_load;

struct bacowr_state_load_config {
    bool check_only; /* nothing is taken; the engine may be NULL */
    bool counts;     /* take up counters and observers, if they are in it; else gauges and sets */

    /* Gauges and sets that were saved longer ago are not taken up; negative: they always are. */
    int64_t max_age_ms;
};

/* What a state is not, or not any more. */
enum bacowr_state_fault {
    BACOWR_STATE_WELL,
    BACOWR_STATE_FOREIGN, /* none of ours */
    BACOWR_STATE_VERSION, /* of another version */
    BACOWR_STATE_DAMAGED,
};

/* What becomes of a series of it. */
enum bacowr_state_outcome {
    BACOWR_STATE_RESTORED,
    BACOWR_STATE_NOT_COUNTED, /* its counts were not to be taken up */
    BACOWR_STATE_TOO_OLD,     /* gauge or set, past max_age_ms */
    BACOWR_STATE_TYPE,        /* its name belongs to another type by now */
    BACOWR_STATE_NAME,        /* its name is reserved, or clashes with another's samples */
    BACOWR_STATE_LIMIT,       /* as many series as allowed are alive */
    BACOWR_STATE_NO_MEMORY,
};
#define BACOWR_STATE_N_OUTCOMES 7

struct bacowr_state_report {
    enum bacowr_state_fault fault;
    const char *why;  /* static: what is wrong with it; empty: nothing so far */
    uint32_t version; /* of the stream; 0: not read yet */
    bool has_counts;  /* all series were saved */
    int64_t age_ms;   /* since it was saved, by the wall clocks; -1: unknown */
    uint64_t n_series[BACOWR_STATE_N_OUTCOMES]; /* check_only: as if all had found their place */
};

int bacowr_state_load_new(struct bacowr_state_load **out, struct bacowr *b,
                          const struct bacowr_state_load_config *config, int64_t now_ms);

/* Borrows @bytes during the call. 1: more has to come. 0: that was all of it. -EINVAL: it is
 * refused, the report says why. -ENOMEM. */
int bacowr_state_load_next(struct bacowr_state_load *l, const void *bytes, size_t n);
void bacowr_state_load_report(const struct bacowr_state_load *l, struct bacowr_state_report *out);
void bacowr_state_load_free(struct bacowr_state_load *l); /* accepts NULL */

/*
 * The globs of the mapping in force as a graph in Graphviz's language, appended to @out. 0 or
 * -ENOMEM.
 */
int bacowr_dump_fsm(struct bacowr *b, struct buf *out);

/*
 * The manual page of mapping files, in the language of man(7), appended to @out. @version is the
 * program's. 0 or -ENOMEM.
 */
int bacowr_mapping_man(const char *version, struct buf *out);

enum bacowr_explain_form {
    BACOWR_EXPLAIN_TEXT,  /* words, safe for a terminal */
    BACOWR_EXPLAIN_JSON,  /* an object a line, each on a line of its own */
    BACOWR_EXPLAIN_BRIEF, /* a line of words each, with what its samples do; safe likewise */
};

/*
 * How the lines of @text are read, which rule takes them and which came close, the series they
 * become: appended to @out. Nothing is counted or made. An empty @text is one empty line; an LF at
 * its end begins none. 0 or -ENOMEM.
 */
int bacowr_explain(struct bacowr *b, struct slice text, enum bacowr_explain_form form,
                   struct buf *out);

/*
 * The same, where somebody waits: of each line the first sample, and those after it up to
 * @max_work, which counts globs that are tried; a regex as ten, a sample as a hundred more. How
 * many were left out is told.
 */
int bacowr_explain_within(struct bacowr *b, struct slice text, enum bacowr_explain_form form,
                          size_t max_work, struct buf *out);

#endif
