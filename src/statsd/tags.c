/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: see tags.h
 *
 * Every dialect is a list of key, assign, value with a separator; they differ in the bytes for
 * these and in where the list stands:
 *
 *      |#k:v,k:v          DogStatsD    in the suffix; one '#' before a key is a PHP client's habit
 *      name,k=v,k=v       InfluxDB     from the first ',' or '#' of the name to its end; with both
 *      name#k=v,k=v       Librato      on, whichever comes first begins the list
 *      name;k=v;k=v       Graphite     likewise
 *      na[k=v,k=v]me      SignalFX     between the first '[' and the first ']', wherever they are
 *
 * So there is one loop over elements and one row of bytes for each dialect. A new dialect is a row,
 * a case in syntax_of(), its first byte in is_delimiter, and its option with a default in statsd.h.
 *
 * Laws: an element that is empty or lacks its key is one error and no label; one that lacks its
 *       assign byte or its value is what the options say; one separator at the end of the list is
 *       no error.
 *       A bracket decides for SignalFX and no other dialect is looked at. Brackets that are no pair
 *       (one alone, or the closing one first) are one error and leave the name as it was.
 *       Of two tags whose keys escape to the same label name, the last one's value stays, in the
 *       place of the first. Once there are as many as may be, every further tag is surplus, and so
 *       is one whose value is too long.
 */
#include "statsd/tags.h"

#include "base/name.h"

#include <limits.h>

struct syntax {
    char separator;
    char assign;
    bool is_dogstatsd; /* one '#' before a key is dropped; tags may go to exemplars */
};

static const struct syntax dogstatsd = {.separator = ',', .assign = ':', .is_dogstatsd = true};
static const struct syntax influxdb = {.separator = ',', .assign = '='};
static const struct syntax librato = {.separator = ',', .assign = '='};
static const struct syntax graphite = {.separator = ';', .assign = '='};
static const struct syntax signalfx = {.separator = ',', .assign = '='};

/* ---- labels ---- */

static struct statsd_label *find_label(const struct tags_sink *sink, struct slice key)
{
    for (unsigned i = 0; i < sink->n_labels; i++)
        if (slice_eq(sink->labels[i].key, key))
            return &sink->labels[i];
    return NULL;
}

/* Is there room for one more label, with @value? */
static bool has_room(const struct tags_sink *sink, struct slice value)
{
    uint64_t most = sink->options->max_labels;
    uint64_t longest = sink->options->max_label_length;

    if (sink->n_labels == STATSD_MAX_LABELS || (most > 0 && sink->n_labels >= most))
        return false;
    return longest == 0 || value.len <= longest;
}

void tags_add(struct tags_sink *sink, struct slice key, struct slice value)
{
    bool plain;
    struct statsd_label *label;

    if (!sink->labels) {
        sink->n_labels++;
        return;
    }
    if (!has_room(sink, value)) {
        sink->n_surplus++; /* also a key that is there: looking for it is what makes a flood dear */
        return;
    }
    plain = name_is_plain(key);
    if (!plain)
        key = slice_of(sink->scratch, name_escape(sink->scratch, key));
    label = find_label(sink, key);
    if (label) {
        label->value = value;
        return;
    }
    sink->labels[sink->n_labels++] = (struct statsd_label){.key = key, .value = value};
    if (!plain)
        sink->scratch += key.len;
}

/* ---- lists ---- */

/*
 *      a=1,,b=2,      three elements: the second is empty, after the last separator comes none
 *          ^    ^
 */
bool tags_next(struct slice *list, char separator, struct slice *element)
{
    if (list->len == 0)
        return false;
    *element = slice_of(list->p, slice_find(*list, separator));
    *list = slice_from(*list, element->len);
    if (list->len > 0)
        *list = slice_from(*list, 1);
    return true;
}

/* False: there is no key. */
static bool cut_element(struct slice element, const struct syntax *syntax, struct slice *key,
                        struct slice *value)
{
    size_t assign;

    if (syntax->is_dogstatsd && slice_starts(element, SLICE_LIT("#")))
        element = slice_from(element, 1);
    assign = slice_find(element, syntax->assign);
    *key = slice_of(element.p, assign);
    *value = slice_from(element, assign < element.len ? assign + 1 : assign);
    return key->len > 0;
}

