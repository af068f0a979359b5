/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series: the registry of families and their series
 *
 *      registry --> family "latency" --> vector {code,zone} --> shape, as decided
 *          |            `--> list of series in order of birth
 *          `--> index by name and labels --> series --> shape, as it is kept now
 *                                              |`--> cell of worker 0, 1, ...
 *                                              `--> what it carries of former shapes
 *
 * A family has one name, one help, one type; newer rules may make a histogram of a summary and the
 * reverse. A vector is a family's series with the same label names: the first that comes under a
 * generation of rules decides how all of them are kept. A series is a set of labels; it hands each
 * worker a cell of its own (gauges: one for all).
 *
 * Contract: series_find() takes no lock. series_acquire() takes the registry's only lock, at a
 * birth or when a worker meets a series for the first time. Everything else is the control
 * thread's. Workers call both between reclaim_enter() and reclaim_leave(): a series or family that
 * they found stays readable until then.
 */
#ifndef STORE_SERIES_H
#define STORE_SERIES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/relaxed.h"
#include "base/slice.h"
#include "base/table.h"
#include "store/cell.h"
#include "store/guard.h"
#include "store/pool.h"
#include "store/reclaim.h"
#include "store/shape.h"
#include "store/slab.h"
#include "store/wheel.h"

enum series_outcome {
    SERIES_E_ABSENT = 1, /* series_find(): not there, or not ready for this worker: acquire it */
    SERIES_E_TYPE,       /* the family exists with another type, and that holds */
    SERIES_E_SUFFIX,   /* the name clashes with a histogram's or summary's _bucket, _sum, _count */
    SERIES_E_RESERVED, /* the name is one of the server's own families */
    /* From here on: a limit, which time can heal. */
    SERIES_E_LIMIT,        /* as many series as allowed are alive */
    SERIES_E_FAMILY_LIMIT, /* as many of this family are */
    SERIES_E_LABEL_LIMIT,  /* one of its labels has as many values in this family */
};

struct series_list {
    relaxed_u32 n; /* stored with release after the entry: see list_append() */
    uint32_t cap;
    relaxed_u32 entries[]; /* numbers of series; 0: gone */
};

/* The text of families' `# HELP`, one for all that have the same. */
struct help {
    union {
        struct table_link link; /* in registry.helps */
        struct retired retired; /* when no family has it any more */
    };
    uint32_t n_families; /* under the lock */
    uint32_t len;
    char text[];
};

struct family {
    union {
        struct table_link link; /* in registry.families, by name */
        struct retired retired; /* when dead */
    };
    struct family *next_new; /* in registry.new_families */
    struct help *help;       /* outlives the family */
    struct shape *shape;     /* decided last, of its type; under the lock */

    /* Published with release; the control thread reads. Never NULL: it begins inside the family. */
    _Atomic(struct series_list *) list;

    /* Some series are not kept as their vector says: see rebuild.c. Under the lock. */
    struct changed_link {
        struct changed_link *next;
        struct changed_link **at; /* what points to this link; NULL: not in the list */
    } changed;                    /* in registry.changed */
    uint32_t looked;              /* how much of the list was looked at */
    bool look_again;              /* something had to be put off */

    bool contested; /* the other type of observer was refused; under the lock */
    bool restored;  /* under other rules, and no sample has come since; under the lock */
    bool yields;    /* likewise, and one of another type came: its series go; under the lock */
    bool reserved;  /* of the server's own; senders may not use the name */
    bool internal;  /* holds own series: outside limits and counts of series */
    bool announced; /* was pushed to new_families; under the lock */
    bool gone;      /* unlinked; the control thread's */
    uint16_t name_len;
    uint32_t gen;           /* under which the type was decided or confirmed; under the lock */
    relaxed_u32 type;       /* enum metric_type. Written under the lock. */
    unsigned n_vectors;     /* under the lock */
    relaxed_u32 n_alive;    /* written under the lock */
    unsigned n_gone;        /* empty places in the list; under the lock */
    uint32_t n_compactions; /* of the list; the control thread's */
};

_Static_assert(sizeof(struct family) <= 104, "each series may have one of its own");

/* A family's first list and its name follow it. */
#define FAMILY_FIRST_CAP 2u

static inline struct series_list *family_first_list(struct family *f)
{
    return (struct series_list *)(f + 1);
}

