/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tell: what explain.c found out, for people
 *
 *      rule 3 (line 12) glob app.*.hits -> app_hits  <- wins
 *      rule 7 (line 30) glob app.*.* -> app  also matches, but rule 3 comes first
 *      rule 4 (line 15) glob app.*.miss -> app_miss  segment 3 is "hits", the rule expects "miss"
 *
 * Where the rules come from more than one file, each place has the file's name: (line 12 of a.yml).
 *
 * Laws: nothing is judged here: the verdicts and their words come from explain.c.
 */
#include "mapping/explain.h"

#include <assert.h>

const char *mapping_verdict_name(enum mapping_verdict verdict)
{
    static const char *const names[N_VERDICTS] = {
        [VERDICT_WINS] = "wins",       [VERDICT_LATER] = "later", [VERDICT_KIND] = "kind",
        [VERDICT_EXCEPT] = "except",   [VERDICT_LABEL] = "label", [VERDICT_LIMIT] = "limit",
        [VERDICT_SEGMENT] = "segment", [VERDICT_COUNT] = "count", [VERDICT_REST] = "rest",
        [VERDICT_FAR] = "far",
    };

    return names[verdict];
}

struct slice mapping_why(const struct mapping_candidates *c, size_t i)
{
    assert(i < c->n);
    return slice_of(c->text.p + c->best[i].why_at, c->best[i].why_len);
}

/* A rule of the only file that there is, or NULL: of several files each has to be named. */
static const struct mapping_rule *of_only_file(const struct mapping *m)
{
    const struct mapping_rule *first = mapping_n_rules(m) > 0 ? mapping_rule(m, 0) : NULL;

    for (size_t i = 1; i < mapping_n_rules(m); i++) {
        const char *file = mapping_rule(m, i)->file;

        if (file != NULL && first->file != NULL && strcmp(file, first->file) != 0)
            return NULL;
    }
    return first;
}

static void tell_one(const struct mapping *m, const struct mapping_candidates *c, size_t i,
                     const struct mapping_rule *only, struct buf *out)
{
    const struct mapping_rule *rule = mapping_rule(m, c->best[i].rule);
    char place[MAPPING_PLACE_MAX];

    mapping_rule_place(rule, rule->line, only, place);
    buf_addf(out, "  rule %u (%s) %s ", c->best[i].rule + 1, place,
             rule->match_type == MAPPING_GLOB ? "glob" : "regex");
    buf_add_str(out, rule->match);
    buf_addf(out, " -> %s  ", rule->action == MAPPING_DROP ? "drop" : rule->name);
    if (c->best[i].verdict == VERDICT_WINS)
        buf_add_str(out, "<- wins");
    else
        buf_add_slice(out, mapping_why(c, i));
    buf_add_byte(out, '\n');
}

void mapping_tell(const struct mapping *m, const struct mapping_candidates *c, struct buf *out)
{
    const struct mapping_rule *only = of_only_file(m);

    for (size_t i = 0; i < c->n; i++)
        tell_one(m, c, i, only, out);
    if (c->n_more > 0)
        buf_addf(out, "  and %zu more that almost match\n", c->n_more);
}
