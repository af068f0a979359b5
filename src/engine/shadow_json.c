/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, JSON: what changes, for programs
 *
 * Nothing is left out but what found no room in the tables, and that is counted. What the document
 * of identities says of settings goes out as it came in, for it is JSON already: texts with their
 * escapes, numbers with their digits.
 *
 * Laws: keys are only added, never renamed or taken away; docs/identities.md describes them.
 */
#include "engine/shadow.h"

#include <errno.h>

#include "base/json_read.h"

static void put_count(struct json *j, const char *key, const struct bacowr_shadow *s, unsigned side)
{
    const struct shadow_count *c = &s->counts[side];

    json_object(j, key);
    json_u64(j, "families", s->n_families[side]);
    json_u64(j, "series", s->n_series[side]);
    json_u64(j, "identities", c->series);
    json_u64(j, "unmapped", c->unmapped);
    json_u64(j, "dropped", c->dropped);
    json_u64(j, "conflict", c->conflict);
    json_u64(j, "refused", c->refused);
    if (side == BEFORE)
        json_u64(j, "over_limit", c->over_limit);
    json_end_object(j);
}

/* The value as it is written in JSON. */
static void put_raw(struct json *j, const char *key, struct slice value, bool is_string)
{
    json_key(j, slice_str(key));
    if (is_string)
        buf_add_byte(j->out, '"');
    buf_add_slice(j->out, value);
    if (is_string)
        buf_add_byte(j->out, '"');
    j->more = true;
}

static void put_values(struct json *j, const struct shadow_settings *settings, uint32_t which)
{
    for (unsigned i = 0; i < N_KEYS; i++) {
        bool is_string = i == KEY_TYPE || i == KEY_HELP || i == KEY_SIGN;

        if (settings->values[i].p != NULL && (which & 1u << i) != 0)
            put_raw(j, shadow_keys[i], settings->values[i], is_string);
    }
}

static void put_side(struct json *j, const char *key, const struct shadow_side *side,
                     uint32_t differ)
{
    if (side->n_series == 0) {
        json_null(j, key);
        return;
    }
    json_object(j, key);
    json_u64(j, "series", side->n_series);
    json_u64(j, "identities", side->n_identities);
    json_array(j, "types");
    for (unsigned i = 0; i < METRIC_N_TYPES; i++)
        if (side->identities_of[i] > 0)
            json_str(j, NULL, metric_type_name((enum metric_type)i));
    json_end_array(j);
    json_str(j, "label_names", side->least_names);
    json_u64(j, "label_sets", side->n_names);
    json_object(j, "settings");
    put_values(j, side->settings, differ | 1u << KEY_TYPE | 1u << KEY_HELP);
    json_end_object(j);
    json_end_object(j);
}

static void put_family(struct json *j, const struct shadow_family *f)
{
    const struct shadow_side *a = &f->sides[BEFORE], *b = &f->sides[AFTER];
    const char *change = !shadow_family_changes(f)             ? "none"
                         : a->n_series == 0 && b->n_series > 0 ? "new"
                         : b->n_series == 0 && a->n_series > 0 ? "gone"
                                                               : "changed";

    json_object(j, NULL);
    json_slice(j, "name", shadow_name(f));
    json_str(j, "change", change);
    put_side(j, "before", a, f->differ);
    put_side(j, "after", b, f->differ);
    json_u64(j, "series_kept", f->n_kept);
    json_array(j, "settings_changed");
    for (unsigned i = 0; i < N_KEYS; i++)
        if ((f->differ & 1u << i) != 0)
            json_str(j, NULL, shadow_keys[i]);
    json_end_array(j);
    json_end_object(j);
}

static void put_conflicts(struct json *j, const struct shadow_family *f)
{
    for (unsigned i = 0; i < METRIC_N_TYPES; i++) {
        bool always = f->after_start[i] != 0;

        if (!always && f->after_reload[i] == 0)
            continue;
        json_object(j, NULL);
        json_slice(j, "family", shadow_name(f));
        json_str(j, "type", metric_type_name((enum metric_type)i));
        json_str(j, "clash", shadow_clash(always ? f->after_start[i] : f->after_reload[i]));
        json_str(j, "until", always ? NULL : "old_series_expire_or_restart");
        json_u64(j, "identities", f->sides[AFTER].identities_of[i]);
        json_u64(j, "identities_not_refused_now", f->n_fresh[i]);
        json_end_object(j);
    }
}

