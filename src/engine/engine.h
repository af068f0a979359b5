/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine: what its files share
 *
 *      engine.c    the object, the mapping's reload, the control thread's tick
 *      advise.c    what a mapping surely does not mean, with this engine's settings
 *      feed.c      a batch of datagrams through the routes
 *      apply.c     what a route does with a sample: into the cell, or counted
 *      long.c      a line that is not plain, sample by sample
 *      resolve.c   the long way: identity -> mapping -> labels
 *      resolve_route.c             -> series -> route
 *      overflow.c  what becomes of an identity that is over a limit
 *      overflow_page.c             its families on the page; cardinality.c: as a document
 *      exemplar.c  tags for exemplars, from the sample to the page
 *      insight.c   what an operator asks: counts, rules, notes
 *      labels.c    its part of the labels: tags and a rule's become one text
 *      notes.c     some of the lines that were refused, or that no rule takes
 *      settings.c  what a rule says of its samples, told
 *      sweep.c     after a reload: the long way again for what is remembered
 *      identities.c  what workers remember, copied between batches and told as JSON
 *      own.c       the engine's own families
 *      scrape.c    the page, slice by slice
 *      state.c     all series to bytes and back: src/state with this engine's clock and rules
 *      stem.c      which counters may lose their _total on it
 *      shadow.c    what another mapping would make of all that is sent (shadow.h)
 *      survey.c    all families and series, looked at; distinct.c counts labels' values
 *      explain.c   the long way without doing it; explain_text.c, explain_json.c tell of it
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdatomic.h>

#include "bacowr/aggregator.h"
#include "base/buf.h"
#include "engine/notes.h"
#include "mapping/mapping.h"
#include "store/cell.h"
#include "store/exemplar.h"
#include "store/folded.h"
#include "store/reclaim.h"
#include "store/route.h"
#include "store/series.h"

/* Which limit of series an identity is over: route.reason of OP_FOLD and OP_LIMIT. In the order of
 * enum series_outcome's. */
enum limit { LIMIT_SERIES, LIMIT_FAMILY, LIMIT_LABEL };
#define N_LIMITS 3
extern const char *const limit_names[N_LIMITS]; /* overflow.c */

/* What a worker counts. own.c says under which name each is shown. */
enum stat {
    STAT_DATAGRAMS,
    STAT_LINES,
    STAT_SAMPLES,
    STAT_TAGGED,
    STAT_TAG_ERRORS,
    STAT_TRUNCATED_LINES,
    STAT_DOGSTATSD_EVENTS,
    STAT_DOGSTATSD_CHECKS,
    STAT_UNKNOWN_FIELDS,
    STAT_EXEMPLARS,
    STAT_EXEMPLARS_DROPPED,
    STAT_UNAPPLIED_MAPPED,   /* events of a rule that did not reach a series */
    STAT_UNAPPLIED_UNMAPPED, /* the same without a rule */
    STAT_DROPPED,            /* events that the mapping throws away */
    STAT_EMPTY_NAME,
    STAT_NEGATIVE,
    STAT_NOT_FINITE,
    STAT_LIMIT,                          /* + enum limit: refused */
    STAT_FOLDED = STAT_LIMIT + N_LIMITS, /* + enum limit: went to a fold */
    STAT_TOO_COMPLEX = STAT_FOLDED + N_LIMITS,
    STAT_TOO_LONG,
    STAT_NO_MEMORY,
    STAT_CONFLICT,
    STAT_RENAMED_LABELS,
    STAT_REGEX_LIMIT,
    STAT_ROUTE_HITS,
    STAT_ROUTE_MISSES,
    STAT_ROUTES, /* the worker's routes now */
    STAT_ROUTE_BYTES,
    STAT_ROUTE_EVICTED,
    STAT_NATIVE_LOST,                              /* cells that gave up their native buckets */
    STAT_SWEPT,                                    /* the generation of the last whole sweep */
    STAT_REASONS,                                  /* + enum statsd_reason */
    STAT_EVENTS = STAT_REASONS + STATSD_N_REASONS, /* + STAT_EVENT(kind, mapped) */
    N_STATS = STAT_EVENTS + 2 * MAPPING_N_KINDS,
};
#define STAT_EVENT(kind, mapped) (STAT_EVENTS + 2 * (unsigned)(kind) + ((mapped) ? 1u : 0u))

