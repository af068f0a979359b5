/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys man: the manual page of mapping files
 *
 * The keys come from the loader's own rows (keys.h), section by section, so the page tells of every
 * key that is taken, and of no other. Around them stands prose on what keys do together: which rule
 * takes a name, what its pattern captures, where labels come from; and an example, whose second
 * half says what lines become by its first half. A test reads both halves out of the page and asks
 * the program whether it is so.
 *
 * Law: the page is the same for each build of a version; its date is the prose's.
 */
#include "mapping/keys_man.h"

#include <stdio.h>
#include <string.h>

#include "base/roff.h"
#include "mapping/keys.h"

#define DATE "2026-11-22"

/* clang-format off */
static const struct roff_part before[] = {
    {ROFF_HEAD, "NAME", NULL},
    {ROFF_TEXT, "bacowr-statsd-mapping - rules that turn StatsD names into metrics", NULL},
    {ROFF_HEAD, "DESCRIPTION", NULL},
    {ROFF_TEXT,
     "A mapping file maps StatsD names to metrics and labels, and defines how values are "
     "stored. bacowr-statsd(1) reads it at start, on SIGHUP and on `/-/reload`; "
     "`--statsd.mapping-config` names it. The file is YAML, with anchors and merge keys. "
     "Files for statsd_exporter work unchanged.", NULL},
    {ROFF_TEXT,
     "The top-level keys are `mappings`, a list of rules, and `defaults` for keys that a "
     "rule omits. A rule has at least a `match` and a `name`. An unmapped name becomes a "
     "metric of that name, in which each character other than letters, digits, `_` and `:` "
     "becomes an underscore; with `unmapped: drop` it is dropped.", NULL},
    {ROFF_TEXT,
     "A key without a value counts as omitted. Unknown and duplicate keys are errors. "
     "Durations are written 300ms, 30s, 5m, 1h30m; the units are ns, us, ms, s, m and h.", NULL},
    {ROFF_SUBHEAD, "Rule matching", NULL},
    {ROFF_TEXT,
     "All globs are tried before all regexes. Of the matching globs the first in the file "
     "wins, or with `glob_disable_ordering` the one with the earliest literal text; of the "
     "regexes the first in the file. With `match_order: file` globs and regexes form one "
     "list, and the first matching rule wins.", NULL},
    {ROFF_TEXT,
     "A glob matches the whole name, segment by segment between the dots. A segment `*` "
     "matches any one segment. Combined with text, as in `worker-*` or `*_*`, a star "
     "matches any part of the segment, the leftmost as little as possible. No star matches "
     "a dot, so a glob matches only names with the same number of segments.", NULL},
    {ROFF_TEXT,
     "A regex matches anywhere in the name unless anchored by `^` and `$`. It has RE2 "
     "syntax. A search that exceeds its limit is aborted, is no match, and is counted in "
     "`bacowr_statsd_regex_limit_total`.", NULL},
    {ROFF_TEXT,
     "A rule may have further conditions: the sample type in `match_metric_type`, tags in "
     "`match_labels`, and exceptions in `except`. Names that a rule excludes are left to "
     "the next rules.", NULL},
    {ROFF_SUBHEAD, "References", NULL},
    {ROFF_TEXT,
     "In `name` and in the values of `labels`, `$1` or `${1}` is the match of the first "
     "star of a glob, or the first group of a regex; `$2` the second, and so on. Braces "
     "separate it from following text: `${1}_total`. In labels, `${host}` is the group "
     "`(?P<host>...)` of a regex. A reference to a missing group is empty text, and the "
     "check warns of it.", NULL},
    {ROFF_SUBHEAD, "Labels", NULL},
    {ROFF_TEXT,
     "The tags of a sample become labels. First `keep_labels`, `drop_labels` and "
     "`rename_labels` are applied, in this order and by the label names that the tags have "
     "before they are renamed. Then the "
     "`labels` of the rule are added; they replace tags of the same name unless "
     "`honor_labels` is true. Last, the `labels` of the defaults are added if the name is "
     "not used yet. `match_labels` matches the tags as sent.", NULL},
    {ROFF_TEXT,
     "Labels with names reserved by Prometheus (`le` on a histogram, `quantile` on a "
     "summary, and those that begin with `__`) become `exported_le` and so on.", NULL},
    {ROFF_SUBHEAD, "Several files", NULL},
    {ROFF_TEXT,
     "`--statsd.mapping-config` is repeatable, and a directory means its *.yml and *.yaml "
     "files in the order of their names. The rules of all files form one list in that "
     "order. Only one file may have `defaults`, which apply to the rules of all.", NULL},
    {ROFF_END, NULL, NULL},
};