static inline struct slice family_name(const struct family *f)
{
    const struct series_list *first = (const struct series_list *)(f + 1);

    return slice_of((const char *)(first->entries + FAMILY_FIRST_CAP), f->name_len);
}

static inline struct slice family_help(const struct family *f)
{
    return slice_of(f->help->text, f->help->len);
}

static inline enum metric_type family_type(const struct family *f)
{
    return (enum metric_type)relaxed_load(&f->type);
}

struct vector {
    union {
        struct table_link link; /* in registry.vectors */
        struct retired retired; /* when dead */
    };
    struct family *family; /* outlives the vector */
    struct shape *shape;   /* outlives the vector; of those born now. Under the lock. */
    relaxed_u32 gen;       /* under which it was decided or confirmed. Written under the lock. */
    unsigned n_alive;
    uint32_t clashes; /* with these types, as bits: it has the label that they add themselves */
    unsigned names_len;
    char names[]; /* label names, sorted, each followed by ',' */
};

struct series {
    uint32_t next;  /* number of another: in a slot of the wheel or to_time; when dead, in dead */
    uint32_t place; /* in the family's list, which has its number; under the lock */
    relaxed_u32 ttl_ticks; /* 0: never expires. Written under the lock. */
    uint8_t n_cells : 7;
    uint8_t fold : 1; /* of what is over a limit in its family; as n_cells it never changes */
    uint8_t : 0;      /* so workers read both without the lock, while those below are written */
    bool dying : 1;   /* marked, see expire.c; under the lock */
    bool timed : 1;   /* in the wheel, or about to be; under the lock */

    /* What a scrape reads lies together. */
    uint16_t labels_len;
    uint32_t born;                  /* in ticks: when */
    _Atomic(uint32_t) birth;        /* its cells' birth number; published with release: rebuild.c */
    struct vector *vector;          /* outlives the series */
    _Atomic(struct shape *) shape;  /* of its cells; written by control under the lock */
    struct carried *carried;        /* owned; control's */
    uint64_t order;                 /* of birth, over all series */
    _Atomic(struct cell *) cells[]; /* n_cells; the labels' text follows */
};

_Static_assert(sizeof(struct series) <= 56, "there may be a million of them");

/* Its labels cannot stand on the page beside those of a family of this type. */
static inline bool vector_clashes(const struct vector *v, enum metric_type type)
{
    return (v->clashes >> type & 1) != 0;
}

/* The labels as the page shows them; they are also the series' identity. */
static inline struct slice series_labels(const struct series *s)
{
    return slice_of((const char *)(s->cells + s->n_cells), s->labels_len);
}

/* Outlives the series. */
static inline struct family *series_family(const struct series *s)
{
    return s->vector->family;
}

/* Control, or under the lock: no other thread writes it then. */
static inline const struct shape *series_shape(const struct series *s)
{
    return atomic_load_explicit(&s->shape, memory_order_relaxed);
}

struct series_index;
struct carried; /* store/carry.h */
struct leaving;

struct registry {
    /* Set at start. */
    unsigned n_workers;
    uint64_t seed;
    uint64_t max_series;
    bool owns_created;       /* histograms and summaries own `x_created` too: see family.c */
    struct reclaim *reclaim; /* the engine's; outlives the registry */
    struct guard guard;      /* the limits of families and labels, and the folds' */

    _Atomic(struct series_index *) index;  /* published with release */
    _Atomic(struct family *) new_families; /* stack: pushed under the lock, taken by control */
    relaxed_u64 n_series;   /* alive, internal ones and folds not counted; under the lock */
    relaxed_u64 n_internal; /* alive internal series; under the lock */
    relaxed_u64 n_births;   /* the newest series' order; under the lock */
    relaxed_u64 n_removals; /* of series: what was refused may be possible now */
    relaxed_u64 n_alive[METRIC_N_TYPES]; /* under the lock; read by control */
    relaxed_u64 n_vectors[METRIC_N_TYPES];
    relaxed_u64 n_born, n_expired;
    relaxed_u64 *births;   /* owned; by worker, each its own, under the lock; internal ones not */
    relaxed_u64 n_rebuilt; /* series that changed their shape; control's */
    relaxed_u64 n_changed; /* families in `changed`; under the lock */

