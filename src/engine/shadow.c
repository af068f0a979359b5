/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow: what another mapping would make of what a running server is sent
 *
 *      line: settings ----------------------> kept, by their number
 *            identity --as it was told------> before: family, labels, settings
 *                     --resolve()-----------> after:  the same, by the other mapping
 *                     --both----------------> its families' counts, and the move it makes
 *
 * What was is taken from the document, what would be is found by the functions that feed lines, in
 * an engine that reads lines as the server does (`reading` in the first line). Series are told
 * apart by hashes, with a flag for each side, so a family knows how many it had, would have and
 * would keep, and no series is held. Whether families may stand beside each other is asked at the
 * end, of registries (shadow_judge.c).
 *
 * An identity that was told of twice, by two workers, counts once.
 *
 * Laws: what came from the document (shadow_read.c) is held in bounded tables, but for the marks: 8
 *       to 16 bytes for an identity, and as many for each of its series on both sides.
 */
#include "engine/shadow.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

const char *const shadow_keys[N_KEYS] = {
    [KEY_TYPE] = "type",           [KEY_HELP] = "help",
    [KEY_TTL] = "ttl_seconds",     [KEY_SCALE] = "scale",
    [KEY_BUCKETS] = "buckets",     [KEY_NATIVE] = "native_buckets",
    [KEY_QUANTILES] = "quantiles", [KEY_WINDOW] = "window_seconds",
    [KEY_ERROR] = "error",         [KEY_SIGN] = "sign",
};

/* Seeds, so that what is one text in two meanings is two hashes. */
enum { SEED_IDENTITY = 1, SEED_NAMES, SEED_SERIES };

/* ---- the object ---- */

int bacowr_shadow_new(struct bacowr_shadow **out, struct bacowr_mapping *m)
{
    struct bacowr_shadow *s = calloc(1, sizeof *s);

    if (s == NULL) {
        bacowr_mapping_free(m);
        return -ENOMEM;
    }
    s->m = m;
    s->config = (struct bacowr_config){.n_workers = 1, .statsd = statsd_default_options()};
    *out = s;
    return 0;
}

static void side_release(struct shadow_side *side)
{
    free(side->least_names);
}

static void family_free(struct shadow_family *f)
{
    if (f == NULL)
        return;
    for (unsigned i = 0; i < N_SIDES; i++)
        side_release(&f->sides[i]);
    free(f);
}

void shadow_settings_free(struct shadow_settings *settings)
{
    free(settings->text);
    free(settings);
}

/* Call @free_one for each of the objects in @t, whose link stands first. */
static void release_table(struct table *t, void (*free_one)(struct table_link *link))
{
    for (size_t i = 0; i < t->n_chains; i++) {
        struct table_link *next;

        for (struct table_link *l = t->chains[i]; l != NULL; l = next) {
            next = l->next;
            free_one(l);
        }
    }
    table_release(t);
}

static void free_family_link(struct table_link *l)
{
    family_free(table_entry(l, struct shadow_family, link));
}

static void free_move_link(struct table_link *l)
{
    shadow_move_free(table_entry(l, struct shadow_move, link));
}

static void free_label_link(struct table_link *l)
{
    free(table_entry(l, struct shadow_label, link));
}

static void free_settings_link(struct table_link *l)
{
    shadow_settings_free(table_entry(l, struct shadow_settings, link));
}

void bacowr_shadow_free(struct bacowr_shadow *s)
{
    if (s == NULL)
        return;
    release_table(&s->families, free_family_link);
    release_table(&s->moves, free_move_link);
    release_table(&s->labels, free_label_link);
    release_table(&s->settings, free_settings_link);
    family_free(s->others);
    for (size_t i = 0; i < s->n_shadows; i++)
        free(s->shadows[i].text);
    free(s->shadows);
    free(s->sorted);
    free(s->sorted_moves);
    free(s->limits);
    marks_release(&s->marks);
    for (size_t i = 0; i < sizeof s->rooms / sizeof s->rooms[0]; i++)
        buf_release(&s->rooms[i]);
    bacowr_free(s->b);
    bacowr_mapping_free(s->m);
    free(s);
}

/* ---- families ---- */

