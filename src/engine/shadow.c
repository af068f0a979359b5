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
 * Laws: the document is foreign: every length and number is looked at. Nothing is taken of a line
 *       that is no good. What came from it is held in bounded tables, but for the marks: 8 to 16
 *       bytes for an identity, and as many for each of its series on both sides.
 */
#include "engine/shadow.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/json_read.h"
#include "base/num.h"
#include "bacowr/identities.h"
#include "engine/settings.h"

const char *const shadow_keys[N_KEYS] = {
    [KEY_TYPE] = "type",           [KEY_HELP] = "help",
    [KEY_TTL] = "ttl_seconds",     [KEY_SCALE] = "scale",
    [KEY_BUCKETS] = "buckets",     [KEY_NATIVE] = "native_buckets",
    [KEY_QUANTILES] = "quantiles", [KEY_WINDOW] = "window_seconds",
    [KEY_ERROR] = "error",         [KEY_SIGN] = "sign",
};

/* Seeds, so that what is one text in two meanings is two hashes. */
enum { SEED_IDENTITY = 1, SEED_NAMES, SEED_SERIES };

/* Settings of the document: so many rules has no mapping. */
#define SETTINGS_MAX 1000000u

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
    free(side->first_names);
}

static void family_free(struct shadow_family *f)
{
    if (f == NULL)
        return;
    for (unsigned i = 0; i < N_SIDES; i++)
        side_release(&f->sides[i]);
    free(f);
}

static void move_free(struct shadow_move *m)
{
    free(m->identity);
    free(m->labels[BEFORE]);
    free(m->labels[AFTER]);
    free(m);
}

static void settings_free(struct shadow_settings *settings)
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
    move_free(table_entry(l, struct shadow_move, link));
}

static void free_settings_link(struct table_link *l)
{
    settings_free(table_entry(l, struct shadow_settings, link));
}

void bacowr_shadow_free(struct bacowr_shadow *s)
{
    if (s == NULL)
        return;
    release_table(&s->families, free_family_link);
    release_table(&s->moves, free_move_link);
    release_table(&s->settings, free_settings_link);
    family_free(s->others);
    for (size_t i = 0; i < s->n_shadows; i++)
        free(s->shadows[i].text);
    free(s->shadows);
    free(s->sorted);
    free(s->sorted_moves);
    marks_release(&s->marks);
    for (size_t i = 0; i < sizeof s->rooms / sizeof s->rooms[0]; i++)
        buf_release(&s->rooms[i]);
    bacowr_free(s->b);
    bacowr_mapping_free(s->m);
    free(s);
}

/* ---- lines of the document ---- */

/* The members of a line that have a meaning here; of those that are not there, text.p is NULL. */
struct members {
    struct json_value format, rules, series, series_limit, reading;
    struct json_value settings, match, file, line;
    struct json_value name, suffix, outcome, family, labels;
    struct json_value end, identities, complete;
    struct json_value keys[N_KEYS];
};

