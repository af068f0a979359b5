/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels: from a sample's tags and its rule to the text that names a series
 *
 *      tags --keep, drop, rename--> a rule's labels over them --> the defaults' labels under all
 *
 * What the client sent comes first, as far as the mapping lets it; a rule's labels replace it (or,
 * with honor_labels, give way); those of the defaults fill what is still free. Names that belong to
 * the format are kept for it: `le` on a histogram, `quantile` on a summary and whatever begins with
 * `__` get the prefix `exported_`, as Prometheus itself does in such a case; so does `overflow`,
 * which tells a fold (overflow.c). That is counted, and nothing is lost.
 *
 * Tags that are dropped still tell identities apart, so each of their values has a route of its own
 * to the one series. Routes are bounded, and what is met only once is the first to go.
 *
 * Laws: a tag is kept, dropped and renamed by the name it was sent with (after escaping), so two
 *       tags may change names; one that is renamed replaces one that is not. Pairs are in order of
 *       keys and no key stands twice, so the same labels give the same text, whatever their order
 *       on the wire. The text is at once the page's and the series' identity.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "expo/encoder.h"

#define EXPORTED "exported_"

static int pairs_reserve(struct resolver *r, unsigned n)
{
    struct label_pair *pairs;

    if (n <= r->cap_pairs)
        return 0;
    pairs = realloc(r->pairs, n * sizeof *pairs);
    if (pairs == NULL)
        return -ENOMEM;
    r->pairs = pairs;
    r->cap_pairs = n;
    return 0;
}

static bool is_reserved_label(struct slice key, enum metric_type type)
{
    struct slice own = metric_own_label(type);

    return slice_starts(key, SLICE_LIT("__")) || slice_eq(key, SLICE_LIT(OVERFLOW_LABEL)) ||
           (own.len > 0 && slice_eq(key, own));
}

/* The key, or the one it is renamed to; room for it was reserved in r->keys. */
static struct slice label_key(struct resolver *r, struct slice key, enum metric_type type)
{
    size_t from = r->keys.len;

    if (!is_reserved_label(key, type))
        return key;
    r->n_renamed++;
    buf_add_str(&r->keys, EXPORTED);
    buf_add_slice(&r->keys, key);
    return slice_of(r->keys.p + from, r->keys.len - from);
}

