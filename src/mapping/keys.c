/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: the loader's tables in the order of a manual
 *
 * What a key means is written in the row that also reads it, so that a manual cannot tell of other
 * keys than the loader takes. Here is only in which sections the tables are shown, and where in a
 * file each of them belongs.
 *
 * Laws: every table of the loader is in one section. Hidden rows are not shown.
 */
#include "mapping/keys.h"

#include "mapping/load.h"

#define MAX_TABLES 3

struct section {
    const char *name;
    const char *where;
    const struct load_key *tables[MAX_TABLES + 1]; /* NULL ends them */
};

static const struct section sections[] = {
    {"file", "At the left margin of the file.", {load_top_keys}},
    {"defaults", "Inside defaults only.", {load_defaults_keys}},
    {"mappings", "In each entry of mappings, which is a rule.", {load_rule_keys}},
    {"defaults and mappings",
     "Inside defaults and in each rule. What a rule leaves out comes from the defaults.",
     {load_common_keys, load_label_keys, load_observer_keys}},
    {"summary_options", "Inside summary_options.", {load_summary_keys}},
    {"quantiles", "In each entry of quantiles.", {load_quantile_keys}},
    {"histogram_options", "Inside histogram_options.", {load_histogram_keys}},
    {"set_options", "Inside set_options.", {load_set_keys}},
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* The row at @c, which moves to the next one; NULL behind the last. */
static const struct load_key *next_row(struct mapping_key_cursor *c)
{
    while (c->section < N_SECTIONS) {
        const struct load_key *table = sections[c->section].tables[c->table];

        if (table == NULL) {
            c->section++;
            c->table = c->row = 0;
        } else if (table[c->row].name == NULL) {
            c->table++;
            c->row = 0;
        } else {
            return &table[c->row++];
        }
    }
    return NULL;
}

bool mapping_key_next(struct mapping_key_cursor *c, struct mapping_key *out)
{
    const struct load_key *key;

    do
        key = next_row(c);
    while (key != NULL && key->hidden);
    if (key == NULL)
        return false;
    *out = (struct mapping_key){
        .section = sections[c->section].name,
        .where = sections[c->section].where,
        .name = key->name,
        .value = key->value,
        .fallback = key->fallback,
        .help = key->help,
    };
    return true;
}