static void put_limit(struct json *j, const struct shadow_limit *l)
{
    json_object(j, NULL);
    json_str(j, "limit", limit_names[l->limit]);
    if (l->family != NULL)
        json_slice(j, "family", shadow_name(l->family));
    else
        json_null(j, "family");
    if (l->label != NULL)
        json_slice(j, "label", slice_of(l->label->name, l->label->name_len));
    else
        json_null(j, "label");
    json_u64(j, "allowed", l->allowed);
    json_u64(j, "now", l->n[BEFORE]);
    json_u64(j, "then", l->n[AFTER]);
    json_u64(j, "over_now", l->over[BEFORE]);
    json_u64(j, "over_then", l->over[AFTER]);
    json_u64(j, "new_over_after_reload", l->new_over);
    json_bool(j, "worse", shadow_limit_is_worse(l));
    json_end_object(j);
}

static void put_end(struct json *j, const char *key, const struct bacowr_shadow *s,
                    const struct shadow_family *f)
{
    if (f == NULL || f == s->others)
        json_null(j, key);
    else
        json_slice(j, key, shadow_name(f));
}

static void put_rule(struct json *j, const struct mapping_rule *rule)
{
    if (rule == NULL) {
        json_null(j, "rule_after");
        return;
    }
    json_object(j, "rule_after");
    json_str(j, "file", rule->file);
    json_u64(j, "line", rule->line);
    json_str(j, "match", rule->match);
    json_end_object(j);
}

static void put_rule_before(struct json *j, const struct shadow_settings *settings)
{
    if (settings == NULL || settings->match.p == NULL) {
        json_null(j, "rule_before");
        return;
    }
    json_object(j, "rule_before");
    if (settings->file.p != NULL)
        put_raw(j, "file", settings->file, true);
    else
        json_null(j, "file");
    json_u64(j, "line", settings->line);
    put_raw(j, "match", settings->match, true);
    json_end_object(j);
}

static void put_move(struct json *j, const struct bacowr_shadow *s, const struct shadow_move *m)
{
    static const char *const kinds[N_MOVES] = {
        [MOVE_RELABELLED] = "labels", [MOVE_FAMILY] = "family",     [MOVE_DROPPED] = "dropped",
        [MOVE_REFUSED] = "refused",   [MOVE_UNMAPPED] = "unmapped", [MOVE_NEW] = "new",
    };

    json_object(j, NULL);
    json_str(j, "kind", kinds[m->kind]);
    put_end(j, "from", s, m->from);
    put_end(j, "to", s, m->to);
    json_u64(j, "identities", m->n);
    json_object(j, "example");
    json_str(j, "identity", m->identity);
    json_str(j, "labels_before", m->from != NULL ? m->labels[BEFORE] : NULL);
    json_str(j, "labels_after", m->to != NULL ? m->labels[AFTER] : NULL);
    put_rule_before(j, m->before);
    put_rule(j, m->rule);
    json_end_object(j);
    json_end_object(j);
}

int shadow_put_json(const struct bacowr_shadow *s, const char *against, struct buf *out)
{
    static const char *const verdicts[] = {
        [BACOWR_SHADOW_SAME] = "same",
        [BACOWR_SHADOW_CHANGES] = "changes",
        [BACOWR_SHADOW_CONFLICTS] = "conflicts",
    };
    struct json j = json_writer(out);

    json_object(&j, NULL);
    json_str(&j, "against", against);
    json_str(&j, "verdict", verdicts[bacowr_shadow_verdict(s)]);
    json_bool(&j, "complete", s->complete);
    json_u64(&j, "identities", s->n_identities);
    json_u64(&j, "identities_changed", s->n_changed);
    json_u64(&j, "series_alive", s->n_alive);
    json_u64(&j, "series_limit", s->series_limit);
    json_u64(&j, "series_kept", s->n_kept);
    put_count(&j, "before", s, BEFORE);
    put_count(&j, "after", s, AFTER);
    json_array(&j, "conflicts");
    for (size_t i = 0; i < s->n_sorted; i++)
        put_conflicts(&j, s->sorted[i]);
    json_end_array(&j);
    json_array(&j, "limits");
    for (size_t i = 0; i < s->n_limits; i++)
        put_limit(&j, &s->limits[i]);
    json_end_array(&j);
    json_bool(&j, "all_limits", !s->labels_left_out && s->families.n < SHADOW_FAMILIES_MAX);
    json_array(&j, "families");
    for (size_t i = 0; i < s->n_sorted; i++)
        put_family(&j, s->sorted[i]);
    json_end_array(&j);
    json_bool(&j, "all_families", s->families.n < SHADOW_FAMILIES_MAX);
    json_array(&j, "moves");
    for (size_t i = 0; i < s->n_sorted_moves; i++)
        put_move(&j, s, s->sorted_moves[i]);
    json_end_array(&j);
    json_u64(&j, "moves_left_out", s->n_other_moves);
    json_end_object(&j);
    return buf_add_byte(out, '\n');
}