/* How many pairs have a key below @key. */
static unsigned pairs_below(const struct resolver *r, struct slice key)
{
    unsigned low = 0, n = r->n_pairs;

    while (n > 0) {
        unsigned half = n / 2;

        if (slice_cmp(r->pairs[low + half].key, key) < 0) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* Insert in order of keys; a pair with this key is replaced, or kept when @keep. */
static void pairs_put(struct resolver *r, struct slice key, struct slice value, bool keep)
{
    unsigned i = pairs_below(r, key);

    if (i < r->n_pairs && slice_eq(r->pairs[i].key, key)) {
        if (!keep)
            r->pairs[i].value = value;
        return;
    }
    memmove(&r->pairs[i + 1], &r->pairs[i], (r->n_pairs - i) * sizeof r->pairs[0]);
    r->pairs[i] = (struct label_pair){key, value};
    r->n_pairs++;
}

/* ---- what becomes of tags ---- */

static int slice_cmp_str(struct slice s, const char *text)
{
    return slice_cmp(s, slice_str(text));
}

static int by_word(const void *key, const void *word)
{
    return slice_cmp_str(*(const struct slice *)key, *(char *const *)word);
}

static bool has_word(const struct mapping_words *words, struct slice key)
{
    return words->n > 0 && bsearch(&key, words->v, words->n, sizeof *words->v, by_word) != NULL;
}

static int by_key(const void *key, const void *label)
{
    return slice_cmp_str(*(const struct slice *)key, ((const struct mapping_label *)label)->key);
}

/* The new name of @key, or NULL. */
static const char *new_name(const struct mapping_label_ops *ops, struct slice key)
{
    const struct mapping_label *found = NULL;

    if (ops->n_renames > 0)
        found = bsearch(&key, ops->renames, ops->n_renames, sizeof *ops->renames, by_key);
    return found != NULL ? found->value : NULL;
}

static bool is_dropped(const struct mapping_label_ops *ops, struct slice key)
{
    return (ops->has_keep && !has_word(&ops->keep, key)) || has_word(&ops->drop, key);
}

/* Put those tags that are @renamed, or those that are not. */
static void put_tags(struct resolver *r, const struct resolution *res, bool renamed)
{
    const struct statsd_identity *id = &r->identity;

    for (unsigned i = 0; i < id->n_labels; i++) {
        struct slice key = id->labels[i].key;
        const char *name = new_name(res->label_ops, key);

        if ((name != NULL) != renamed || is_dropped(res->label_ops, key))
            continue;
        if (renamed)
            key = slice_str(name);
        pairs_put(r, label_key(r, key, res->type), id->labels[i].value, false);
    }
}

/* ---- all labels ---- */

static size_t keys_len(const struct mapping_label *labels, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += strlen(labels[i].key) + sizeof EXPORTED;
    return len;
}

/* Keys with a prefix must not move while pairs point to them. */
static int keys_reserve(struct resolver *r, const struct resolution *res)
{
    const struct mapping_label_ops *ops = res->label_ops;
    const struct mapping_rule *rule = res->match.rule;
    size_t len = keys_len(res->defaults->labels, res->defaults->n_labels);

    for (unsigned i = 0; i < r->identity.n_labels; i++) {
        const char *name = new_name(ops, r->identity.labels[i].key);

        len += sizeof EXPORTED + (name != NULL ? strlen(name) : r->identity.labels[i].key.len);
    }
    if (rule != NULL)
        len += keys_len(rule->labels, rule->n_labels);
    buf_renew(&r->keys);
    return buf_reserve(&r->keys, len);
}

static int gather_labels(struct resolver *r, const struct resolution *res)
{
    const struct mapping_defaults *defaults = res->defaults;
    const struct mapping_rule *rule = res->match.rule;
    size_t n_rule = rule != NULL ? rule->n_labels : 0;

    r->n_pairs = 0;
    r->n_renamed = 0;
    if (pairs_reserve(r, r->identity.n_labels + (unsigned)(n_rule + defaults->n_labels)) != 0 ||
        keys_reserve(r, res) != 0)
        return -ENOMEM;
    put_tags(r, res, false);
    if (res->label_ops->n_renames > 0)
        put_tags(r, res, true);
    for (size_t i = 0; i < n_rule; i++)
        pairs_put(r, label_key(r, slice_str(rule->labels[i].key), res->type),
                  res->match.label_values[i], rule->how->honor_labels);
    for (size_t i = 0; i < defaults->n_labels; i++)
        pairs_put(r, label_key(r, slice_str(defaults->labels[i].key), res->type),
                  slice_str(defaults->labels[i].value), true);
    return 0;
}

/* The text that is both the page's and the series' identity. */
static int render_labels(struct resolver *r, struct resolution *res)
{
    buf_renew(&r->labels);
    buf_renew(&r->names);
    for (unsigned i = 0; i < r->n_pairs; i++) {
        if (i > 0)
            buf_add_byte(&r->labels, ',');
        buf_add_slice(&r->labels, r->pairs[i].key);
        buf_add_str(&r->labels, "=\"");
        text_escape_label(&r->labels, r->pairs[i].value);
        buf_add_byte(&r->labels, '"');
        buf_add_slice(&r->names, r->pairs[i].key);
        buf_add_byte(&r->names, ',');
    }
    res->labels = buf_slice(&r->labels);
    res->label_names = buf_slice(&r->names);
    return r->labels.failed || r->names.failed ? -ENOMEM : 0;
}

int labels_build(struct resolver *r, struct resolution *res)
{
    return gather_labels(r, res) != 0 ? -ENOMEM : render_labels(r, res);
}
