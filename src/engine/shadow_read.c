/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, read: lines of the document of identities
 *
 *      the first line ------> how the server reads lines: an engine that reads likewise
 *      settings, numbered --> kept: of a rule, or of none, and a StatsD type
 *      an identity ---------> what it is now; shadow.c compares it with what it would be
 *      the last line -------> the document is whole
 *
 * Settings of the mapping that is looked at are told in the document's words and read by the same
 * function, so that two are the same if their texts are.
 *
 * Laws: the document is foreign: every length and number is looked at. Nothing is taken of a line
 *       that is no good.
 */
#include "engine/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"
#include "base/num.h"
#include "bacowr/identities.h"
#include "engine/settings.h"

/* Settings of the document: so many rules has no mapping. */
#define SETTINGS_MAX 1000000u

/* ---- lines of the document ---- */

/* The members of a line that have a meaning here; of those that are not there, text.p is NULL. */
struct members {
    struct json_value format, rules, series, reading;
    struct json_value series_limit, family_limit, values_limit;
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
        {"name", &m->name},
        {"suffix", &m->suffix},
        {"outcome", &m->outcome},
        {"family", &m->family},
        {"labels", &m->labels},
        {"settings", &m->settings},
        {"match", &m->match},
        {"file", &m->file},
        {"line", &m->line},
        {"identities_format", &m->format},
        {"rules", &m->rules},
        {"series", &m->series},
        {"reading", &m->reading},
        {"series_limit", &m->series_limit},
        {"family_series_limit", &m->family_limit},
        {"label_values_limit", &m->values_limit},
        {"end", &m->end},
        {"identities", &m->identities},
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

/* One that servers before this one did not tell: then it is 0. */
static bool read_later_number(const struct json_value *v, uint64_t *out)
{
    return !is_there(v) || read_number(v, UINT64_MAX, out);
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
        return refuse(
            e, "this is not a list of identities: expected the response of /api/v1/identities");
    if (format != BACOWR_IDENTITIES_FORMAT)
        return refuse(
            e, "the list of identities has an unsupported version, this program reads version 1");
    if (!read_number(&m->rules, UINT64_MAX, &s->n_rules) ||
        !read_number(&m->series, UINT64_MAX, &s->n_alive) ||
        !read_number(&m->series_limit, UINT64_MAX, &s->series_limit) ||
        !read_later_number(&m->family_limit, &s->family_limit) ||
        !read_later_number(&m->values_limit, &s->values_limit) || !is_there(&m->reading) ||
        take_reading(s, &m->reading) != 0)
        return refuse(e, "the first line of the list of identities is damaged");
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
        return refuse(e, "settings without a unique number");
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
        shadow_settings_free(settings);
    return r == -EINVAL ? refuse(e, "settings that cannot be read") : r;
}

struct shadow_settings *shadow_settings_of(struct bacowr_shadow *s, const struct resolution *res)
{
    const struct mapping *m = atomic_load_explicit(&s->b->rules, memory_order_relaxed)->mapping;
    size_t number = settings_number(m, &s->b->resolver, res);
    struct shadow_settings *settings = &s->shadows[number];
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
    settings->link.hash = number;
    settings->is_there = true;
    return settings;
}

uint32_t shadow_settings_differ(struct shadow_settings *a, const struct shadow_settings *b)
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

/* ---- an identity ---- */

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

static int read_before(struct bacowr_shadow *s, const struct members *m, struct shadow_state *out)
{
    struct slice outcome;
    uint64_t number;

    *out = (struct shadow_state){0};
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

static int take_identity(struct bacowr_shadow *s, const struct members *m, struct err *e)
{
    struct slice name, suffix;
    struct shadow_state before;
    int r = json_text(&m->name, &s->rooms[3], &name);

    if (r == 0)
        r = json_text(&m->suffix, &s->rooms[4], &suffix);
    if (r == 0)
        r = read_before(s, m, &before);
    if (r == -EINVAL)
        return refuse(e, "an identity that cannot be read");
    return r != 0 ? r : shadow_compare(s, name, suffix, &before);
}

/* ---- the document ---- */

int bacowr_shadow_line(struct bacowr_shadow *s, struct slice line, struct err *e)
{
    struct members m;

    if (!read_members(line, &m))
        return refuse(
            e, s->b != NULL
                   ? "this line is not a JSON object"
                   : "this is not a list of identities: its first line is not a JSON object");
    if (s->ended)
        return refuse(e, "there is more after the last line");
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
        return refuse(e, "the list of identities is truncated: its last line is missing");
    return shadow_judge(s);
}
