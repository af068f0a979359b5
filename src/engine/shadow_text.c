/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, text: what changes, in words
 *
 *      against http://localhost:9102: 1234 identities
 *                             now      after
 *      series                1200       1190   1100 of them stay
 *      ...
 *      newly refused:
 *        ! api_seconds gauge: 3 identities, the name has series of another type; ...
 *      families:
 *        + api_errors_total counter: 0 -> 3 series
 *      moves:
 *        3 api_requests_total -> api_errors_total, by line 12
 *          e.g. api.x:?|c {code="500"} -> {code="5xx"}
 *
 * What is long is cut here, never in JSON. Laws: as explain_text.c has them, nothing from the wire
 * moves a terminal's cursor.
 */
#include "engine/shadow.h"

#include <errno.h>

#include "base/json_read.h"
#include "engine/explain.h"

#define FAMILIES_SHOWN 40u
#define MOVES_SHOWN    20u
#define LIMITS_SHOWN   20u

static void add_u64(struct buf *out, const char *before, uint64_t n, const char *after)
{
    buf_addf(out, "%s%llu%s", before, (unsigned long long)n, after);
}

static void add_identities(struct buf *out, const char *before, uint64_t n, const char *after)
{
    buf_addf(out, "%s%llu %s%s", before, (unsigned long long)n, n == 1 ? "identity" : "identities",
             after);
}

static void add_row(struct buf *out, const char *name, uint64_t now, uint64_t then)
{
    buf_addf(out, "%-24s %10llu %10llu\n", name, (unsigned long long)now, (unsigned long long)then);
}

static void add_totals(const struct bacowr_shadow *s, struct buf *out)
{
    const struct shadow_count *now = &s->counts[BEFORE], *then = &s->counts[AFTER];

    buf_addf(out, "%-24s %10s %10s\n", "", "now", "after");
    add_row(out, "families", s->n_families[BEFORE], s->n_families[AFTER]);
    add_row(out, "series", s->n_series[BEFORE], s->n_series[AFTER]);
    add_row(out, "  unchanged", s->n_kept, s->n_kept);
    add_row(out, "identities with a series", now->series, then->series);
    add_row(out, "  unmapped", now->unmapped, then->unmapped);
    add_row(out, "identities dropped", now->dropped, then->dropped);
    add_row(out, "  in conflict", now->conflict, then->conflict);
    add_row(out, "  refused otherwise", now->refused, then->refused);
    if (now->over_limit > 0)
        add_identities(out, "Over a limit now: ", now->over_limit, "\n");
}

/* ---- what would be refused ---- */

static const char *const clashes[] = {
    [SERIES_E_TYPE] = "the name has series of another type",
    [SERIES_E_SUFFIX] = "a histogram or summary needs the name for its samples, or the reverse",
    [SERIES_E_RESERVED] = "the name is reserved for the server's own metrics",
};

static void add_conflict(struct buf *out, const struct shadow_family *f, unsigned type)
{
    bool always = f->after_start[type] != 0;
    int outcome = always ? f->after_start[type] : f->after_reload[type];

    buf_add_str(out, "  ! ");
    buf_add_slice(out, shadow_name(f));
    buf_addf(out, " %s", metric_type_name((enum metric_type)type));
    add_identities(out, ": ", f->n_fresh[type], ", ");
    buf_add_str(out, outcome <= SERIES_E_RESERVED ? clashes[outcome] : "over a limit");
    buf_add_str(out, always ? "\n" : "; after a reload, until these have expired, or a restart\n");
}

static void add_conflicts(const struct bacowr_shadow *s, struct buf *out)
{
    if (s->n_conflicts == 0)
        return;
    add_identities(out, "\nNewly refused: ", s->n_conflicts, "\n");
    for (size_t i = 0; i < s->n_sorted; i++)
        for (unsigned type = 0; type < METRIC_N_TYPES; type++)
            if (s->sorted[i]->n_fresh[type] > 0 &&
                (s->sorted[i]->after_start[type] != 0 || s->sorted[i]->after_reload[type] != 0))
                add_conflict(out, s->sorted[i], type);
}

/* ---- what would go over a limit ---- */