static struct json_value *member_named(struct members *m, struct slice key)
{
    const struct {
        const char *key;
        struct json_value *value;
    } rows[] = {
        {"name", &m->name},         {"suffix", &m->suffix},
        {"outcome", &m->outcome},   {"family", &m->family},
        {"labels", &m->labels},     {"settings", &m->settings},
        {"match", &m->match},       {"file", &m->file},
        {"line", &m->line},         {"identities_format", &m->format},
        {"rules", &m->rules},       {"series", &m->series},
        {"reading", &m->reading},   {"series_limit", &m->series_limit},
        {"end", &m->end},           {"identities", &m->identities},
        {"complete", &m->complete},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (slice_eq_str(key, rows[i].key))
            return rows[i].value;
    for (unsigned i = 0; i < N_KEYS; i++)
        if (slice_eq_str(key, shadow_keys[i]))
            return &m->keys[i];
    return NULL;
}

static bool read_members(struct slice line, struct members *m)
{
    struct json_reader r;
    struct json_value value, *to;
    struct slice key;
    int rc = json_read(&r, line);

    *m = (struct members){0};
    while (rc == 0 && (rc = json_next(&r, &key, &value)) == 1) {
        to = member_named(m, key); /* others are of servers to come */
        if (to != NULL)
            *to = value;
        rc = 0;
    }
    return rc == 0;
}

static bool is_there(const struct json_value *v)
{
    return v->text.p != NULL;
}

static bool read_number(const struct json_value *v, uint64_t max, uint64_t *out)
{
    return v->kind == JSON_NUMBER && is_there(v) && num_parse_u64(v->text, max, out) == 0;
}

static bool is_true(const struct json_value *v)
{
    return is_there(v) && slice_eq_str(v->text, "true");
}

static int refuse(struct err *e, const char *why)
{
    err_set(e, NULL, 0, 0, "%s", why);
    return -EINVAL;
}

/* ---- the first line ---- */

static int take_reading(struct bacowr_shadow *s, const struct json_value *reading)
{
    struct json_reader r;
    struct json_value value;
    struct slice key;
    int rc = reading->kind == JSON_OBJECT ? json_read(&r, reading->text) : -EINVAL;

    while (rc == 0 && (rc = json_next(&r, &key, &value)) == 1) {
        reading_take(&s->config, key, value.text); /* others are of servers to come */
        rc = 0;
    }
    return rc;
}

/* The engine reads lines as the server does, so it is made when that is known. */
static int make_engine(struct bacowr_shadow *s)
{
    size_t n;
    int r = bacowr_new(&s->b, &s->config);

    if (r != 0)
        return r;
    bacowr_publish_mapping(s->b, s->m);
    s->m = NULL;
    n = (bacowr_n_rules(s->b) + 1) * STATSD_N_TYPES;
    s->shadows = calloc(n, sizeof *s->shadows);
    s->others = calloc(1, sizeof *s->others);
    if (s->shadows == NULL || s->others == NULL)
        return -ENOMEM;
    s->n_shadows = n;
    return 0;
}

static int take_head(struct bacowr_shadow *s, const struct members *m, struct err *e)
{
    uint64_t format;

    if (!read_number(&m->format, UINT64_MAX, &format))
        return refuse(e, "this is no document of identities: it is what GET /api/v1/identities of "
                         "a running bacowr-statsd answers");
    if (format != BACOWR_IDENTITIES_FORMAT)
        return refuse(e, "the document of identities is of another version, this program knows 1");
    if (!read_number(&m->rules, UINT64_MAX, &s->n_rules) ||
        !read_number(&m->series, UINT64_MAX, &s->n_alive) ||
        !read_number(&m->series_limit, UINT64_MAX, &s->series_limit) || !is_there(&m->reading) ||
        take_reading(s, &m->reading) != 0)
        return refuse(e, "the first line of the document of identities is damaged");
    return make_engine(s);
}

/* ---- settings ---- */

static struct shadow_settings *settings_find(const struct bacowr_shadow *s, uint64_t number)
{
    for (struct table_link *l = table_chain(&s->settings, number); l != NULL; l = l->next)
        if (l->hash == number)
            return table_entry(l, struct shadow_settings, link);
    return NULL;
}

/* Fill what points into settings->text. */
static int settings_read(struct shadow_settings *settings, size_t len)
{
    struct members m;

    if (!read_members(slice_of(settings->text, len), &m))
        return -EINVAL;
    for (unsigned i = 0; i < N_KEYS; i++)
        settings->values[i] = m.keys[i].text;
    settings->match = m.match.kind == JSON_STRING ? m.match.text : slice_of(NULL, 0);
    settings->file = m.file.kind == JSON_STRING ? m.file.text : slice_of(NULL, 0);
    if (is_there(&m.line) && !read_number(&m.line, UINT32_MAX, &settings->line))
        return -EINVAL;
    return m.keys[KEY_TYPE].kind == JSON_STRING && is_there(&m.keys[KEY_TYPE]) ? 0 : -EINVAL;
}

static int take_settings(struct bacowr_shadow *s, const struct members *m, struct slice line,
                         struct err *e)
{
    struct shadow_settings *settings;
    uint64_t number;
    int r;