bool tags_cut_dogstatsd(struct slice element, struct slice *key, struct slice *value)
{
    return cut_element(element, &dogstatsd, key, value);
}

static void read_valueless(struct slice key, struct tags_sink *sink)
{
    switch (sink->options->valueless_tags) {
    case STATSD_VALUELESS_ERROR:
        sink->n_errors++;
        return;
    case STATSD_VALUELESS_TRUE:
        tags_add(sink, key, SLICE_LIT("true"));
        return;
    case STATSD_VALUELESS_EMPTY:
        tags_add(sink, key, SLICE_LIT(""));
        return;
    case STATSD_VALUELESS_IGNORE:
        return;
    }
}

static void read_element(struct slice element, const struct syntax *syntax, struct tags_sink *sink)
{
    struct statsd_label tag;

    if (!cut_element(element, syntax, &tag.key, &tag.value))
        sink->n_errors++;
    else if (tag.value.len == 0)
        read_valueless(tag.key, sink);
    else if (!syntax->is_dogstatsd || !extras_is_exemplar_tag(element, sink->options, &tag))
        tags_add(sink, tag.key, tag.value);
}

static void read_list(struct slice list, const struct syntax *syntax, struct tags_sink *sink)
{
    struct slice element;

    while (tags_next(&list, syntax->separator, &element))
        read_element(element, syntax, sink);
}

void tags_read_dogstatsd(struct slice list, struct tags_sink *sink)
{
    read_list(list, &dogstatsd, sink);
}

/* ---- names ---- */

/* The list that @delimiter begins in a name, or NULL. */
static const struct syntax *syntax_of(char delimiter, const struct statsd_options *options)
{
    switch (delimiter) {
    case ',':
        return options->influxdb_tags ? &influxdb : NULL;
    case '#':
        return options->librato_tags ? &librato : NULL;
    case ';':
        return options->graphite_tags ? &graphite : NULL;
    default:
        return NULL;
    }
}

/* Bytes that some dialect gives a meaning: most names have none, and are passed over quickly. */
static const bool is_delimiter[UCHAR_MAX + 1] = {
    [','] = true, ['#'] = true, [';'] = true, ['['] = true, [']'] = true,
};

bool tags_in_name(struct slice name, const struct statsd_options *options)
{
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.p[i];

        if (!is_delimiter[(unsigned char)byte])
            continue;
        if (syntax_of(byte, options) || (options->signalfx_tags && (byte == '[' || byte == ']')))
            return true;
    }
    return false;
}

static struct slice cut_list(struct slice name, const struct statsd_options *options,
                             struct tags_sink *sink)
{
    for (size_t i = 0; i < name.len; i++) {
        const struct syntax *syntax = syntax_of(name.p[i], options);

        if (syntax) {
            read_list(slice_from(name, i + 1), syntax, sink);
            return slice_of(name.p, i);
        }
    }
    return name;
}

/* @head and @tail in one piece: no bytes are moved when one of them is empty. */
static struct slice join(struct slice head, struct slice tail, struct tags_sink *sink)
{
    char *joined = sink->scratch;

    if (tail.len == 0 || !sink->labels)
        return head;
    if (head.len == 0)
        return tail;
    memcpy(joined, head.p, head.len);
    memcpy(joined + head.len, tail.p, tail.len);
    sink->scratch += head.len + tail.len;
    return slice_of(joined, head.len + tail.len);
}

/* @open and @close: where the first ones are, or name.len. At least one of them is there. */
static struct slice cut_brackets(struct slice name, size_t open, size_t close,
                                 struct tags_sink *sink)
{
    if (close == name.len || close < open) {
        sink->n_errors++;
        return name;
    }
    read_list(slice_of(name.p + open + 1, close - open - 1), &signalfx, sink);
    return join(slice_of(name.p, open), slice_from(name, close + 1), sink);
}

struct slice tags_cut_name(struct slice name, const struct statsd_options *options,
                           struct tags_sink *sink)
{
    if (!tags_in_name(name, options))
        return name;
    if (options->signalfx_tags) {
        size_t open = slice_find(name, '[');
        size_t close = slice_find(name, ']');

        if (open < name.len || close < name.len)
            return cut_brackets(name, open, close, sink);
    }
    return cut_list(name, options, sink);
}
