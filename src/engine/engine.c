/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine: the object, its rules, its tick
 *
 * What the threads share hangs off struct bacowr: the registry, the generation of rules, and
 * reclaim, which says when memory may go. What belongs to one worker hangs off struct
 * bacowr_worker.
 *
 * Reload: the new mapping is loaded and checked aside, then published with the next generation
 * number. A worker takes it up with its next batch; a route made under an older generation misses
 * when it is next met and is made again, so no table is ever cleared in one go. The old rules are
 * retired and freed when no batch can be using them. Series live on: the same name and labels lead
 * to the same series, and what changed reaches it with its next sample or by the sweep.
 *
 * Laws: only the control thread calls these functions, but for bacowr_mapping_new(), which knows no
 *       engine (and bacowr_check_mapping(), advise.c). Nothing here waits for a worker.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "mapping/keys_man.h"

#define DEFAULT_MAX_SERIES 1000000u
#define DEFAULT_MAX_ROUTES (2u * 1024u * 1024u)

/* Rules on their way in. The generation is set when they are published. */
struct bacowr_mapping {
    struct rules rules; /* first: once published it is known by this name only */
};

static void rules_free(struct retired *item)
{
    struct rules *rules = (struct rules *)item;

    mapping_free(rules->mapping);
    free(rules->counts);
    free(rules);
}

/* Takes @mapping, also on failure. 0 or -ENOMEM. */
static int wrap_mapping(struct bacowr_mapping **out, struct mapping *mapping)
{
    struct bacowr_mapping *m = calloc(1, sizeof *m);

    if (m == NULL) {
        mapping_free(mapping);
        return -ENOMEM;
    }
    m->rules.mapping = mapping;
    *out = m;
    return 0;
}

static void worker_free(struct bacowr_worker *w)
{
    struct cell_outgrown *memory;

    if (w == NULL)
        return;
    memory = atomic_load_explicit(&w->outgrown, memory_order_acquire);
    while (memory != NULL) {
        struct cell_outgrown *next = memory->next;

        free(memory);
        memory = next;
    }
    routes_free(w->routes);
    resolver_release(&w->resolver);
    buf_release(&w->suffix);
    buf_release(&w->check);
    buf_release(&w->exemplar);
    exemplars_free(w->exemplars);
    folded_free(atomic_load_explicit(&w->folded, memory_order_relaxed));
    notes_free(w->notes);
    free(w);
}

static int worker_new(struct bacowr_worker **out, struct bacowr *b, unsigned i)
{
    size_t size = (sizeof(struct bacowr_worker) + 63) / 64 * 64;
    struct bacowr_worker *w = aligned_alloc(64, size);

    if (w == NULL)
        return -ENOMEM;
    memset(w, 0, size);
    w->b = b;
    w->i = i;
    if (resolver_init(&w->resolver, b->config.regex_max_steps) != 0 || exemplars_init(w) != 0 ||
        notes_new(&w->notes) != 0 ||
        routes_new(&w->routes, b->config.hash_seed + i, b->config.max_routes) != 0) {
        worker_free(w);
        return -ENOMEM;
    }
    *out = w;
    return 0;
}

static int publish_empty(struct bacowr *b)
{
    struct bacowr_mapping *m;
    struct mapping *mapping;

    if (mapping_new_empty(&mapping) != 0 || wrap_mapping(&m, mapping) != 0)
        return -ENOMEM;
    bacowr_publish_mapping(b, m);
    return 0;
}

static int engine_init(struct bacowr *b)
{
    reclaim_init(&b->reclaim, b->config.n_workers);
    if (registry_init(&b->registry, b->config.n_workers, b->config.hash_seed, b->config.max_series,
                      &b->reclaim) != 0)
        return -ENOMEM;
    b->registry.owns_created = b->config.openmetrics;
    b->registry.guard.max_family = b->config.max_family;
    b->registry.guard.max_values = b->config.max_label_values;
    if (own_reserve(b) != 0 || resolver_init(&b->resolver, b->config.regex_max_steps) != 0 ||
        publish_empty(b) != 0)
        return -ENOMEM;
    for (unsigned i = 0; i < b->config.n_workers; i++)
        if (worker_new(&b->workers[i], b, i) != 0)
            return -ENOMEM;
    return 0;
}

