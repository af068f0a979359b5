/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loader: from the texts of mapping files to a mapping
 *
 * A text becomes a tree of nodes with places, the trees become rules, the rules become a mapping.
 * The top level only notes where `defaults` and `mappings` stand, so that the defaults are complete
 * before the first rule is read, whatever the order in the file or of the files.
 *
 * Several files are one mapping in pieces: their rules are one list in the order of the files. The
 * defaults stand in one of them and hold for all; a second section would have to be merged with the
 * first or hold for its own file only, and who reads one file could not tell which, so it is
 * refused.
 *
 * The file is read strictly: a key that no table knows is an error with a suggestion, for a typo in
 * `histogram_options` must not quietly give other buckets. Keys of statsd_exporter's older schema
 * are in the tables, each with a warning. So one loader reads the files of both generations.
 *
 * Laws: the first mistake ends the load, nothing half-read gets out. What is legal but surely not
 *       meant is a warning. Nothing is read but the text given: no file, no clock, no environment.
 */
#include "mapping/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "mapping/mapping.h"

/* ---- what every level needs ---- */

void load_warn(const struct load *l, const struct yaml_node *node, const char *fmt, ...)
{
    struct err e;
    char text[sizeof(e.text)];
    va_list args;

    if (l->on_warning == NULL)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    yaml_doc_refuse(l->doc, node, &e, "%s", text);
    l->on_warning(l->ctx, &e);
}

/* "; write a or b", or "; did you mean "a"?" when one is near enough. */
static void append_remedy(char *out, size_t cap, const char *word, const char *const *words,
                          size_t n)
{
    const char *near = err_suggest(word, words, n);
    size_t len = 0;

    if (near != NULL) {
        snprintf(out, cap, "did you mean \"%s\"?", near);
        return;
    }
    len += (size_t)snprintf(out, cap, "write one of: ");
    for (size_t i = 0; i < n && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? ", " : "", words[i]);
}

static const struct load_key *find_key(const struct load_key *const *tables, struct slice name)
{
    for (; *tables != NULL; tables++) {
        for (const struct load_key *k = *tables; k->name != NULL; k++) {
            if (slice_eq_str(name, k->name))
                return k;
        }
    }
    return NULL;
}

/* Where the key @name of other tables stands, for a remedy; false when there is none such. */
static bool append_home(char *out, size_t cap, struct slice name)
{
    static const struct {
        const struct load_key *tables[4]; /* NULL ends them */
        const char *where;
    } homes[] = {
        {{load_top_keys}, "at the left margin of the file"},
        {{load_defaults_keys}, "in defaults"},
        {{load_rule_keys}, "in a rule"},
        {{load_common_keys, load_label_keys, load_observer_keys}, "in defaults or in a rule"},
        {{load_summary_keys}, "in summary_options"},
        {{load_quantile_keys}, "in an entry of quantiles"},
        {{load_histogram_keys}, "in histogram_options"},
        {{load_set_keys}, "in set_options"},
    };
    size_t len = 0;

    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]) && len < cap; i++) {
        const struct load_key *key = find_key(homes[i].tables, name);

        if (key != NULL && !key->hidden)
            len += (size_t)snprintf(out + len, cap - len, "%s%s", len > 0 ? ", or " : "it stands ",
                                    homes[i].where);
    }
    return len > 0;
}

static int refuse_key(struct load *l, const struct yaml_node *key, const char *what,
                      const struct load_key *const *tables)
{
    const char *words[LOAD_MAX_KEYS];
    char remedy[512];
    size_t n = 0;

    for (; *tables != NULL; tables++) {
        for (const struct load_key *k = *tables; k->name != NULL; k++) {
            if (!k->hidden && n < LOAD_MAX_KEYS)
                words[n++] = k->name;
        }
    }
    if (!append_home(remedy, sizeof(remedy), key->text))
        append_remedy(remedy, sizeof(remedy), key->text.p, words, n);
    return load_refuse(l, key, "unknown key \"%.100s\" in %s; %s", key->text.p, what, remedy);
}

int load_keys(struct load *l, const struct yaml_node *node, const char *what,
              const struct load_key *const *tables, void *into)
{
    int r = yaml_node_expect(l->doc, node, what, YAML_MAP, l->e);

    for (size_t i = 0; r == 0 && i < node->n; i++) {
        const struct yaml_pair *pair = &node->pairs[i];
        const struct load_key *key = find_key(tables, pair->key->text);

        if (key == NULL)
            return refuse_key(l, pair->key, what, tables);
        if (!yaml_node_is_null(pair->value))
            r = key->read(l, pair, into);
    }
    return r;
}