/* The family of @name, or that of all others when there are too many. NULL without memory. */
static struct shadow_family *family_named(struct bacowr_shadow *s, struct slice name)
{
    uint64_t hash = hash_bytes(name, 0);
    struct shadow_family *f;

    for (struct table_link *l = table_chain(&s->families, hash); l != NULL; l = l->next) {
        f = table_entry(l, struct shadow_family, link);
        if (l->hash == hash && slice_eq(shadow_name(f), name))
            return f;
    }
    if (s->families.n == SHADOW_FAMILIES_MAX)
        return s->others;
    f = calloc(1, sizeof *f + name.len);
    if (f == NULL)
        return NULL;
    f->link.hash = hash;
    f->name_len = (uint32_t)name.len;
    if (name.len > 0)
        memcpy(f->name, name.p, name.len);
    if (table_insert(&s->families, &f->link) != 0) {
        free(f);
        return NULL;
    }
    return f;
}

/* What is kept of @text. */
static struct slice kept_of(struct slice text)
{
    return slice_of(text.p, text.len < SHADOW_TEXT_MAX ? text.len : SHADOW_TEXT_MAX);
}

char *shadow_keep_text(struct slice text)
{
    return strndup(text.len > 0 ? text.p : "", kept_of(text).len);
}

bool shadow_is_least(struct slice text, const char *kept)
{
    return kept == NULL || slice_cmp(kept_of(text), slice_str(kept)) < 0;
}

static struct slice cut_from(struct slice s, size_t n)
{
    return slice_from(s, n < s.len ? n : s.len);
}

void shadow_take_label(struct slice *labels, struct slice *name, struct slice *value)
{
    size_t n = 0;

    *name = slice_of(labels->p, slice_find(*labels, '='));
    *labels = cut_from(*labels, name->len + 2);
    while (n < labels->len && labels->p[n] != '"')
        n += labels->p[n] == '\\' ? 2 : 1;
    *value = slice_of(labels->p, n < labels->len ? n : labels->len);
    *labels = cut_from(*labels, n + 2); /* the quote, and a comma if there is more */
}

/* The names of @labels, which may be anything: "a,b,". 0 or -ENOMEM. */
static int names_of(struct buf *out, struct slice labels)
{
    struct slice name, value;

    buf_clear(out);
    while (labels.len > 0) {
        shadow_take_label(&labels, &name, &value);
        buf_add_slice(out, name);
        buf_add_byte(out, ',');
    }
    return out->failed ? -ENOMEM : 0;
}

static int keep_names(struct shadow_side *side, struct slice names)
{
    char *text;

    if (!shadow_is_least(names, side->least_names))
        return 0;
    text = shadow_keep_text(names);
    if (text == NULL)
        return -ENOMEM;
    free(side->least_names);
    side->least_names = text;
    return 0;
}

/* Only the least hashes are kept, so that those of two sides can be compared. */
static void count_names(struct shadow_side *side, uint64_t hash)
{
    unsigned n = side->n_names < SHADOW_N_NAMES ? side->n_names : SHADOW_N_NAMES;
    unsigned at = n;

    while (at > 0 && side->names[at - 1] > hash)
        at--;
    if (at > 0 && side->names[at - 1] == hash)
        return;
    if (side->n_names <= SHADOW_N_NAMES)
        side->n_names++;
    for (unsigned i = n < SHADOW_N_NAMES ? n : n - 1; i > at; i--)
        side->names[i] = side->names[i - 1];
    if (at < SHADOW_N_NAMES)
        side->names[at] = hash;
}

static int note_names(struct bacowr_shadow *s, struct shadow_side *side, struct slice labels)
{
    if (names_of(&s->rooms[5], labels) != 0)
        return -ENOMEM;
    count_names(side, hash_bytes(buf_slice(&s->rooms[5]), SEED_NAMES));
    return keep_names(side, buf_slice(&s->rooms[5]));
}

/* ---- an identity ---- */

static int find_after(struct bacowr_shadow *s, struct slice name, struct slice suffix,
                      struct resolution *res, struct shadow_state *out)
{
    const struct mapping *m = atomic_load_explicit(&s->b->rules, memory_order_relaxed)->mapping;

