/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extras: what of a suffix is no part of what is measured
 *
 *      T...          a timestamp
 *      e:... card:...  where a sample comes from (DogStatsD 1.5, 1.6)
 *      word:...      a field of a version to come: any word that is no type
 *      c:ID          a container, when it is to make no label
 *      #k:v          single tags, when they are to go to an exemplar
 *
 * The first four are sections and go whole. Of a tag section only the tags that the options name
 * go; a section that they leave empty goes with them.
 *
 * Laws: identifying what is left gives what identifying the whole gives, malformed tags included,
 *       so a list that would end with an empty tag gets one more comma. What is left is no longer
 *       than what there was.
 */
#include "bacowr/statsd.h"

#include "base/name.h"
#include "statsd/section.h"
#include "statsd/tags.h"

/* ---- fields ---- */

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '-';
}

bool section_has_field_word(struct slice section)
{
    enum statsd_type ignored;
    size_t n = 0;

    while (n < section.len && is_word_byte(section.p[n]))
        n++;
    return n < section.len && section.p[n] == ':' &&
           !section_read_type(slice_of(section.p, n), &ignored);
}

/* ---- tags of exemplars ---- */

/* The most bytes of a tag's key that is compared with those of the options. */
#define MAX_KEY 256

/* Does @key become the label @name? */
static bool becomes_label(struct slice key, const char *name)
{
    char escaped[NAME_ESCAPED_MAX(MAX_KEY)];

    if (name_is_plain(key))
        return slice_eq_str(key, name);
    return key.len <= MAX_KEY && slice_eq_str(slice_of(escaped, name_escape(escaped, key)), name);
}

bool extras_is_exemplar_tag(struct slice element, const struct statsd_options *options,
                            struct statsd_label *out)
{
    struct slice key, value;

    if (!tags_cut_dogstatsd(element, &key, &value) || value.len == 0)
        return false;
    for (unsigned i = 0; i < STATSD_MAX_EXEMPLAR_TAGS && options->exemplar_tags[i]; i++) {
        if (!becomes_label(key, options->exemplar_tags[i]))
            continue;
        *out = (struct statsd_label){slice_str(options->exemplar_tags[i]), value};
        return true;
    }
    return false;
}

bool extras_in_tags(struct slice section, const struct statsd_options *options)
{
    struct slice list = slice_from(section, 1);
    struct statsd_label ignored;
    struct slice element;

    if (!options->exemplar_tags[0] || !options->dogstatsd_tags)
        return false;
    while (tags_next(&list, ',', &element))
        if (extras_is_exemplar_tag(element, options, &ignored))
            return true;
    return false;
}

/* As of labels, the last value of a key stays. There is room: each key is one of the options'. */
static void exemplar_put(struct statsd_exemplar *e, struct statsd_label tag)
{
    unsigned i = 0;

    while (i < e->n && e->tags[i].key.p != tag.key.p)
        i++;
    e->tags[i] = tag;
    e->n += i == e->n;
}

/*
 * Copy the tag section @section, the '|' before it included, without the tags that go to the
 * exemplar. The number of bytes.
 */
static size_t copy_tags(struct slice section, const struct statsd_options *options, char *out,
                        struct statsd_exemplar *exemplar)
{
    struct slice list = slice_from(section, 1);
    struct statsd_label tag;
    struct slice element;
    size_t len = 2;
    unsigned n_kept = 0;
    bool ends_empty = false;

    while (tags_next(&list, ',', &element)) {
        if (extras_is_exemplar_tag(element, options, &tag)) {
            exemplar_put(exemplar, tag);
            continue;
        }
        if (n_kept++ > 0)
            out[len++] = ',';
        memcpy(out + len, element.p, element.len);
        len += element.len;
        ends_empty = element.len == 0;
    }
    if (ends_empty)
        out[len++] = ',';
    if (n_kept == 0)
        return 0;
    out[0] = '|';
    out[1] = '#';
    return len;
}

/* ---- the whole ---- */

/* Are there more pieces than a sample may have? Then that is what is wrong with it. */
static bool has_too_many_pieces(struct slice suffix, const struct statsd_options *options)
{
    struct slice piece;
    unsigned n = 1; /* the value */

    while (section_next(&suffix, &piece))
        n += !section_is_field(piece);
    return section_is_beyond(n, options);
}

/* A section with the '|' before it. */
static size_t copy_section(struct slice section, char *out)
{
    memcpy(out, section.p - 1, section.len + 1);
    return section.len + 1;
}

void statsd_strip_extras(struct slice suffix, const struct statsd_options *options, char *out,
                         struct statsd_stripped *stripped)
{
    bool keep_all = has_too_many_pieces(suffix, options);
    struct slice rest = suffix;
    struct slice piece;
    size_t len = 0;
    bool is_type = true;

    stripped->n_unknown = 0;
    stripped->exemplar.n = 0;
    while (section_next(&rest, &piece)) {
        if (is_type || keep_all)
            len += copy_section(piece, out + len);
        else if (section_is_tags(piece) && extras_in_tags(piece, options))
            len += copy_tags(piece, options, out + len, &stripped->exemplar);
        else if (!section_is_extra(piece, options))
            len += copy_section(piece, out + len);
        else
            stripped->n_unknown += section_is_unknown(piece);
        is_type = false;
    }
    stripped->len = len;
}
