/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Condition: what a rule asks beyond its match
 *
 * A rule with `except` leaves names alone that one of these patterns takes; they are globs in a
 * glob rule, expressions in a regex rule. A rule with `match_labels` takes a sample only if its
 * tags are as the rule says; a pattern there may span whatever stands in a tag's value, and an
 * empty one wants no such tag, or an empty one. What a rule leaves alone, the next one may take.
 *
 * Laws: a tag that is not there and one with an empty value are the same, because in Prometheus an
 *       empty label is none; so `*` alone wants the tag to be there. Tags are looked at only for
 *       rules that ask. To call a rule not weaker is always safe: it costs a warning.
 */
#include "mapping/compiled.h"

#include <string.h>

#include "mapping/pattern.h"

/* ---- exceptions ---- */

static int except_regexes(const struct mapping *m, uint32_t index, struct slice name,
                          struct mapping_scratch *s, size_t *out, bool *limit_hit)
{
    size_t n = m->rules[index].except.n;
    size_t i = 0;

    for (; i < n; i++) {
        int r = compiled_search(m->compiled[index].except[i], name, s);

        if (r < 0)
            return r;
        if (r == 0)
            break;
        *limit_hit |= r == REGEX_LIMIT;
    }
    *out = i;
    return 0;
}

int condition_except(const struct mapping *m, uint32_t rule, struct slice name,
                     struct mapping_scratch *s, size_t *out, bool *limit_hit)
{
    const struct mapping_words *except = &m->rules[rule].except;
    size_t i = 0;

    if (m->rules[rule].match_type == MAPPING_REGEX)
        return except_regexes(m, rule, name, s, out, limit_hit);
    while (i < except->n && !pattern_glob_takes(slice_str(except->v[i]), name))
        i++;
    *out = i;
    return 0;
}

/* ---- labels ---- */

struct slice condition_tag(const struct mapping_query *q, const char *key)
{
    return q->tag != NULL ? q->tag(q->ctx, slice_str(key)) : SLICE_LIT("");
}

/* Given a pattern as the value: is every value taken that this one takes? */
static bool takes_value(struct slice pattern, struct slice value)
{
    return (pattern.len == 0) == (value.len == 0) && pattern_takes(pattern, value);
}

size_t condition_labels(const struct mapping_rule *rule, const struct mapping_query *q)
{
    size_t i = 0;

    while (i < rule->n_match_labels && takes_value(slice_str(rule->match_labels[i].value),
                                                   condition_tag(q, rule->match_labels[i].key)))
        i++;
    return i;
}

/* ---- two rules ---- */

/* Does what @rule wants of this label imply @label? */
static bool wants_label(const struct mapping_rule *rule, const struct mapping_label *label)
{
    for (size_t i = 0; i < rule->n_match_labels; i++)
        if (strcmp(rule->match_labels[i].key, label->key) == 0)
            return takes_value(slice_str(label->value), slice_str(rule->match_labels[i].value));
    return false;
}

/* Does @rule take none of the names that @pattern, an exception of another rule, takes? */
static bool leaves_alone(const struct mapping_rule *rule, const char *pattern)
{
    bool glob = rule->match_type == MAPPING_GLOB;

    for (size_t i = 0; i < rule->except.n; i++)
        if (strcmp(rule->except.v[i], pattern) == 0)
            return true;
    return glob && !pattern_glob_meets(slice_str(rule->match), slice_str(pattern));
}

bool condition_is_weaker(const struct mapping_rule *a, const struct mapping_rule *b)
{
    for (size_t i = 0; i < a->n_match_labels; i++)
        if (!wants_label(b, &a->match_labels[i]))
            return false;
    for (size_t i = 0; i < a->except.n; i++)
        if (!leaves_alone(b, a->except.v[i]))
            return false;
    return true;
}