    if (!read_number(&m->settings, UINT32_MAX, &number) || settings_find(s, number) != NULL ||
        s->settings.n == SETTINGS_MAX)
        return refuse(e, "settings without a number of their own");
    settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        return -ENOMEM;
    settings->link.hash = number;
    settings->text = malloc(line.len);
    r = settings->text != NULL ? 0 : -ENOMEM;
    if (r == 0) {
        memcpy(settings->text, line.p, line.len);
        r = settings_read(settings, line.len);
    }
    if (r == 0)
        r = table_insert(&s->settings, &settings->link);
    if (r != 0)
        settings_free(settings);
    return r == -EINVAL ? refuse(e, "settings that cannot be read") : r;
}

/* The settings of the mapping for @res, told once as the document tells them. NULL without
 * memory. */
static struct shadow_settings *settings_of(struct bacowr_shadow *s, const struct resolution *res)
{
    const struct mapping *m = atomic_load_explicit(&s->b->rules, memory_order_relaxed)->mapping;
    struct shadow_settings *settings = &s->shadows[settings_number(m, &s->b->resolver, res)];
    struct buf text = {0};
    struct json j = json_writer(&text);

    if (settings->is_there)
        return settings;
    json_object(&j, NULL);
    settings_tell(res, &j);
    json_end_object(&j);
    free(settings->text);
    settings->text = text.p;
    if (text.failed || settings_read(settings, text.len) != 0)
        return NULL;
    if (res->match.rule != NULL) {
        settings->match = slice_str(res->match.rule->match);
        settings->line = res->match.rule->line;
    }
    settings->is_there = true;
    return settings;
}

/* The keys that both tell of, and otherwise. */
static uint32_t settings_differ(struct shadow_settings *a, const struct shadow_settings *b)
{
    if (a->compared == b)
        return a->differ;
    a->compared = b;
    a->differ = 0;
    for (unsigned i = 0; i < N_KEYS; i++)
        if (a->values[i].p != NULL && b->values[i].p != NULL &&
            !slice_eq(a->values[i], b->values[i]))
            a->differ |= 1u << i;
    /* What else differs of two types goes without saying. */
    if (a->differ & 1u << KEY_TYPE)
        a->differ = 1u << KEY_TYPE | (a->differ & 1u << KEY_HELP);
    return a->differ;
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

static char *keep_text(struct slice text)
{
    return strndup(text.len > 0 ? text.p : "",
                   text.len < SHADOW_TEXT_MAX ? text.len : SHADOW_TEXT_MAX);
}

/* The names of @labels, which may be anything: "a,b,". 0 or -ENOMEM. */
static int names_of(struct buf *out, struct slice labels)
{
    buf_clear(out);
    while (labels.len > 0) {
        struct slice name = slice_of(labels.p, slice_find(labels, '='));
        size_t at = name.len + 2;

        while (at < labels.len && labels.p[at] != '"')
            at += labels.p[at] == '\\' ? 2 : 1;
        at += 2; /* the quote, and a comma if there is more */
        buf_add_slice(out, name);
        buf_add_byte(out, ',');
        labels = slice_from(labels, at < labels.len ? at : labels.len);
    }
    return out->failed ? -ENOMEM : 0;
}

static int note_names(struct bacowr_shadow *s, struct shadow_side *side, struct slice labels)
{
    uint64_t hash;

    if (side->n_names > SHADOW_N_NAMES)
        return 0;
    if (names_of(&s->rooms[5], labels) != 0)
        return -ENOMEM;
    hash = hash_bytes(buf_slice(&s->rooms[5]), SEED_NAMES);
    for (unsigned i = 0; i < side->n_names; i++)
        if (side->names[i] == hash)
            return 0;
    if (side->n_names == 0)
        side->first_names = keep_text(buf_slice(&s->rooms[5]));
    if (side->first_names == NULL)
        return -ENOMEM;
    if (side->n_names < SHADOW_N_NAMES)
        side->names[side->n_names] = hash;
    side->n_names++;
    return 0;
}

/* ---- an identity ---- */

/* What is known of one side of it. */
struct state {
    bool is_series; /* it has one, or wants one */
    bool dropped, conflict, over_limit;
    struct slice name, labels;
    struct shadow_settings *settings;
    enum metric_type type;
    struct shadow_family *family;
};

static bool read_type(struct slice word, enum metric_type *out)
{
    for (unsigned i = 0; i < METRIC_N_TYPES; i++) {
        if (slice_eq_str(word, metric_type_name((enum metric_type)i))) {
            *out = (enum metric_type)i;
            return true;
        }
    }
    return false;
}

static int read_before(struct bacowr_shadow *s, const struct members *m, struct state *out)
{
    struct slice outcome;
    uint64_t number;

    *out = (struct state){0};
    if (json_text(&m->outcome, &s->rooms[0], &outcome) != 0)
        return -EINVAL;
    out->dropped = slice_eq_str(outcome, "dropped");
    out->conflict = slice_eq_str(outcome, "conflict");
    out->over_limit = slice_eq_str(outcome, "limit") || slice_eq_str(outcome, "overflow");
    out->is_series = slice_eq_str(outcome, "series") || out->conflict || out->over_limit;
    if (!out->is_series)
        return 0;
    if (json_text(&m->family, &s->rooms[1], &out->name) != 0 ||
        json_text(&m->labels, &s->rooms[2], &out->labels) != 0 ||
        !read_number(&m->settings, UINT32_MAX, &number))
        return -EINVAL;
    out->settings = settings_find(s, number);
    return out->settings != NULL && read_type(out->settings->values[KEY_TYPE], &out->type)
               ? 0
               : -EINVAL;
}

static int find_after(struct bacowr_shadow *s, struct slice name, struct slice suffix,
                      struct resolution *res, struct state *out)
{
    const struct mapping *m = atomic_load_explicit(&s->b->rules, memory_order_relaxed)->mapping;

    *out = (struct state){0};
    if (resolve(&s->b->resolver, m, &s->b->config, name, suffix, res) != 0)
        return -ENOMEM;
    out->dropped = res->op == OP_DROP;
    out->is_series = res->op < OP_DROP;
    if (!out->is_series)
        return 0;
    out->name = res->name;
    out->labels = res->labels;
    out->type = res->type;
    out->settings = settings_of(s, res);
    return out->settings != NULL ? 0 : -ENOMEM;
}

/* The hash of a series: of its family's name, its labels, and its type; but one of observations
 * goes on if its type changes. */
static uint64_t hash_of_series(const struct state *state)
{
    enum metric_type type = state->type == METRIC_HISTOGRAM ? METRIC_SUMMARY : state->type;

    return hash_bytes(state->labels, hash_bytes(state->name, SEED_SERIES + (uint64_t)type));
}

/* Count the series of a side for its family. 0 or -ENOMEM. */
static int count_series(struct bacowr_shadow *s, struct state *state, unsigned side)
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
    if (to->settings == NULL)
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
    }
    return note_names(s, to, state->labels);
}