static void add_limit(struct buf *out, const struct shadow_limit *l)
{
    static const char *const flags[] = {
        [LIMIT_SERIES] = "max-series",
        [LIMIT_FAMILY] = "max-series-per-family",
        [LIMIT_LABEL] = "max-label-values",
    };

    buf_add_str(out, "  ! ");
    if (l->family != NULL) {
        buf_add_slice(out, shadow_name(l->family));
        buf_add_str(out, ": ");
    }
    add_u64(out, "", l->n[AFTER], l->label != NULL ? " values of " : " series");
    if (l->label != NULL)
        buf_add_slice(out, slice_of(l->label->name, l->label->name_len));
    buf_addf(out, ", --statsd.%s=%llu", flags[l->limit], (unsigned long long)l->allowed);
    add_u64(out, ": ", l->over[AFTER], " over");
    add_u64(out, ", now ", l->over[BEFORE], "");
    if (l->new_over > l->over[AFTER])
        add_u64(out, "; after a reload ", l->new_over,
                ", until old series have expired or a restart");
    buf_add_byte(out, '\n');
}

static void add_limits(const struct bacowr_shadow *s, struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_limits; i++) {
        if (!shadow_limit_is_worse(&s->limits[i]))
            continue;
        if (n == 0)
            buf_add_str(out, "\nNewly over a limit: counted in overflow=\"true\", "
                             "gauges refused\n");
        if (n++ < LIMITS_SHOWN)
            add_limit(out, &s->limits[i]);
    }
    if (n > LIMITS_SHOWN)
        add_u64(out, "  and ", n - LIMITS_SHOWN, " more, see --json\n");
}

/* ---- families ---- */

static void add_value(struct buf *out, struct slice value)
{
    buf_add_slice(out,
                  slice_of(value.p, value.len < SHADOW_TEXT_MAX ? value.len : SHADOW_TEXT_MAX));
    if (value.len > SHADOW_TEXT_MAX)
        buf_add_str(out, "...");
}

/* What is kept otherwise, as the first rules of both sides say it. */
static void add_settings(struct buf *out, const struct shadow_family *f)
{
    const struct shadow_settings *a = f->sides[BEFORE].settings, *b = f->sides[AFTER].settings;

    for (unsigned i = 0; i < N_KEYS; i++) {
        if ((f->differ & 1u << i) == 0)
            continue;
        buf_addf(out, "      %s", shadow_keys[i]);
        if (a != NULL && b != NULL && !slice_eq(a->values[i], b->values[i])) {
            buf_add_str(out, " ");
            add_value(out, a->values[i]);
            buf_add_str(out, " -> ");
            add_value(out, b->values[i]);
        } else {
            buf_add_str(out, " of some of its series");
        }
        buf_add_byte(out, '\n');
    }
}

static void add_names(struct buf *out, const struct shadow_side *side)
{
    size_t len = side->least_names != NULL ? strlen(side->least_names) : 0;

    buf_addf(out, "{%.*s}", (int)(len > 0 ? len - 1 : 0), len > 0 ? side->least_names : "");
    if (side->n_names > 1)
        buf_add_str(out, " and others");
}

static bool names_differ(const struct shadow_side *a, const struct shadow_side *b)
{
    return a->n_series > 0 && b->n_series > 0 &&
           (a->n_names != b->n_names ||
            memcmp(a->names, b->names,
                   sizeof a->names[0] *
                       (a->n_names < SHADOW_N_NAMES ? a->n_names : SHADOW_N_NAMES)) != 0);
}

static void add_types(struct buf *out, const struct shadow_family *f)
{
    enum metric_type a, b;
    bool has_a = shadow_type(&f->sides[BEFORE], &a), has_b = shadow_type(&f->sides[AFTER], &b);

    if (has_a)
        buf_addf(out, " %s", metric_type_name(a));
    if (has_b && (!has_a || a != b))
        buf_addf(out, "%s%s", has_a ? " -> " : " ", metric_type_name(b));
}

static void add_family(struct buf *out, const struct shadow_family *f)
{
    const struct shadow_side *a = &f->sides[BEFORE], *b = &f->sides[AFTER];

    buf_addf(out, "  %c ", a->n_series == 0 ? '+' : b->n_series == 0 ? '-' : '~');
    buf_add_slice(out, shadow_name(f));
    add_types(out, f);
    buf_addf(out, ": %llu -> %llu series", (unsigned long long)a->n_series,
             (unsigned long long)b->n_series);
    if (a->n_series > 0 && b->n_series > 0)
        add_u64(out, ", ", f->n_kept, " unchanged");
    buf_add_byte(out, '\n');
    if (names_differ(a, b)) {
        buf_add_str(out, "      labels ");
        add_names(out, a);
        buf_add_str(out, " -> ");
        add_names(out, b);
        buf_add_byte(out, '\n');
    }
    add_settings(out, f);
}