int load_word(struct load *l, const struct yaml_pair *pair, const char *const *words, size_t n,
              size_t *out)
{
    const char *what = pair->key->text.p, *text;
    size_t skip = n > 0 && words[0][0] == '\0';
    char remedy[256];
    int r = yaml_node_text(l->doc, pair->value, what, &text, l->e);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    append_remedy(remedy, sizeof(remedy), text, words + skip, n - skip);
    return load_refuse(l, pair->value, "%s cannot be \"%.100s\"; %s", what, text, remedy);
}

int load_text(struct load *l, const struct yaml_pair *pair, const char **out)
{
    const char *text;
    int r = yaml_node_text(l->doc, pair->value, pair->key->text.p, &text, l->e);

    if (r < 0)
        return r;
    *out = shelf_text(l->shelf, text);
    return *out != NULL ? 0 : -ENOMEM;
}

int load_duration(struct load *l, const struct yaml_pair *pair, int64_t *out_ns)
{
    const char *what = pair->key->text.p;
    struct yaml_duration d;
    int r = yaml_node_duration(l->doc, pair->value, what, &d, l->e);

    if (r < 0)
        return r;
    if (d.bare && d.ns != 0)
        load_warn(l, pair->value,
                  "%s: %.50s without a unit counts nanoseconds; write a unit, as in %.50ss", what,
                  pair->value->text.p, pair->value->text.p);
    *out_ns = d.ns;
    return 0;
}

/* ---- the top ---- */

struct file {
    const char *name;
    struct yaml_doc *doc;                 /* owned */
    const struct yaml_node *defaults_key; /* NULL: not given, like the next two */
    const struct yaml_node *defaults;
    const struct yaml_node *mappings;
};

static int on_defaults(struct load *l, const struct yaml_pair *pair, void *into)
{
    struct file *file = into;

    (void)l;
    file->defaults_key = pair->key;
    file->defaults = pair->value;
    return 0;
}

static int on_mappings(struct load *l, const struct yaml_pair *pair, void *into)
{
    ((struct file *)into)->mappings = pair->value;
    return yaml_node_expect(l->doc, pair->value, "mappings", YAML_LIST, l->e);
}

/* Keys that the rival's decoder takes by accident, and that mean nothing. */
static int on_nothing(struct load *l, const struct yaml_pair *pair, void *into)
{
    (void)into;
    load_warn(l, pair->key, "the key %s has no effect; remove it", pair->key->text.p);
    return 0;
}

const struct load_key load_top_keys[] = {
    {"defaults", on_defaults, false, "{KEY: VALUE, ...}", "the defaults of each key",
     "Defaults of all rules, and the settings of unmapped names."},
    {"mappings", on_mappings, false, "[RULE, ...]", "none",
     "The rules. For their precedence see match_order."},
    {"fsm", on_nothing, .hidden = true},
    {"logger", on_nothing, .hidden = true},
    {"registerer", on_nothing, .hidden = true},
    {"mappingscount", on_nothing, .hidden = true},
    {0},
};

/* ---- all rules ---- */

struct rules {
    struct mapping_rule *v;
    size_t n;
};

static int read_rule(struct load *l, const char *file, const struct yaml_node *node,
                     const struct load_defaults *defaults, struct rules *rules)
{
    struct mapping_rule *rule = &rules->v[rules->n++];

    if (file != NULL) {
        rule->file = shelf_text(l->shelf, file);
        if (rule->file == NULL)
            return -ENOMEM;
    }
    return load_rule(l, node, defaults, rule);
}

static int by_name(const void *a, const void *b)
{
    const struct mapping_rule *x = *(const struct mapping_rule *const *)a;
    const struct mapping_rule *y = *(const struct mapping_rule *const *)b;
    int c = strcmp(x->name, y->name);

    return c != 0 ? c : x < y ? -1 : x > y;
}

static void warn_help(const struct load *l, const struct mapping_rule *rule,
                      const struct mapping_rule *first)
{
    char place[MAPPING_PLACE_MAX];
    struct err e;

    mapping_rule_place(first, first->line, rule, place);
    err_set(&e, rule->file, rule->line, rule->column,
            "%.200s has another help at %s, and a metric has only one; the one that is first used "
            "will show, so make them the same",
            first->name, place);
    l->on_warning(l->ctx, &e);
}