/* What a route does with a sample: the index of apply.c's table. */
enum op {
    OP_COUNT,
    OP_GAUGE,
    OP_GAUGE_SET,  /* also when it has a sign */
    OP_GAUGE_ETSY, /* where there is no number to change, it is set */
    OP_BUCKETS,
    OP_SKETCH,
    OP_SET,
    OP_DROP,       /* the rule says so, or the defaults where there is none */
    OP_REFUSE,     /* the line is wrong: route.reason */
    OP_EMPTY_NAME, /* the name became empty */
    OP_TOO_LONG,   /* name and labels are more than a page should carry */
    OP_CONFLICT,   /* the registry refuses it: counted in route.cell */
    OP_LIMIT,      /* too many series; from OP_CONFLICT on it may heal: see route.n_removals */
    OP_FOLD,       /* too many series: to the family's fold */
};
#define N_OPS 14

enum route_flag {
    ROUTE_TAGGED = 1, /* (1: it is added up) has labels of its own: counts in tags_total */
    ROUTE_MAPPED = 2, /* a rule takes it */
    ROUTE_RARE = 4,   /* has error counts to add */
    ROUTE_SCALED = 8, /* divisor or scale is not 1 */
    ROUTE_PLAIN = 16, /* statsd_is_plain() */
};

/* The lines of a group whose routes have the same turn are applied together: see apply.c. */
enum turn {
    TURN_COUNT,        /* counters that no rule takes */
    TURN_COUNT_MAPPED, /* by a rule; neither is divided or scaled */
    TURN_GAUGE,
    TURN_BUCKETS,
    TURN_OTHER,
};
#define N_TURNS 5

/* What a rule took on a worker: written by that, read by control. */
struct rule_count {
    relaxed_u64 n;     /* identities, each time that one was looked up */
    relaxed_u64 at_ms; /* the last of them */
};

/* One generation of rules. */
struct rules {
    struct retired retired;
    struct mapping *mapping;
    uint64_t fingerprint; /* of the texts: the same in every process */
    uint32_t gen;
    size_t stride;             /* of each worker's row in: */
    struct rule_count *counts; /* owned; NULL: there was no memory, nothing is counted */
};

struct label_pair {
    struct slice key;
    struct slice value;
};

/* Room for the long way; one per worker, one for explain. */
struct resolver {
    struct statsd_identity identity;
    struct mapping_scratch *mapping_scratch;
    struct buf scratch; /* statsd_identify()'s */
    struct buf keys;    /* label keys with a prefix */
    struct buf name;    /* of the family, escaped */
    struct buf labels;  /* as on the page */
    struct buf names;   /* label names, each followed by ',' */
    struct buf points;  /* doubles of a shape_spec */
    struct label_pair *pairs;
    unsigned n_pairs, cap_pairs;
    unsigned n_renamed;
};

/* What the long way found out about an identity, before the registry is asked. */
struct resolution {
    enum op op; /* what the route will do if the registry agrees */
    enum mapping_kind kind;
    enum metric_type type;
    struct mapping_result match;
    const struct mapping_defaults *defaults; /* this and the next two: of the mapping */
    const struct mapping_label_ops *label_ops;
    const struct mapping_observer_options *observer;
    int64_t set_window_ns;
    double set_error;
    int64_t ttl_ns;
    double divisor; /* a value is divided by this and multiplied by that */
    double scale;
    struct slice help;
    struct slice name;
    struct slice labels;
    struct slice label_names;
};

struct bacowr_worker {
    struct bacowr *b; /* outlives the worker */
    unsigned i;
    struct routes *routes;
    struct resolver resolver;
    struct buf suffix;           /* a suffix without its extras */
    struct buf check;            /* a service check as the line of a gauge */
    struct buf exemplar;         /* the labels of one */
    struct exemplars *exemplars; /* NULL: there are no tags for them */
    struct notes *notes;

    /* Who is over a limit; made with the first, published with release. Control reads. */
    _Atomic(struct folded *) folded;

    /* Of the batch under way. */
    struct rules *rules;
    struct cell_time time;
    uint32_t aged_tick;
    size_t work_left; /* bytes of identities that may still be read the long way: see long.c */

    /* sweep.c's. */
    struct route_walk walk;
    uint32_t sweeping_gen; /* of the rules that the walk is for */
    uint32_t swept_gen;    /* of the last walk that ended */
    bool busy;             /* the last call brought datagrams */