static void add_families(const struct bacowr_shadow *s, struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_sorted; i++) {
        if (!shadow_family_changes(s->sorted[i]))
            continue;
        if (n == 0)
            buf_add_str(out, "\nFamilies (+ new, - gone, ~ changed)\n");
        if (n++ < FAMILIES_SHOWN)
            add_family(out, s->sorted[i]);
    }
    if (n > FAMILIES_SHOWN)
        add_u64(out, "  and ", n - FAMILIES_SHOWN, " more, see --json\n");
    if (s->others->sides[BEFORE].n_series + s->others->sides[AFTER].n_series > 0)
        buf_addf(out, "  of too many others: %llu -> %llu series\n",
                 (unsigned long long)s->others->sides[BEFORE].n_series,
                 (unsigned long long)s->others->sides[AFTER].n_series);
}

/* ---- moves ---- */

static void add_end(struct buf *out, const struct bacowr_shadow *s, const struct shadow_family *f)
{
    if (f == s->others)
        buf_add_str(out, "another family");
    else if (f != NULL)
        buf_add_slice(out, shadow_name(f));
    else
        buf_add_str(out, "nothing");
}

static void add_rule(struct buf *out, const struct mapping_rule *rule)
{
    if (rule != NULL)
        buf_addf(out, ", by %s line %u (%.200s)", rule->file ? rule->file : "", rule->line,
                 rule->match);
    else
        buf_add_str(out, ", by no rule");
}

static void add_move(struct buf *out, const struct bacowr_shadow *s, const struct shadow_move *m)
{
    static const char *const words[N_MOVES] = {
        [MOVE_RELABELLED] = "other labels: ",   [MOVE_FAMILY] = "",
        [MOVE_DROPPED] = "dropped: ",           [MOVE_REFUSED] = "refused: ",
        [MOVE_UNMAPPED] = "no longer mapped: ", [MOVE_NEW] = "new: ",
    };

    add_u64(out, "  ", m->n, " ");
    buf_add_str(out, words[m->kind]);
    add_end(out, s, m->from);
    buf_add_str(out, " -> ");
    add_end(out, s, m->to);
    add_rule(out, m->rule);
    buf_addf(out, "\n      e.g. %s", m->identity);
    if (m->from != NULL)
        buf_addf(out, " {%s}", m->labels[BEFORE]);
    if (m->to != NULL)
        buf_addf(out, " -> {%s}", m->labels[AFTER]);
    buf_add_byte(out, '\n');
}

static void add_moves(const struct bacowr_shadow *s, struct buf *out)
{
    if (s->n_sorted_moves > 0)
        buf_add_str(out, "\nIdentities that move\n");
    for (size_t i = 0; i < s->n_sorted_moves && i < MOVES_SHOWN; i++)
        add_move(out, s, s->sorted_moves[i]);
    if (s->n_sorted_moves > MOVES_SHOWN)
        add_u64(out, "  and ", s->n_sorted_moves - MOVES_SHOWN, " more kinds, see --json\n");
}

/* ---- the whole ---- */

static void add_verdict(const struct bacowr_shadow *s, struct buf *out)
{
    enum bacowr_shadow_verdict verdict = bacowr_shadow_verdict(s);

    buf_add_byte(out, '\n');
    if (verdict == BACOWR_SHADOW_SAME)
        buf_add_str(out, "None of the observed identities would change.");
    else
        add_u64(out, "", s->n_changed, " of the observed identities would change.");
    if (verdict == BACOWR_SHADOW_CONFLICTS)
        buf_add_str(out, s->n_conflicts + s->by_move[MOVE_REFUSED] > 0
                             ? " Some that are accepted now would be refused."
                             : " Some would go over a limit.");
    buf_add_str(out, "\nObserved are those received in the last one to three minutes: identities "
                     "sent more rarely, and\nseries that are no longer sent, are not included.\n");
    if (!s->complete)
        buf_add_str(
            out,
            "The report is incomplete: the server's tables were resized too often meanwhile.\n");
}

int shadow_put_text(const struct bacowr_shadow *s, const char *against, struct buf *out)
{
    struct buf told = {0};
    int r;

    buf_addf(&told, "against %s: %llu identities, %llu active series\n\n", against,
             (unsigned long long)s->n_identities, (unsigned long long)s->n_alive);
    add_totals(s, &told);
    add_conflicts(s, &told);
    add_limits(s, &told);
    add_families(s, &told);
    add_moves(s, &told);
    add_verdict(s, &told);
    explain_add_harmless(out, buf_slice(&told));
    r = told.failed || out->failed ? -ENOMEM : 0;
    buf_release(&told);
    return r;
}

int bacowr_shadow_tell(const struct bacowr_shadow *s, const char *against, bool json,
                       struct buf *out)
{
    return json ? shadow_put_json(s, against, out) : shadow_put_text(s, against, out);
}