static void count_outcome(struct shadow_count *c, const struct state *state)
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

/* ---- moves ---- */

/* N_MOVES: it stays where it is. */
static enum shadow_move_kind move_of(const struct state *before, const struct state *after)
{
    bool had = before->is_series && !before->conflict;

    if (before->conflict && before->family == after->family && before->type == after->type)
        return N_MOVES;
    if (!after->is_series && !after->dropped)
        return had || before->dropped ? MOVE_REFUSED : N_MOVES;
    if (!had)
        return after->is_series ? MOVE_NEW : N_MOVES;
    if (after->dropped)
        return MOVE_DROPPED;
    if (before->settings->match.p != NULL && after->settings->match.p == NULL)
        return MOVE_UNMAPPED;
    if (!slice_eq(before->name, after->name))
        return MOVE_FAMILY;
    return slice_eq(before->labels, after->labels) ? N_MOVES : MOVE_RELABELLED;
}

static struct shadow_move *move_find(const struct bacowr_shadow *s, uint64_t hash,
                                     const struct shadow_move *like)
{
    for (struct table_link *l = table_chain(&s->moves, hash); l != NULL; l = l->next) {
        struct shadow_move *m = table_entry(l, struct shadow_move, link);

        if (m->kind == like->kind && m->from == like->from && m->to == like->to)
            return m;
    }
    return NULL;
}