static const struct roff_part after[] = {
    {ROFF_HEAD, "EXAMPLES", NULL},
    {ROFF_TEXT, "A mapping:", NULL},
    {ROFF_LINES,
     "defaults:\n"
     "  observer_type: histogram\n"
     "  histogram_options: {buckets: [0.01, 0.1, 1, 10]}\n"
     "mappings:\n"
     "- match: shop.orders.*.*\n"
     "  name: shop_orders_total\n"
     "  labels: {country: $1, method: $2}\n"
     "- match: shop.debug.*\n"
     "  name: dropped\n"
     "  action: drop\n"
     "- match: shop.*.time\n"
     "  name: ${1}_seconds\n"
     "  match_metric_type: observer\n"
     "- match: '^db-(?P<host>[a-z0-9]+)\\.(\\w+)\\.rows$'\n"
     "  match_type: regex\n"
     "  name: db_rows\n"
     "  labels: {host: '${host}', table: $2, \"kind\": 'row \"count\"'}\n"
     "  ttl: 1h\n", NULL},
    {ROFF_TEXT, "Lines, and the resulting series:", NULL},
    {ROFF_LINES,
     "shop.orders.eu.card:1|c\n"
     "    shop_orders_total{country=\"eu\",method=\"card\"}\n"
     "shop.orders.eu.card:2|c|#channel:web\n"
     "    shop_orders_total{channel=\"web\",country=\"eu\",method=\"card\"}\n"
     "shop.checkout.time:320|ms\n"
     "    checkout_seconds\n"
     "shop.checkout.time:1|c\n"
     "    shop_checkout_time\n"
     "shop.debug.cache:1|c\n"
     "    dropped by a rule\n"
     "db-a1.users.rows:1042|g\n"
     "    db_rows{host=\"a1\",kind=\"row \\\"count\\\"\",table=\"users\"}\n"
     "stock-level:7|g\n"
     "    stock_level\n", NULL},
    {ROFF_TEXT, "To try your own lines and rules:", NULL},
    {ROFF_LINES,
     "bacowr-statsd --statsd.mapping-config=mapping.yml explain 'shop.orders.eu.card:1|c'\n", NULL},
    {ROFF_HEAD, "DIAGNOSTICS", NULL},
    {ROFF_TEXT,
     "`bacowr-statsd check` FILE reports the first error of a file with line, column and a "
     "suggested fix:", NULL},
    {ROFF_LINES,
     "mapping.yml:4:3: unknown key \"histgram_options\" in a rule; did you mean "
     "\"histogram_options\"?\n", NULL},
    {ROFF_TEXT,
     "Valid but probably wrong input causes a warning: a rule that can never match, with "
     "the one that shadows it; a reference to a missing group; a duration without a unit; "
     "two help texts for one metric.",
     NULL},
    {ROFF_TEXT,
     "A server does not start with an invalid file. A running server keeps its old rules, "
     "logs the error, and counts it in `statsd_exporter_config_reloads_total`.", NULL},
    {ROFF_HEAD, "SEE ALSO", NULL},
    {ROFF_TEXT, "bacowr-statsd(1)", NULL},
    {ROFF_END, NULL, NULL},
};
/* clang-format on */

static void add_key(struct roff *r, const struct mapping_key *key)
{
    char tag[128], text[512];

    snprintf(tag, sizeof tag, "%s: %s", key->name, key->value);
    snprintf(text, sizeof text, "%s %s%s.", key->help, key->fallback ? "Default: " : "Required",
             key->fallback ? key->fallback : "");
    roff_item(r, tag, text);
}

static void add_keys(struct roff *r)
{
    struct mapping_key_cursor c = {0};
    const char *section = NULL;
    struct mapping_key key;

    roff_head(r, "KEYS");
    while (mapping_key_next(&c, &key)) {
        if (section == NULL || strcmp(section, key.section) != 0) {
            roff_subhead(r, key.section);
            roff_paragraph(r, key.where);
        }
        section = key.section;
        add_key(r, &key);
    }
}

int mapping_man(struct buf *out, const char *version)
{
    static const struct roff_page page = {
        .name = "BACOWR-STATSD-MAPPING",
        .section = 5,
        .date = DATE,
        .program = "bacowr-statsd",
        .before = before,
        .tables = add_keys,
        .after = after,
    };

    return roff_page(out, &page, version);
}