/* One family has one help. Names with references are left out: who knows what they become. */
static int warn_helps(const struct load *l, const struct rules *rules)
{
    const struct mapping_rule **sorted = calloc(rules->n + 1, sizeof(*sorted));
    const struct mapping_rule *first = NULL;
    size_t n = 0;

    if (sorted == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < rules->n; i++) {
        const struct mapping_rule *rule = &rules->v[i];

        if (rule->help != NULL && rule->action == MAPPING_MAP && strchr(rule->name, '$') == NULL)
            sorted[n++] = rule;
    }
    qsort(sorted, n, sizeof(*sorted), by_name);
    for (size_t i = 0; i < n; i++) {
        if (first == NULL || strcmp(first->name, sorted[i]->name) != 0)
            first = sorted[i];
        else if (strcmp(first->help, sorted[i]->help) != 0)
            warn_help(l, sorted[i], first);
    }
    free(sorted);
    return 0;
}

/* ---- the files ---- */

struct files {
    struct file *v;
    size_t n; /* of them read */
};

static void files_free(struct files *files)
{
    for (size_t i = 0; i < files->n; i++)
        yaml_doc_free(files->v[i].doc);
    free(files->v);
}

/* What stands in each file, and where. */
static int read_tops(struct load *l, const struct bacowr_text *texts, size_t n, struct files *files)
{
    static const struct load_key *const tables[] = {load_top_keys, NULL};
    int r = 0;

    files->v = calloc(n + 1, sizeof(*files->v));
    if (files->v == NULL)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct file *file = &files->v[i];
        const struct yaml_node *root;

        file->name = texts[i].file;
        r = yaml_doc_new(&file->doc, file->name, texts[i].text, l->e);
        if (r < 0)
            return r;
        files->n++;
        l->doc = file->doc;
        root = yaml_doc_root(file->doc);
        if (yaml_doc_ignored(file->doc) != NULL)
            load_warn(l, yaml_doc_ignored(file->doc),
                      "what follows this --- is another document and is ignored, as in "
                      "statsd_exporter; write all rules under one mappings, or in separate files");
        if (!yaml_node_is_null(root))
            r = load_keys(l, root, "the file", tables, file);
    }
    return r;
}

static int read_defaults(struct load *l, const struct files *files, struct load_defaults *defaults)
{
    const struct file *with = NULL;

    for (size_t i = 0; i < files->n; i++) {
        const struct file *file = &files->v[i];

        if (file->defaults == NULL)
            continue;
        l->doc = file->doc;
        if (with != NULL)
            return load_refuse(l, file->defaults_key,
                               "defaults are already set at line %u of %.255s and apply to the "
                               "rules of all files; keep them in one file",
                               with->defaults_key->line,
                               with->name != NULL ? with->name : "another");
        with = file;
    }
    return load_defaults(l, with != NULL ? with->defaults : NULL, defaults);
}

static int read_rules(struct load *l, const struct files *files,
                      const struct load_defaults *defaults, struct rules *rules)
{
    size_t n = 0;

    for (size_t i = 0; i < files->n; i++)
        n += files->v[i].mappings != NULL ? files->v[i].mappings->n : 0;
    rules->v = shelf_room(l->shelf, n * sizeof(*rules->v));
    if (rules->v == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < files->n; i++) {
        const struct file *file = &files->v[i];

        l->doc = file->doc;
        for (size_t k = 0; file->mappings != NULL && k < file->mappings->n; k++) {
            int r = read_rule(l, file->name, file->mappings->items[k], defaults, rules);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int read_files(struct load *l, const struct files *files, struct mapping_defaults *settled,
                      struct rules *rules)
{
    struct load_defaults defaults = {.settled = settled};
    int r = read_defaults(l, files, &defaults);

    if (r == 0)
        r = read_rules(l, files, &defaults, rules);
    if (r == 0 && l->on_warning != NULL)
        r = warn_helps(l, rules);
    return r;
}

int mapping_load(struct mapping **out, const struct bacowr_text *texts, size_t n, err_fn on_warning,
                 void *ctx, struct err *e)
{
    struct load l = {.on_warning = on_warning, .ctx = ctx, .e = e};
    struct mapping_defaults defaults;
    struct files files = {0};
    struct rules rules = {0};
    int r = read_tops(&l, texts, n, &files);

    mapping_defaults_init(&defaults);
    if (r == 0)
        r = shelf_new(&l.shelf);
    if (r == 0)
        r = read_files(&l, &files, &defaults, &rules);
    files_free(&files);
    if (r == 0)
        return mapping_new(out, l.shelf, rules.v, rules.n, &defaults, on_warning, ctx, e);
    shelf_free(l.shelf);
    return r;
}