    _Atomic(struct cell_outgrown *) outgrown; /* pushed here, taken by control */
    relaxed_u64 stats[N_STATS];               /* written here, read by control */
};

/* Room for the exemplars of a series: grows to the most buckets met. */
struct exemplar_reader {
    struct snapshot_exemplar *items;
    char (*texts)[EXEMPLAR_TEXT_MAX];
    unsigned n;
};

struct bacowr {
    struct bacowr_config config;
    struct reclaim reclaim;
    struct registry registry;
    _Atomic(struct rules *) rules;          /* published with release by control */
    struct cell_reader reader;              /* control's */
    struct exemplar_reader exemplar_reader; /* control's */
    struct resolver resolver;               /* control's: explain */
    double *own_base; /* owned; what each row of own.c had before this process; NULL: nothing */
    struct bacowr_worker *workers[BACOWR_MAX_WORKERS];
};

static inline void stat_add(struct bacowr_worker *w, unsigned stat, uint64_t n)
{
    relaxed_grow(&w->stats[stat], n); /* a sample may weigh 2^53 */
}

/* Begin @b anew. A failed allocation would stay with it: such a buffer is given up, and tried
 * again. */
static inline void buf_renew(struct buf *b)
{
    if (b->failed)
        buf_release(b);
    else
        buf_clear(b);
}

/* ---- engine.c ---- */

const struct mapping *mapping_of(const struct bacowr_mapping *m);

/* ---- apply.c ---- */

/* One sample with a well-formed value: what its identity counts, then its operation. */
void feed_apply(struct bacowr_worker *w, const struct route *r, struct slice text, double v);

/* ---- feed.c ---- */

/* Is what @r says still so? */
bool feed_route_holds(const struct bacowr_worker *w, const struct route *r);

/* ---- long.c ---- */

/* Bytes of identities that a batch may read the long way at nobody's cost. */
#define FEED_BATCH_WORK (64u * 1024u)

/* A line that is not empty, the long way. */
void feed_line(struct bacowr_worker *w, struct slice line);

/* Is the type behind the first '|' of @suffix that of sets? */
bool feed_is_set(struct slice suffix);

/*
 * Read a sample's value: a number; the member of a set is any text but none, and @v is 0 then.
 * False when it is malformed.
 */
bool feed_read_value(struct slice suffix, struct slice value, double *v);

/* ---- exemplar.c ---- */

int exemplars_init(struct bacowr_worker *w); /* 0 or -ENOMEM */

/* A sample with value @v was applied by @r: keep what it brought for an exemplar, counted. */
void exemplar_keep(struct bacowr_worker *w, const struct route *r, const struct statsd_exemplar *e,
                   double v);

/* Show the newest exemplars of @series. To be called before it is read. 0 or -ENOMEM. */
int exemplars_show(struct bacowr *b, const struct series *series, struct snapshot_series *shown);
void exemplar_reader_release(struct exemplar_reader *r); /* accepts a zeroed one */

/* ---- resolve.c ---- */

int resolver_init(struct resolver *r, uint32_t regex_steps); /* 0 or -ENOMEM */
void resolver_release(struct resolver *r);

/*
 * What do samples of (@name, @suffix) become under @mapping? Fills @r->identity and @out, whose
 * views borrow @r, @name, @suffix and the mapping. 0 or -ENOMEM.
 */
int resolve(struct resolver *r, const struct mapping *mapping, const struct bacowr_config *config,
            struct slice name, struct slice suffix, struct resolution *out);

/* Why a sample of (@name, @suffix) with a malformed value is refused. */
enum statsd_reason resolve_refusal(struct bacowr_worker *w, struct slice name, struct slice suffix);

/* For struct mapping_query: the value of a label of a struct statsd_identity, empty without it. */
struct slice identity_tag(const void *identity, struct slice key);

/* ---- resolve_route.c ---- */

/* An identity that a worker met, with the value it came with. */
struct route_request {
    struct route_key key; /* its suffix without extras */
    double value;
    unsigned n_name_tag_errors; /* from statsd_split() */
};

/*
 * The whole way to a route, counted and remembered. A value that its counter will refuse makes no
 * series and no memory. @room, which has a plan, is used when the table cannot take the route. The
 * route, or NULL without memory (counted).
 */