/* The first of its kind: an example of the others. */
static struct shadow_move *move_new(struct bacowr_shadow *s, const struct shadow_move *like,
                                    struct slice identity, const struct state *before,
                                    const struct state *after)
{
    struct shadow_move *m = malloc(sizeof *m);

    if (m == NULL)
        return NULL;
    *m = *like;
    m->identity = keep_text(identity);
    m->labels[BEFORE] = keep_text(before->labels);
    m->labels[AFTER] = keep_text(after->labels);
    if (m->identity == NULL || m->labels[BEFORE] == NULL || m->labels[AFTER] == NULL ||
        table_insert(&s->moves, &m->link) != 0) {
        move_free(m);
        return NULL;
    }
    return m;
}

static int note_move(struct bacowr_shadow *s, enum shadow_move_kind kind, struct slice identity,
                     const struct state *before, const struct state *after,
                     const struct mapping_rule *rule)
{
    struct shadow_move like = {
        .kind = kind,
        .from = before->family,
        .to = after->family,
        .before = before->settings,
        .rule = rule,
    };
    const uintptr_t key[] = {(uintptr_t)kind, (uintptr_t)like.from, (uintptr_t)like.to};
    struct shadow_move *m;

    like.link.hash = hash_bytes(slice_of((const char *)key, sizeof key), 0);
    m = move_find(s, like.link.hash, &like);
    s->by_move[kind]++;
    if (m == NULL && s->moves.n == SHADOW_MOVES_MAX) {
        s->n_other_moves++;
        return 0;
    }
    if (m == NULL)
        m = move_new(s, &like, identity, before, after);
    if (m == NULL)
        return -ENOMEM;
    m->n++;
    return 0;
}

/* The same series, kept otherwise? */
static bool note_settings(struct state *before, const struct state *after)
{
    uint32_t differ = settings_differ(before->settings, after->settings);

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

static int compare(struct bacowr_shadow *s, struct slice name, struct slice suffix,
                   struct state *before)
{
    enum shadow_move_kind kind;
    struct resolution res;
    struct slice identity;
    struct state after;
    int r = find_after(s, name, suffix, &res, &after);

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
    kind = move_of(before, &after);
    if (kind != N_MOVES) {
        s->n_changed++;
        return note_move(s, kind, identity, before, &after, res.match.rule);
    }
    if (before->family != NULL && !before->conflict)
        s->n_changed += note_settings(before, &after);
    return 0;
}

static int take_identity(struct bacowr_shadow *s, const struct members *m, struct err *e)
{
    struct slice name, suffix;
    struct state before;
    int had, r = json_text(&m->name, &s->rooms[3], &name);

    if (r == 0)
        r = json_text(&m->suffix, &s->rooms[4], &suffix);
    if (r == 0)
        r = read_before(s, m, &before);
    if (r == -EINVAL)
        return refuse(e, "an identity that cannot be read");
    if (r != 0)
        return r;
    had = marks_set(&s->marks, hash_bytes(suffix, hash_bytes(name, SEED_IDENTITY)), 1);
    if (had != 0)
        return had < 0 ? had : 0;
    s->n_identities++;
    return compare(s, name, suffix, &before);
}

/* ---- the document ---- */

int bacowr_shadow_line(struct bacowr_shadow *s, struct slice line, struct err *e)
{
    struct members m;

    if (!read_members(line, &m))
        return refuse(e, s->b != NULL ? "this line is no object of JSON"
                                      : "this is no document of identities: its first line is no "
                                        "object of JSON");
    if (s->ended)
        return refuse(e, "there is more behind the last line");
    if (s->b == NULL)
        return take_head(s, &m, e);
    if (is_there(&m.name))
        return take_identity(s, &m, e);
    if (is_true(&m.end)) {
        s->ended = true;
        s->complete = is_true(&m.complete);
        return read_number(&m.identities, UINT64_MAX, &s->n_told)
                   ? 0
                   : refuse(e, "the last line is damaged");
    }
    if (is_there(&m.settings))
        return take_settings(s, &m, line, e);
    return 0; /* a kind of line of servers to come */
}

int bacowr_shadow_end(struct bacowr_shadow *s, struct err *e)
{
    if (!s->ended)
        return refuse(e, "the document of identities was cut: its last line is missing");
    return shadow_judge(s);
}