int bacowr_new(struct bacowr **out, const struct bacowr_config *config)
{
    struct bacowr *b;

    if (config->n_workers < 1 || config->n_workers > BACOWR_MAX_WORKERS)
        return -EINVAL;
    b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    if (b == NULL)
        return -ENOMEM;
    memset(b, 0, sizeof *b);
    b->config = *config;
    if (b->config.max_series == 0)
        b->config.max_series = DEFAULT_MAX_SERIES;
    if (b->config.max_routes == 0)
        b->config.max_routes = DEFAULT_MAX_ROUTES;
    if (engine_init(b) != 0) {
        bacowr_free(b);
        return -ENOMEM;
    }
    *out = b;
    return 0;
}

void bacowr_free(struct bacowr *b)
{
    struct rules *rules;

    if (b == NULL)
        return;
    for (unsigned i = 0; i < b->config.n_workers; i++)
        worker_free(b->workers[i]);
    reclaim_release(&b->reclaim);
    registry_release(&b->registry);
    rules = atomic_load_explicit(&b->rules, memory_order_relaxed);
    if (rules != NULL)
        rules_free(&rules->retired);
    resolver_release(&b->resolver);
    cell_reader_release(&b->reader);
    exemplar_reader_release(&b->exemplar_reader);
    free(b->own_base);
    free(b);
}

struct bacowr_worker *bacowr_worker(struct bacowr *b, unsigned i)
{
    return b->workers[i];
}

void bacowr_senders(struct bacowr_worker *w, const struct bacowr_senders *senders)
{
    notes_senders(w->notes, senders);
}

int64_t bacowr_refused_ms(const struct bacowr_worker *w)
{
    return notes_refused_ms(w->notes);
}

void bacowr_account(const struct bacowr_worker *w, struct bacowr_account *out)
{
    static const unsigned refusals[] = {STAT_EMPTY_NAME,
                                        STAT_NEGATIVE,
                                        STAT_NOT_FINITE,
                                        STAT_LIMIT + LIMIT_SERIES,
                                        STAT_LIMIT + LIMIT_FAMILY,
                                        STAT_LIMIT + LIMIT_LABEL,
                                        STAT_TOO_COMPLEX,
                                        STAT_TOO_LONG,
                                        STAT_NO_MEMORY};

    out->lines = relaxed_load(&w->stats[STAT_LINES]);
    out->series = relaxed_load(&w->b->registry.births[w->i]);
    out->refused = 0;
    for (unsigned reason = 0; reason < STATSD_N_REASONS; reason++)
        out->refused += relaxed_load(&w->stats[STAT_REASONS + reason]);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        out->refused += relaxed_load(&w->stats[refusals[i]]);
}

/* ---- rules ---- */

static uint64_t fingerprint(const struct bacowr_text *texts, size_t n)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < n; i++)
        hash = hash_bytes(texts[i].text, hash);
    return hash;
}

int bacowr_mapping_new(struct bacowr_mapping **out, const struct bacowr_text *texts, size_t n,
                       void (*on_warning)(void *ctx, const struct err *e), void *ctx, struct err *e)
{
    struct mapping *mapping;
    int rc = mapping_load(&mapping, texts, n, on_warning, ctx, e);

    if (rc == 0)
        rc = wrap_mapping(out, mapping);
    if (rc == 0)
        (*out)->rules.fingerprint = fingerprint(texts, n);
    return rc;
}

void bacowr_mapping_free(struct bacowr_mapping *m)
{
    if (m != NULL)
        rules_free(&m->rules.retired);
}

const struct mapping *mapping_of(const struct bacowr_mapping *m)
{
    return m->rules.mapping;
}