struct route *resolve_route(struct bacowr_worker *w, const struct route_request *q,
                            struct route *room);

/*
 * Bring @r, a route with a series, up to the rules in force, and its series too. It stays as it is,
 * and misses, when these rules send its samples elsewhere, or nowhere yet. Nothing is counted.
 */
void resolve_again(struct bacowr_worker *w, struct route *r);

/*
 * What a route does with the values of an identity, as far as @id and @res decide it: neither
 * series nor generation.
 */
void plan_from_identity(struct route_plan *p, const struct statsd_identity *id,
                        const struct resolution *res, unsigned n_name_tag_errors);

/*
 * The series of @res, or with @fold that of its family for what is over a limit: what series_find()
 * cannot answer goes to @ask, series_acquire() or series_follow(). Their outcome.
 */
int resolve_series(struct bacowr_worker *w, const struct resolution *res, bool fold,
                   int (*ask)(struct registry *r, const struct series_birth *birth,
                              struct series_ref *out),
                   struct series_ref *ref);

/* Is @v the value of a sample that a series of this plan would take? */
bool plan_wants(const struct route_plan *p, double v);

/* ---- overflow.c ---- */

/* The labels of a fold, and their names. */
#define OVERFLOW_LABEL  "overflow"
#define OVERFLOW_LABELS OVERFLOW_LABEL "=\"true\""
#define OVERFLOW_NAMES  OVERFLOW_LABEL ","

/* The identity of @res is over @limit, a SERIES_E_..._LIMIT: it is noted, and @p gets an operation
 * and the reason. Is it to be folded? */
bool overflow_folds(struct bacowr_worker *w, const struct resolution *res, int limit,
                    struct route_plan *p);

/*
 * Control's: what would become of the identity of @res now? The name of the limit that it is over,
 * NULL when there is none; @folds: it would be folded, else refused, at that limit or at any.
 */
const char *overflow_ask(struct bacowr *b, const struct resolution *res, bool *folds);

/* What all workers noted. 0 or -ENOMEM. */
int overflow_read(const struct bacowr *b, struct folded_report *out);

/* ---- overflow_page.c ---- */

/* The families that tell of it. */
struct overflow_page;
#define OVERFLOW_PAGE_FAMILIES 3u

int overflow_page_reserve(struct bacowr *b); /* their names. 0 or -ENOMEM */

/* Fills @families, which borrow the page. 0 or -ENOMEM. */
int overflow_page_new(struct overflow_page **out, const struct bacowr *b,
                      struct bacowr_own_family families[OVERFLOW_PAGE_FAMILIES]);
void overflow_page_free(struct overflow_page *p); /* accepts NULL */

/* ---- labels.c ---- */

/*
 * The labels of @res, whose type and match are known, out of @r->identity: fills its labels and
 * label_names, which borrow @r. 0 or -ENOMEM.
 */
int labels_build(struct resolver *r, struct resolution *res);

/* ---- sweep.c ---- */

/* A step through the worker's routes, at the end of a call with @n_datagrams. */
void sweep(struct bacowr_worker *w, unsigned n_datagrams);

/* ---- own.c ---- */

/* Reserve the engine's own names. 0 or -ENOMEM. */
int own_reserve(struct bacowr *b);

/* The family that counts conflicts, and how many names it tells apart. */
#define OWN_CONFLICTS      "statsd_exporter_events_conflict_total"
#define OWN_CONFLICTS_HELP "Samples refused because the metric already has another type."
#define OWN_CONFLICTS_MAX  1000u

struct own_families;

/* The engine's and the embedding program's families in name order. 0 or -ENOMEM. */
int own_new(struct own_families **out, struct bacowr *b, const struct bacowr_own_family *more,
            unsigned n_more);
void own_free(struct own_families *o); /* accepts NULL */
unsigned own_n(const struct own_families *o);
const struct bacowr_own_family *own_at(const struct own_families *o, unsigned i);

/* ---- stem.c ---- */

/* The families of a page, both in name order. */
struct page_names {
    struct family *const *families; /* the registry's; pinned by the scrape */
    size_t n_families;
    const struct own_families *own;
};

/* Does @counter end in _total, and is what stands before it no other family's name? */
bool stem_is_free(const struct page_names *names, struct slice counter);

#endif
