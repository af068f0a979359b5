/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: the command line, read by the settings table
 *
 *      argv --arguments.c--> words --read_words--> settings, command, arguments --finish--> options
 *             @FILE                by the table                    what rows cannot know alone
 *
 * A flag that asks for help or for the version wins over whatever else is on the line, right or
 * wrong: it is looked for first. Everything else is read from left to right, and the first mistake
 * ends it.
 *
 * Laws: a value that begins with '-' needs the form --flag=value, as kingpin has it; after a plain
 *       "--" there are no flags.
 */
#include "conf/options.h"

#include "conf/arguments.h"
#include "conf/options_help.h"
#include "conf/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define MAX_FLAGS 128 /* rows of both tables */

/* ---- lists ---- */

int options_list_add(struct options_list *list, const char *text, size_t len)
{
    char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    char *copy;

    if (!items)
        return -ENOMEM;
    list->items = items;
    copy = strndup(text, len);
    if (!copy)
        return -ENOMEM;
    list->items[list->n++] = copy;
    return 0;
}

void options_list_release(struct options_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct options_list){0};
}

/* ---- words ---- */

struct reader {
    struct options *o;
    const struct options_list *words;
    size_t next;
    bool literal;
    const char *command; /* NULL: none was named */
    const struct setting *given[MAX_FLAGS];
    size_t n_given;
    const char *print; /* the print flag to obey, instead of anything else */
    struct err *e;
};

/* --name[=value] or --no-name, cut. */
struct flag {
    const char *word;
    struct slice name;
    const char *value; /* NULL: none in the word */
    bool negated;
    const struct setting *setting;
};

/* A dash alone is an ordinary word. */
static bool is_dashed(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static struct flag cut_flag(const char *word)
{
    const char *equals = strchr(word, '=');
    struct flag flag = {.word = word, .value = equals ? equals + 1 : NULL};

    flag.name = slice_of(word + 2, equals ? (size_t)(equals - word) - 2 : strlen(word) - 2);
    flag.setting = setting_find(flag.name.p, flag.name.len);
    if (!flag.setting && slice_starts(flag.name, SLICE_LIT("no-"))) {
        flag.setting = setting_find(flag.name.p + 3, flag.name.len - 3);
        flag.negated = flag.setting && flag.setting->kind == SETTING_SWITCH;
        if (!flag.negated)
            flag.setting = NULL;
    }
    return flag;
}

static int refuse_unknown(const struct flag *flag, struct err *e)
{
    const char *names[MAX_FLAGS];
    const char *nearest;
    char name[128];
    size_t n = 0;

    for (const struct setting *s = settings; s->name; s++)
        names[n++] = s->name;
    for (const struct setting_word *w = settings_print_flags; w->name; w++)
        names[n++] = w->name;
    snprintf(name, sizeof name, "%.*s", (int)(flag->name.len < 127 ? flag->name.len : 127),
             flag->name.p);
    nearest = err_suggest(name, names, n);
    if (nearest)
        err_set(e, NULL, 0, 0, "unknown flag --%s, did you mean --%s", name, nearest);
    else
        err_set(e, NULL, 0, 0, "unknown flag --%s", name);
    return -EINVAL;
}

/* A switch needs no value, but takes one in its own word: --flag=false. */
static const char *switch_value(const struct flag *flag, struct err *e)
{
    if (!flag->value)
        return flag->negated ? "false" : "true";
    if (!flag->negated)
        return flag->value;
    err_set(e, NULL, 0, 0, "%.200s: a flag with --no- takes no value", flag->word);
    return NULL;
}

/* The value in the flag's word or in the next one; NULL with an error when there is none. */
static const char *take_value(struct reader *reader, const struct flag *flag)
{
    const struct setting *s = flag->setting;
    const char *word;

    if (s->kind == SETTING_SWITCH)
        return switch_value(flag, reader->e);
    if (flag->value)
        return flag->value;
    word = reader->next < reader->words->n ? reader->words->items[reader->next] : NULL;
    if (word && !is_dashed(word)) {
        reader->next++;
        return word;
    }
    err_set(reader->e, NULL, 0, 0, "--%s needs a value, write --%s=%s", s->name, s->name,
            s->metavar);
    return NULL;
}

/* The first use of a list replaces its defaults; anything else has one use. */
static int note_given(struct reader *reader, const struct setting *s)
{
    for (size_t i = 0; i < reader->n_given; i++) {
        if (reader->given[i] != s)
            continue;
        if (s->kind == SETTING_LIST)
            return 0;
        err_set(reader->e, NULL, 0, 0, "--%s is given more than once, keep one of them", s->name);
        return -EINVAL;
    }
    assert(reader->n_given < MAX_FLAGS);
    reader->given[reader->n_given++] = s;
    if (s->kind == SETTING_LIST)
        options_list_release(setting_field(s, reader->o));
    if (s->ignored)
        return options_list_add(&reader->o->ignored, s->name, strlen(s->name));
    return 0;
}

static int read_flag(struct reader *reader, const char *word)
{
    struct flag flag = cut_flag(word);
    const char *value;
    int r;

    if (!flag.setting)
        return refuse_unknown(&flag, reader->e);
    value = take_value(reader, &flag);
    if (!value)
        return -EINVAL;
    r = note_given(reader, flag.setting);
    if (r < 0)
        return r;
    if (options_list_add(&reader->o->given, flag.setting->name, strlen(flag.setting->name)) < 0 ||
        options_list_add(&reader->o->given, value, strlen(value)) < 0)
        return -ENOMEM;
    return flag.setting->set(flag.setting, value, setting_field(flag.setting, reader->o),
                             reader->e);
}

static int read_command(struct reader *reader, const char *word)
{
    static const enum options_command commands[] = {
        OPTIONS_SERVE,       OPTIONS_CHECK, OPTIONS_EXPLAIN, OPTIONS_MAN,
        OPTIONS_HEALTHCHECK, OPTIONS_TAP,   OPTIONS_RECORD,  OPTIONS_REPLAY};

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(settings_commands[i].name, word) == 0) {
            reader->o->command = commands[i];
            reader->command = word;
            return 0;
        }
    }
    if (strcmp(word, "help") == 0) {
        reader->print = "help";
        return OPTIONS_E_DONE;
    }
    err_set(reader->e, NULL, 0, 0,
            "unexpected word '%.200s', the commands are serve, check, explain, man, healthcheck, "
            "tap, record, replay and help",
            word);
    return -EINVAL;
}

