/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: the dialects, and the labels that they become
 *
 * Contract: a sink collects labels in an array that its maker lends it, or only counts when there
 * is none. Keys are escaped to label names; a key that is one already stays a view of the input,
 * others are written to the sink's scratch, which never needs more bytes than the tag had.
 */
#ifndef STATSD_TAGS_H
#define STATSD_TAGS_H

#include <stdbool.h>

#include "bacowr/statsd.h"
#include "base/slice.h"

struct tags_sink {
    struct statsd_label *labels; /* borrowed, STATSD_MAX_LABELS of them; NULL: only count */
    const struct statsd_options *options; /* borrowed */
    char *scratch;      /* borrowed, the next free byte; not used when labels is NULL */
    unsigned n_labels;  /* distinct keys; when only counting: well-formed tags */
    unsigned n_errors;  /* malformed tags */
    unsigned n_surplus; /* well-formed tags that found no room */
};

/*
 * The next element of @list; false when there is none left. An empty one between separators is one,
 * behind the last separator comes none.
 */
bool tags_next(struct slice *list, char separator, struct slice *element);

/* Cut an element of a `|#` section; @value is empty when it has none. False: there is no key. */
bool tags_cut_dogstatsd(struct slice element, struct slice *key, struct slice *value);

/* Does @name hold a delimiter of a dialect that is on? */
bool tags_in_name(struct slice name, const struct statsd_options *options);

/*
 * Take the tags out of @name into @sink. What is left of it: a view of @name or of the scratch. A
 * sink that only counts has no scratch, and the result is then without meaning.
 */
struct slice tags_cut_name(struct slice name, const struct statsd_options *options,
                           struct tags_sink *sink);

/* The text of a `|#` section, its '#' removed: k:v,k:v */
void tags_read_dogstatsd(struct slice list, struct tags_sink *sink);

/* Does @element of a `|#` section go to an exemplar? Then @out is key and value. */
bool extras_is_exemplar_tag(struct slice element, const struct statsd_options *options,
                            struct statsd_label *out);

/* Has the `|#` section @section such an element? */
bool extras_in_tags(struct slice section, const struct statsd_options *options);

/* Add one label; borrows both. A key that is there keeps its place and gets the new value. */
void tags_add(struct tags_sink *sink, struct slice key, struct slice value);

#endif