    *out = (struct shadow_state){0};
    if (resolve(&s->b->resolver, m, &s->b->config, name, suffix, res) != 0)
        return -ENOMEM;
    out->dropped = res->op == OP_DROP;
    out->is_series = res->op < OP_DROP;
    if (!out->is_series)
        return 0;
    out->name = res->name;
    out->labels = res->labels;
    out->type = res->type;
    out->settings = shadow_settings_of(s, res);
    return out->settings != NULL ? 0 : -ENOMEM;
}

/* The hash of a series: of its family's name, its labels, and its type. */
static uint64_t hash_of_series(const struct shadow_state *state)
{
    uint64_t type = (uint64_t)shadow_kept_as(state->type);

    return hash_bytes(state->labels, hash_bytes(state->name, SEED_SERIES + type));
}

/* Count the series of a side for its family. 0 or -ENOMEM. */
static int count_series(struct bacowr_shadow *s, struct shadow_state *state, unsigned side)
{
    unsigned flag = 1u << side;
    struct shadow_side *to;
    int had;

    if (!state->is_series)
        return 0;
    state->family = family_named(s, state->name);
    if (state->family == NULL)
        return -ENOMEM;
    if (state->conflict)
        return 0;
    had = marks_set(&s->marks, hash_of_series(state), flag);
    if (had < 0)
        return -ENOMEM;
    to = &state->family->sides[side];
    if (to->settings == NULL || state->settings->link.hash < to->settings->link.hash)
        to->settings = state->settings;
    to->n_identities++;
    to->identities_of[state->type]++;
    if (((unsigned)had & flag) == 0) {
        to->n_series++;
        to->series_of[state->type]++;
        s->n_series[side]++;
        if (had != 0) {
            state->family->n_kept++;
            s->n_kept++;
        }
        if (shadow_count_values(s, state, side) != 0)
            return -ENOMEM;
    }
    return note_names(s, to, state->labels);
}

static void count_outcome(struct shadow_count *c, const struct shadow_state *state)
{
    if (state->conflict)
        c->conflict++;
    else if (state->is_series)
        c->series++;
    else if (state->dropped)
        c->dropped++;
    else
        c->refused++;
    c->over_limit += state->over_limit;
    c->unmapped += state->is_series && state->settings->match.p == NULL;
}

/* ---- both sides ---- */

/* The same series, kept otherwise? */
static bool note_settings(struct shadow_state *before, const struct shadow_state *after)
{
    uint32_t differ = shadow_settings_differ(before->settings, after->settings);

    before->family->differ |= differ;
    before->family->n_settings += differ != 0;
    return differ != 0;
}

/* Name and suffix as one text. */
static int put_identity(struct bacowr_shadow *s, struct slice name, struct slice suffix,
                        struct slice *out)
{
    struct buf *room = &s->rooms[0]; /* the outcome is read */

    buf_clear(room);
    buf_add_slice(room, name);
    buf_add_str(room, ":?"); /* whatever the value */
    buf_add_slice(room, suffix);
    *out = buf_slice(room);
    return room->failed ? -ENOMEM : 0;
}

int shadow_compare(struct bacowr_shadow *s, struct slice name, struct slice suffix,
                   struct shadow_state *before)
{
    enum shadow_move_kind kind;
    struct resolution res;
    struct slice identity;
    struct shadow_state after;
    int had = marks_set(&s->marks, hash_bytes(suffix, hash_bytes(name, SEED_IDENTITY)), 1);
    int r;

    if (had != 0)
        return had < 0 ? had : 0;
    s->n_identities++;
    r = find_after(s, name, suffix, &res, &after);
    if (r == 0)
        r = count_series(s, before, BEFORE);
    if (r == 0)
        r = count_series(s, &after, AFTER);
    if (r == 0)
        r = put_identity(s, name, suffix, &identity);
    if (r != 0)
        return r;
    count_outcome(&s->counts[BEFORE], before);
    count_outcome(&s->counts[AFTER], &after);
    if (after.is_series)
        after.family->n_fresh[after.type] += !before->conflict;
    kind = shadow_move_of(before, &after);
    if (kind != N_MOVES) {
        s->n_changed++;
        return shadow_note_move(s, kind, identity, before, &after, res.match.rule);
    }
    if (before->family != NULL && !before->conflict)
        s->n_changed += note_settings(before, &after);
    return 0;
}