/* Room to count what each rule takes on each worker, whose rows share no line of the cache. Rules
 * work without it. */
static void make_counts(struct rules *rules, unsigned n_workers)
{
    size_t per_line = 64 / sizeof(struct rule_count);

    rules->stride = (mapping_n_rules(rules->mapping) + per_line - 1) / per_line * per_line;
    if (rules->stride > 0)
        rules->counts = calloc(rules->stride * n_workers, sizeof *rules->counts);
}

void bacowr_publish_mapping(struct bacowr *b, struct bacowr_mapping *m)
{
    struct rules *old = atomic_load_explicit(&b->rules, memory_order_relaxed);

    make_counts(&m->rules, b->config.n_workers);
    m->rules.gen = old != NULL ? old->gen + 1 : 1;
    /* Release: the mapping is whole before a worker can find it. */
    atomic_store_explicit(&b->rules, &m->rules, memory_order_release);
    if (old != NULL)
        reclaim_retire(&b->reclaim, &old->retired, rules_free);
}

int bacowr_load_mapping(struct bacowr *b, const char *file, struct slice text,
                        void (*on_warning)(void *ctx, const struct err *e), void *ctx,
                        struct err *e)
{
    const struct bacowr_text whole = {file, text};
    struct bacowr_mapping *m;
    int rc = bacowr_mapping_new(&m, &whole, 1, on_warning, ctx, e);

    if (rc != 0)
        return rc;
    if (on_warning != NULL)
        bacowr_check_mapping(b, m, on_warning, ctx);
    bacowr_publish_mapping(b, m);
    return 0;
}

uint64_t bacowr_n_rules(const struct bacowr *b)
{
    return mapping_n_rules(atomic_load_explicit(&b->rules, memory_order_relaxed)->mapping);
}

int bacowr_dump_fsm(struct bacowr *b, struct buf *out)
{
    return mapping_dump(atomic_load_explicit(&b->rules, memory_order_relaxed)->mapping, out);
}

int bacowr_mapping_man(const char *version, struct buf *out)
{
    return mapping_man(out, version);
}

int bacowr_reserve(struct bacowr *b, const char *name)
{
    return registry_reserve(&b->registry, slice_str(name), slice_of(NULL, 0), false);
}

/* Free what workers have outgrown; the control thread, the only reader, is not reading now. */
static void collect_outgrown(struct bacowr *b)
{
    for (unsigned i = 0; i < b->config.n_workers; i++) {
        /* Acquire pairs with the push in feed.c: the link is visible. */
        struct cell_outgrown *memory =
            atomic_exchange_explicit(&b->workers[i]->outgrown, NULL, memory_order_acquire);

        while (memory != NULL) {
            struct cell_outgrown *next = memory->next;

            free(memory);
            memory = next;
        }
    }
}

void bacowr_tick(struct bacowr *b, int64_t now_ms)
{
    registry_rebuild(&b->registry, now_ms);
    registry_expire(&b->registry, now_ms);
    collect_outgrown(b);
    reclaim_turn(&b->reclaim);
}

/* Have all workers swept, and is nothing left for control to free? */
static bool workers_rest(const struct bacowr *b)
{
    uint64_t gen = atomic_load_explicit(&b->rules, memory_order_relaxed)->gen;

    for (unsigned i = 0; i < b->config.n_workers; i++) {
        const struct bacowr_worker *w = b->workers[i];

        /* Relaxed: what is seen late is seen by the next step. */
        if (relaxed_load(&w->stats[STAT_SWEPT]) != gen ||
            atomic_load_explicit(&w->outgrown, memory_order_relaxed) != NULL)
            return false;
    }
    return true;
}

int64_t bacowr_rest_ms(struct bacowr *b, int64_t now_ms, int64_t max_ms)
{
    if (!workers_rest(b) || !reclaim_rests(&b->reclaim))
        return 0;
    return registry_rest(&b->registry, now_ms, (uint32_t)(max_ms / CELL_TICK_MS)) * CELL_TICK_MS;
}
