/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options help: what the flags that print something print
 *
 * Help and completion are made from the rows of the settings table, as is the manual page
 * (options_man.c): a setting that exists is in each of them, with the default that is really used.
 *
 * The completion answers for the last of the words: a value's choices behind a flag that has some,
 * flags where a dash was begun, otherwise the commands; behind a command its own flags only, and
 * no other command. The scripts only carry words to and fro.
 */
#include "conf/options_help.h"

#include "base/buf.h"
#include "conf/options_man.h"

#include <string.h>

#define WIDTH  80 /* of a terminal */
#define INDENT 8

static const char summary[] =
    "Receives StatsD lines over UDP and TCP, turns them into metrics by a mapping file, and serves "
    "them to Prometheus.";

const char options_notes[] =
    "A flag's value may also be the next word. @FILE stands for the arguments in FILE, one a line. "
    "After -- there are no flags and no @FILE.";

/* ---- help ---- */

/* Fill lines of @text up to WIDTH, each @indent deep. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");

        if (column > 0 && column + 1 + len > WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            column = (size_t)fprintf(out, "%*s%.*s", indent, "", (int)len, text);
        else
            column += (size_t)fprintf(out, " %.*s", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* "(default a and b)", or nothing where there is none worth a word. */
static void describe_default(const struct setting *s, char *out, size_t cap)
{
    const char *first = s->fallback[0], *second = s->fallback[1];

    *out = '\0';
    if (s->kind == SETTING_SWITCH)
        snprintf(out, cap, " (default %s)", strcmp(first, "true") == 0 ? "on" : "off");
    else if (second)
        snprintf(out, cap, " (default %s and %s)", first, second);
    else if (*first)
        snprintf(out, cap, " (default %s)", first);
}

void options_describe(const struct setting *s, char *out, size_t cap)
{
    size_t len = (size_t)snprintf(out, cap, "%s%s%s", s->command ? "With " : "",
                                  s->command ? s->command : "", s->command ? ": " : "");

    len += (size_t)snprintf(out + len, cap - len, "%s", s->help);

    for (size_t i = 0; s->choices && s->choices[i]; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s%s", i ? ", " : " One of ",
                                s->choices[i], s->choices[i + 1] ? "" : ".");
    if (s->kind == SETTING_LIST)
        len += (size_t)snprintf(out + len, cap - len, " Repeatable.");
    describe_default(s, out + len, cap - len);
}

void options_spell(const struct setting *s, char *out, size_t cap)
{
    if (s->kind == SETTING_SWITCH)
        snprintf(out, cap, "--[no-]%s", s->name);
    else
        snprintf(out, cap, "--%s=%s", s->name, s->metavar);
}

static void print_setting(FILE *out, const struct setting *s)
{
    char flag[OPTIONS_SPELLING_MAX], text[OPTIONS_DESCRIPTION_MAX];

    options_spell(s, flag, sizeof flag);
    options_describe(s, text, sizeof text);
    fprintf(out, "  %s\n", flag);
    print_wrapped(out, text, INDENT);
}

static void print_command_help(FILE *out, const struct setting_word *command)
{
    fprintf(out, "usage: bacowr-statsd %s [FLAG...]%s%s\n\n", command->name,
            *command->arguments ? " " : "", command->arguments);
    print_wrapped(out, command->help, 0);
    fputs("\nFlags:\n", out);
    for (const struct setting *s = settings; s->name; s++) {
        if (s->command && setting_is_for(s, command->name))
            print_setting(out, s);
    }
    fputc('\n', out);
    print_wrapped(out,
                  "The server's flags are accepted too, and those that the command needs apply: "
                  "bacowr-statsd --help shows all.",
                  0);
}

static void print_help(FILE *out)
{
    fputs("usage: bacowr-statsd [FLAG...] [COMMAND [ARGUMENT...]]\n\n", out);
    print_wrapped(out, summary, 0);
    fputs("\nCommands:\n", out);
    for (const struct setting_word *w = settings_commands; w->name; w++) {
        fprintf(out, "  %s%s%s\n", w->name, *w->arguments ? " " : "", w->arguments);
        print_wrapped(out, w->help, INDENT);
    }
    fputs("\nFlags:\n", out);
    for (const struct setting_word *w = settings_print_flags; w->name; w++) {
        fprintf(out, "  --%s\n", w->name);
        print_wrapped(out, w->help, INDENT);
    }
    for (const struct setting *s = settings; s->name; s++)
        print_setting(out, s);
    fputc('\n', out);
    print_wrapped(out, options_notes, 0);
}

