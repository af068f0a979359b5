/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: what can be written in a mapping file, to be shown
 *
 * Contract: the rows are the loader's own, so they tell of every key that it takes, but those of
 * older files that it takes with a warning. All text is static, in plain words without markup.
 */
#ifndef MAPPING_KEYS_H
#define MAPPING_KEYS_H

#include <stdbool.h>
#include <stddef.h>

struct mapping_key {
    const char *section;  /* as the manual heads it: "defaults", "summary_options" */
    const char *where;    /* a sentence on where the section's keys stand */
    const char *name;     /* of the key */
    const char *value;    /* what is written there: DURATION, glob|regex, [NAME, ...] */
    const char *fallback; /* what holds where the key is left out; NULL: it must be there */
    const char *help;     /* a sentence or two */
};

/* Zeroed at the beginning. */
struct mapping_key_cursor {
    size_t section, table, row;
};

/* The next key, section by section; false when there is none. */
bool mapping_key_next(struct mapping_key_cursor *c, struct mapping_key *out);

#endif