    pthread_mutex_t lock; /* guards all that follows, and births */
    struct slab slab;     /* all series */
    struct table families;
    struct table vectors;
    struct table helps;
    struct shape *shapes;
    uint32_t last_birth;
    struct pool *pools;           /* n_workers + 1: the last one holds the gauges */
    struct retired *outgrown;     /* indexes and lists that were replaced: control retires them */
    uint32_t to_time;             /* series that control has to put into the wheel */
    uint32_t dead;                /* series that control has to retire */
    struct changed_link *changed; /* families with series to be rebuilt */

    /* The control thread's own. */
    struct wheel wheel;
    uint32_t *dying; /* marked, waiting for the workers */
    size_t n_dying;
    uint64_t dying_epoch;
    struct series **moving; /* with cells that are leaving, waiting for the workers */
    size_t n_moving;
    uint64_t moving_epoch;
    struct family **sorted; /* families by name */
    size_t n_sorted, cap_sorted;
    bool sorted_has_gone;
};

/* 0 or -ENOMEM. @reclaim is borrowed. */
int registry_init(struct registry *r, unsigned n_workers, uint64_t seed, uint64_t max_series,
                  struct reclaim *reclaim);

/* No worker runs, and what waits in the reclaim, which may lead here, has been freed. Accepts a
 * zeroed one. */
void registry_release(struct registry *r);

/* The series of this number, which is not 0. */
static inline struct series *series_at(const struct registry *r, uint32_t ref)
{
    return slab_at(&r->slab, ref);
}

/* ---- identity ---- */

struct series_key {
    struct slice name;   /* of the family */
    struct slice labels; /* as the page shows them */
    uint64_t hash;
    uint64_t name_hash;
};

struct series_key series_key(const struct registry *r, struct slice name, struct slice labels);
uint64_t series_hash(const struct series *s); /* of its key */

/* Where a worker writes. Valid while cell->birth equals birth. */
struct series_ref {
    struct cell *cell;
    const struct shape *shape;
    uint32_t birth;
};

/* What is looked for. */
struct series_query {
    const struct series_key *key;
    enum metric_type type;
    uint32_t ttl_ticks;
    uint32_t gen; /* of the rules that say so */
    unsigned worker;
    bool fold;
};

/*
 * Find a series, ready for the worker, of this type and time to live, and of a vector that was
 * decided under this generation of rules or a newer one. No lock. 0; SERIES_E_ABSENT; one of the
 * SERIES_E_..._LIMIT when it is not there and may not be born.
 */
int series_find(struct registry *r, const struct series_query *q, struct series_ref *out);

struct series_birth {
    struct series_key key;
    struct slice label_names;      /* sorted, each followed by ',' */
    struct slice help;             /* of the family, if this creates it */
    const struct shape_spec *spec; /* how it is kept, if this decides for the vector */
    uint32_t ttl_ticks;
    uint32_t gen;  /* of the rules that say so: numbers that only grow */
    uint32_t tick; /* now */
    unsigned worker;
    bool internal; /* one of the server's own: reserved names are allowed */
    bool asleep;   /* see series_restore() */
    bool fold; /* its family's for what is over a limit: has a reserve instead of the limits, and
                      lives as long as the longest time to live that was asked for */
};

/*
 * Find or create, and make ready for the worker. Copies all text. 0; -ENOMEM; SERIES_E_TYPE,
 * SERIES_E_SUFFIX, SERIES_E_RESERVED, or one of the SERIES_E_..._LIMIT.
 */
int series_acquire(struct registry *r, const struct series_birth *birth, struct series_ref *out);

/*
 * Have the series of @birth, if there is one, follow what @birth says of it: its time to live and
 * how it is kept. Does not touch it, nor make it ready for the worker. 0 when it is; -ENOMEM;
 * SERIES_E_ABSENT.
 */
int series_follow(struct registry *r, const struct series_birth *birth, struct series_ref *out);

/* ---- the control thread's side ---- */

/* Would a birth of @key be refused now? 0: no, or it lives; else the SERIES_E_..._LIMIT. @fold: it
 * would be one. */
int series_ask(struct registry *r, const struct series_key *key, bool fold);

/*
 * What would refuse a birth by its name now: 0, -ENOMEM, or the SERIES_E_... below the limits. The
 * name of the family in the way is appended to @holder, and its type is @type; of SERIES_E_RESERVED
 * there is no type. Of @birth key, spec and gen are looked at.
 */
int series_clash(struct registry *r, const struct series_birth *birth, struct buf *holder,
                 enum metric_type *type);