static int read_positional(struct reader *reader, const char *word)
{
    struct options *o = reader->o;

    if (!reader->command)
        return read_command(reader, word);
    if (o->command != OPTIONS_SERVE && o->command != OPTIONS_HEALTHCHECK &&
        o->command != OPTIONS_TAP)
        return options_list_add(&o->arguments, word, strlen(word));
    err_set(reader->e, NULL, 0, 0, "unexpected word '%.200s', %s takes no arguments", word,
            reader->command);
    return -EINVAL;
}

static int read_words(struct reader *reader)
{
    int r = 0;

    while (r == 0 && reader->next < reader->words->n) {
        const char *word = reader->words->items[reader->next++];

        if (reader->literal || !is_dashed(word)) {
            r = read_positional(reader, word);
        } else if (strcmp(word, "--") == 0) {
            reader->literal = true;
        } else if (word[1] == '-') {
            r = read_flag(reader, word);
        } else {
            err_set(reader->e, NULL, 0, 0,
                    "unknown short flag '%.200s': there is only -h, other flags begin with --",
                    word);
            r = -EINVAL;
        }
    }
    return r;
}

/* ---- the whole ---- */

/* The name of the first print flag among @words, or NULL; @after: the position behind it. */
static const char *find_print_flag(const struct options_list *words, size_t *after)
{
    for (size_t i = 0; i < words->n; i++) {
        const char *word = words->items[i];

        *after = i + 1;
        if (strcmp(word, "--") == 0)
            return NULL;
        if (strcmp(word, "-h") == 0)
            return "help";
        for (const struct setting_word *w = settings_print_flags; w->name; w++) {
            if (is_dashed(word) && word[1] == '-' && strcmp(word + 2, w->name) == 0)
                return w->name;
        }
    }
    return NULL;
}

/* A flag of one command says nothing to another. */
static int check_commands(const struct reader *reader)
{
    const char *command = reader->command ? reader->command : settings_commands[0].name;

    for (size_t i = 0; i < reader->n_given; i++) {
        const struct setting *s = reader->given[i];

        if (setting_is_for(s, command))
            continue;
        err_set(reader->e, NULL, 0, 0, "--%s is for %s only, write %.*s --%s", s->name, s->command,
                (int)strcspn(s->command, " "), s->command, s->name);
        return -EINVAL;
    }
    return 0;
}

static bool has_listener(const struct options *o)
{
    return o->listen_udp.n > 0 || o->listen_tcp.n > 0 || o->listen_unixgram || o->listen_unix;
}

/* None: this program's; else that of mapping files. */
static bool is_page(const struct options_list *words)
{
    return words->n == 0 || (words->n == 1 && strcmp(words->items[0], "mapping") == 0);
}

/* Is the value that was given last for @name an empty one? */
static bool was_emptied(const struct options *o, const char *name)
{
    bool emptied = false;

    for (size_t i = 0; i + 1 < o->given.n; i += 2) {
        if (strcmp(o->given.items[i], name) == 0)
            emptied = o->given.items[i + 1][0] == '\0';
    }
    return emptied;
}