static void print_version(FILE *out, const char *version)
{
    fprintf(out, "bacowr-statsd, version %s\n", version);
}

static int print_man(FILE *out, const char *version)
{
    struct buf page = {0};
    int r = options_man(&page, version);

    if (r == 0)
        fwrite(page.p, 1, page.len, out);
    buf_release(&page);
    return r;
}

/* ---- completion ---- */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Those that @command (NULL: not named yet) takes. */
static void complete_flag(FILE *out, const char *begun, const char *command)
{
    char flag[128];

    for (const struct setting *s = settings; s->name; s++) {
        if (command && !setting_is_for(s, command))
            continue;
        snprintf(flag, sizeof flag, "--%s", s->name);
        if (begins(flag, begun))
            fprintf(out, "%s\n", flag);
        snprintf(flag, sizeof flag, "--no-%s", s->name);
        if (s->kind == SETTING_SWITCH && begins(flag, begun))
            fprintf(out, "%s\n", flag);
    }
    for (const struct setting_word *w = settings_print_flags; w->name; w++) {
        snprintf(flag, sizeof flag, "--%s", w->name);
        if (begins(flag, begun))
            fprintf(out, "%s\n", flag);
    }
}

/* The setting whose value comes behind @word, or NULL. */
static const struct setting *awaits_value(const char *word)
{
    const struct setting *s = begins(word, "--") ? setting_find(word + 2, strlen(word) - 2) : NULL;

    return s && s->kind != SETTING_SWITCH ? s : NULL;
}

/* The first of @words that is neither a flag nor its value, but for the last one; or NULL. */
static const char *find_command(const struct options_list *words)
{
    for (size_t i = 0; i + 1 < words->n; i++) {
        if (words->items[i][0] != '-' && !(i > 0 && awaits_value(words->items[i - 1])))
            return words->items[i];
    }
    return NULL;
}

static void complete(FILE *out, const struct options_list *words)
{
    const char *command = find_command(words);
    const char *begun = words->n > 0 ? words->items[words->n - 1] : "";
    const struct setting *s = words->n > 1 ? awaits_value(words->items[words->n - 2]) : NULL;

    if (s) {
        for (size_t i = 0; s->choices && s->choices[i]; i++) {
            if (begins(s->choices[i], begun))
                fprintf(out, "%s\n", s->choices[i]);
        }
        return;
    }
    if (*begun == '-') {
        complete_flag(out, begun, command);
        return;
    }
    for (const struct setting_word *w = settings_commands; w->name && !command; w++) {
        if (begins(w->name, begun))
            fprintf(out, "%s\n", w->name);
    }
}

static const char completion_function[] = "_bacowr_statsd() {\n"
                                          "    COMPREPLY=($(\"${COMP_WORDS[0]}\" --completion-bash "
                                          "\"${COMP_WORDS[@]:1:$COMP_CWORD}\"))\n"
                                          "}\n"
                                          "complete -o default -F _bacowr_statsd bacowr-statsd\n";

/* The command that was named before @words ended, if it has flags of its own; or NULL. */
static const struct setting_word *named_command(const struct options_list *words)
{
    const char *name = find_command(words);

    for (const struct setting_word *w = settings_commands; name && w->name; w++) {
        for (const struct setting *s = settings; strcmp(w->name, name) == 0 && s->name; s++) {
            if (s->command && setting_is_for(s, name))
                return w;
        }
    }
    return NULL;
}

int options_print(const char *name, const struct options_list *before,
                  const struct options_list *words, const char *version, FILE *out)
{
    const struct setting_word *command = named_command(before);
    int r = 0;

    if (strcmp(name, "help-man") == 0)
        r = print_man(out, version);
    else if (strcmp(name, "help") == 0 && command)
        print_command_help(out, command);
    else if (strcmp(name, "help") == 0 || strcmp(name, "help-long") == 0)
        print_help(out);
    else if (strcmp(name, "version") == 0)
        print_version(out, version);
    else if (strcmp(name, "completion-bash") == 0)
        complete(out, words);
    else if (strcmp(name, "completion-script-bash") == 0)
        fputs(completion_function, out);
    else if (strcmp(name, "completion-script-zsh") == 0)
        fprintf(out, "#compdef bacowr-statsd\nautoload -U +X bashcompinit && bashcompinit\n%s",
                completion_function);
    return r < 0 ? r : OPTIONS_E_DONE;
}