/*
 * Find or create a series of a former process, with a cell for @birth->worker if it is of a type
 * whose value goes there. One that is created sleeps: no route finds it before a worker has come to
 * the lock, where the rules in force say what it is. @type_gen: the generation under which its
 * type was decided; if @birth->gen is older than the one in force, how it is kept is decided anew
 * by its next sample. No worker is being fed. Outcomes as of series_acquire().
 */
int series_restore(struct registry *r, const struct series_birth *birth, uint32_t type_gen,
                   struct series **out);

/* The cells of a series, n_cells of them; NULL: that worker has none. */
void series_cells(const struct series *s, struct cell **cells);

/* How its vector is kept by what was decided last: it is, or is about to be moved there. */
struct shape *series_next_shape(struct registry *r, const struct series *s);

/* A walk through a family's series in order of birth, for which time may pass between two steps.
 * Zeroed at its beginning. */
struct series_walk {
    uint32_t place;         /* next entry of the list */
    uint32_t n_compactions; /* of the list, when `place` was right */
    uint64_t last_order;    /* of the series met last */
};

/* The next series that is not younger than @newest, or NULL. @f is pinned, or has a series. */
const struct series *series_walk_next(struct series_walk *w, const struct registry *r,
                                      const struct family *f, uint64_t newest);

/*
 * Reserve a family name. @internal: it will hold series of our own. Type and help matter only then.
 * 0 or -ENOMEM.
 */
int registry_reserve(struct registry *r, struct slice name, struct slice help, bool internal);

/*
 * One bounded step: mark what is due, remove what was marked and not touched since, retire what was
 * outgrown. expire.c tells the whole walk.
 */
void registry_expire(struct registry *r, int64_t now_ms);

/*
 * Somebody wants @s to be forgotten: it has the shortest time to live from now on, until it is sent
 * again and comes to the lock.
 */
void registry_let_go(struct registry *r, const struct series *s);

/*
 * One bounded step: move series to the shape that was decided for their vector, and fold what those
 * moved earlier have left. rebuild.c tells the whole walk.
 */
void registry_rebuild(struct registry *r, int64_t now_ms);

/*
 * After the two steps above: how many ticks, at most @max, have nothing for them to do if no worker
 * runs meanwhile.
 */
uint32_t registry_rest(struct registry *r, int64_t now_ms, uint32_t max);

/*
 * Read all that the series has counted, as cell_read() does; with native buckets only what was
 * counted since there are any (see carry.c). 0 or -ENOMEM.
 */
int series_read(const struct series *s, int64_t now_ms, struct cell_reader *r,
                struct snapshot_series *out);

/* The tick from which on what series_read() tells was counted. */
uint32_t series_since(const struct series *s, bool wants_native);

/* Give the caller's thread the families in name order: merges in new ones. 0 or -ENOMEM. */
int registry_sort(struct registry *r);

/* ---- between series.c, registry.c, expire.c and rebuild.c ---- */

/* Under the lock: leave @item to the control thread, which retires it with @fn. */
void registry_outgrow(struct registry *r, struct retired *item, void (*fn)(struct retired *));

/* Under the lock, while it is in its family's list: the series' number. */
uint32_t series_number(const struct series *s);

/* Under the lock, control thread: a marked series leaves index, list, vector and family for
 * good. */
void registry_remove(struct registry *r, struct series *s);

/* Under the lock: take the cells' birth number away, so that no route leads there; or give it
 * back. */
void series_mark(struct series *s);
void series_revive(struct series *s);

/* Under the lock: its time to live. Control looks at it. */
void series_set_ttl(struct registry *r, struct series *s, uint32_t ttl_ticks);

/* Where cells of @type come from and go to: @worker's pool, or the one that all share. */
struct pool *series_pool(struct registry *r, enum metric_type type, unsigned worker);

/* Give the cells back to their pools: nobody can reach them any more. */
void series_release_cells(struct registry *r, struct series *s);

/* Give back cells that a series has left, which nobody can reach any more. Takes @l. */
void series_release_leaving(struct registry *r, struct leaving *l);

/* Are there cells that it has left and that may still be written to? Control's. */
bool series_is_leaving(const struct series *s);

/* The newest tick of all its cells, also of former ones. Control's. */
uint32_t series_last_seen(const struct series *s);

/* Under the lock: a birth number that no cell has. */
uint32_t registry_next_birth(struct registry *r);

#endif