/* What no row can know alone. */
static int finish(struct options *o, struct err *e)
{
    const char *missing = NULL;

    for (size_t i = 0; i < o->exemplar_tags.n; i++)
        o->statsd.exemplar_tags[i] = o->exemplar_tags.items[i];
    if (o->command == OPTIONS_SERVE && o->check_config) {
        o->command = OPTIONS_CHECK_CONFIG;
        return 0;
    }
    if (o->command == OPTIONS_MAN && !is_page(&o->arguments))
        missing = "there are two manual pages: man and man mapping";
    else if (o->command == OPTIONS_CHECK && o->mapping_config.n > 0)
        missing =
            "check takes its files as arguments: write check FILE..., or --check-config without "
            "check for those of --statsd.mapping-config";
    else if (o->command == OPTIONS_CHECK && o->arguments.n == 0)
        missing = "check needs a file: check FILE...";
    else if (o->command == OPTIONS_CHECK && was_emptied(o, "against"))
        missing = "--against has no value, write --against=http://HOST:PORT, unix:PATH, a file or "
                  "-";
    else if (o->command == OPTIONS_CHECK && o->http_config && !o->against)
        missing = "check --http.config.file is for a comparison, write check FILE... --against=URL "
                  "--http.config.file=FILE";
    else if (o->command == OPTIONS_CHECK && o->explain_json && !o->against)
        missing = "check --json is for a comparison, write check FILE... --against=URL --json";
    else if ((o->command == OPTIONS_RECORD || o->command == OPTIONS_REPLAY) && o->arguments.n != 1)
        missing = "record and replay need one file: record FILE, replay FILE; - is the standard "
                  "output or input";
    else if (o->replace && !o->control_socket)
        missing = "--replace needs the running server's --control.socket, write the same flags";
    else if (o->command == OPTIONS_SERVE && !has_listener(o))
        missing = "nothing to listen on, give --statsd.listen-udp or --statsd.listen-tcp an "
                  "address, or --statsd.listen-unixgram a path";
    else if ((o->command == OPTIONS_SERVE || o->command == OPTIONS_HEALTHCHECK ||
              ((o->command == OPTIONS_TAP || o->command == OPTIONS_RECORD) && !o->tap_url)) &&
             o->web_listen.n == 0)
        missing = "no HTTP listener: give --web.listen-address an address";
    if (!missing)
        return 0;
    err_set(e, NULL, 0, 0, "%s", missing);
    return -EINVAL;
}

static int read_line(struct options *o, const struct options_list *words, const char *version,
                     FILE *out, struct err *e)
{
    struct reader reader = {.o = o, .words = words, .e = e};
    struct options_list before = {0}, rest = {0};
    size_t after = words->n;
    int r = OPTIONS_E_DONE;

    reader.print = find_print_flag(words, &after);
    if (!reader.print) {
        r = settings_defaults(o);
        if (r == 0)
            r = read_words(&reader);
        if (r == 0)
            r = check_commands(&reader);
        if (r == 0)
            r = finish(o, e);
    }
    if (r == OPTIONS_E_DONE) {
        rest.n = words->n - after;
        rest.items = rest.n > 0 ? words->items + after : NULL;
        before.n = after;
        before.items = words->items;
        r = options_print(reader.print, &before, &rest, version, out);
    }
    return r;
}

int options_parse(struct options *o, char *const *argv, const char *version, FILE *out,
                  struct err *e)
{
    struct options_list words = {0};
    int r;

    memset(o, 0, sizeof *o);
    r = arguments_expand(&words, argv, e);
    if (r == 0)
        r = read_line(o, &words, version, out, e);
    options_list_release(&words);
    return r;
}

void options_release(struct options *o)
{
    if (!o)
        return;
    options_list_release(&o->arguments);
    options_list_release(&o->listen_udp);
    options_list_release(&o->listen_tcp);
    options_list_release(&o->listen_admin);
    options_list_release(&o->web_listen);
    options_list_release(&o->web_hosts);
    options_list_release(&o->relay_targets);
    options_list_release(&o->exemplar_tags);
    options_list_release(&o->mapping_config);
    options_list_release(&o->udp_allow);
    options_list_release(&o->tcp_allow);
    options_list_release(&o->given);
    options_list_release(&o->ignored);
    free(o->listen_unixgram);
    free(o->listen_unix);
    free(o->unixsocket_mode);
    free(o->web_unixsocket_mode);
    free(o->web_config);
    free(o->control_socket);
    free(o->telemetry_path);
    free(o->dump_fsm);
    free(o->state_file);
    free(o->against);
    free(o->tap_url);
    free(o->tap_match);
    free(o->http_config);
    free(o->replay_to);
    free(o->replay_speed);
    memset(o, 0, sizeof *o);
}
