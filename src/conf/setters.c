/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setters: see setters.h
 *
 * A kind of value each; what its row says of it (bounds, choices) is asked of the row. Words that
 * statsd_exporter takes and we have no use for are checked as it checks them.
 *
 * Laws: a message names the flag, the word, and what to write instead; nothing is stored when a
 *       value is refused.
 */
#include "conf/setters.h"

#include "base/cidr.h"
#include "base/hostport.h"
#include "base/name.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "--flag: 'word' " and what is wrong with it and how to mend it. Always -EINVAL. */
static int refuse(const struct setting *s, const char *value, struct err *e, const char *remedy)
{
    err_set(e, NULL, 0, 0, "--%s: '%.200s' %s", s->name, value, remedy);
    return -EINVAL;
}

int setter_switch(const struct setting *s, const char *value, void *field, struct err *e)
{
    bool on = strcmp(value, "true") == 0;

    if (!on && strcmp(value, "false") != 0)
        return refuse(s, value, e, "is neither true nor false");
    *(bool *)field = on;
    return 0;
}

/* An empty text is NULL. */
int setter_text(const struct setting *s, const char *value, void *field, struct err *e)
{
    char **text = field;
    char *copy = NULL;

    (void)s;
    (void)e;
    if (*value) {
        copy = strdup(value);
        if (!copy)
            return -ENOMEM;
    }
    free(*text);
    *text = copy;
    return 0;
}

int setter_path(const struct setting *s, const char *value, void *field, struct err *e)
{
    if (value[0] != '/')
        return refuse(s, value, e, "is not a valid path, it must begin with '/' as in /metrics");
    for (const char *p = value; *p; p++) {
        if (*p <= ' ' || *p == 0x7f || *p == '?' || *p == '#')
            return refuse(s, value, e, "is not a valid path, remove spaces, '?' and '#'");
    }
    return setter_text(s, value, field, e);
}

int setter_number(const struct setting *s, const char *value, void *field, struct err *e)
{
    unsigned long long min = s->min, max = s->max;
    char remedy[96];
    uint64_t v;

    if (num_parse_u64(slice_str(value), s->max, &v) != 0 || v < s->min) {
        if (s->max == SETTER_NO_LIMIT)
            snprintf(remedy, sizeof remedy, "is not a whole number of at least %llu", min);
        else
            snprintf(remedy, sizeof remedy, "is not a whole number from %llu to %llu", min, max);
        return refuse(s, value, e, remedy);
    }
    if (field)
        *(uint64_t *)field = v;
    return 0;
}

static int read_duration(const struct setting *s, const char *value, int64_t *ns, struct err *e)
{
    int r = num_parse_duration(slice_str(value), ns);

    if (r == NUM_E_SYNTAX)
        return refuse(s, value, e, "is not a duration, write it with its unit as in 200ms or 30s");
    if (r == NUM_E_RANGE)
        return refuse(s, value, e, "is too long, write something like 200ms or 30s");
    return r;
}

/* What is shorter than a millisecond, and not 0, is one. */
static int64_t to_ms(int64_t ns)
{
    return ns > 0 && ns < 1000000 ? 1 : ns / 1000000;
}

/* The field is in milliseconds. */
int setter_duration(const struct setting *s, const char *value, void *field, struct err *e)
{
    int64_t ns;
    int r = read_duration(s, value, &ns, e);

    if (r != 0)
        return r;
    if (ns <= 0)
        return refuse(s, value, e, "is not above zero, write something like 200ms or 30s");
    if (field)
        *(int64_t *)field = to_ms(ns);
    return 0;
}

/* Likewise, where 0 switches it off. */
int setter_duration_or_off(const struct setting *s, const char *value, void *field, struct err *e)
{
    int64_t ns;
    int r = read_duration(s, value, &ns, e);

    if (r != 0)
        return r;
    if (ns < 0)
        return refuse(s, value, e, "is below zero, write something like 30s, or 0s for none");
    *(int64_t *)field = to_ms(ns);
    return 0;
}

/* The position of @value among the row's choices, or -EINVAL. */
static int find_choice(const struct setting *s, const char *value, struct err *e)
{
    char remedy[96] = "is not known, choose one of";

    for (int i = 0; s->choices[i]; i++) {
        if (strcmp(s->choices[i], value) == 0)
            return i;
    }
    for (size_t i = 0; s->choices[i]; i++) {
        size_t len = strlen(remedy);

        snprintf(remedy + len, sizeof remedy - len, "%s %s", i ? "," : "", s->choices[i]);
    }
    return refuse(s, value, e, remedy);
}

int setter_choice(const struct setting *s, const char *value, void *field, struct err *e)
{
    int i = find_choice(s, value, e);

    (void)field;
    return i < 0 ? i : 0;
}

int setter_level(const struct setting *s, const char *value, void *field, struct err *e)
{
    for (unsigned i = 0; s->choices[i]; i++) {
        if (strcasecmp(s->choices[i], value) == 0) {
            *(enum log_level *)field = (enum log_level)i;
            return 0;
        }
    }
    return find_choice(s, value, e);
}

/* The field is an enum whose values are the positions of the row's choices. */
int setter_word(const struct setting *s, const char *value, void *field, struct err *e)
{
    int i = find_choice(s, value, e);
    unsigned word = (unsigned)i;

    if (i < 0)
        return i;
    memcpy(field, &word, sizeof word);
    return 0;
}

#define MAX_TAG_KEY 64

int setter_exemplar_tag(const struct setting *s, const char *value, void *field, struct err *e)
{
    struct options_list *list = field;
    size_t len = strlen(value);

    if (len == 0)
        return 0;
    if (!name_is_plain(slice_str(value)) || len > MAX_TAG_KEY)
        return refuse(s, value, e,
                      "is not a label name of at most 64 bytes, use letters, digits and '_', "
                      "as in trace_id");
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], value) == 0)
            return refuse(s, value, e, "is named twice, name it once");
    if (list->n == STATSD_MAX_EXEMPLAR_TAGS)
        return refuse(s, value, e, "is one too many, the maximum is four");
    return options_list_add(list, value, len);
}

/* An empty one takes back those before it, which stand in the flags of an image, perhaps. */
int setter_address(const struct setting *s, const char *value, void *field, struct err *e)
{
    const char *fault;
    struct slice host;
    uint16_t port;

    if (*value == '\0') {
        options_list_release(field);
        return 0;
    }
    fault = hostport_split(slice_str(value), &host, &port);
    if (fault)
        return refuse(s, value, e, fault);
    return options_list_add(field, value, strlen(value));
}

/* An address, or the path of a Unix socket. */
int setter_web_address(const struct setting *s, const char *value, void *field, struct err *e)
{
    if (strncmp(value, OPTIONS_UNIX, strlen(OPTIONS_UNIX)) != 0)
        return setter_address(s, value, field, e);
    if (value[strlen(OPTIONS_UNIX)] == '\0')
        return refuse(s, value, e,
                      "is not a socket address, write it as in unix:/run/bacowr/web.sock");
    return options_list_add(field, value, strlen(value));
}

int setter_mode(const struct setting *s, const char *value, void *field, struct err *e)
{
    if (*value == '\0' || strlen(value) > 4 || value[strspn(value, "01234567")] != '\0')
        return refuse(s, value, e, "is not a file mode, write octal digits as in 660");
    return setter_text(s, value, field, e);
}

/* A name without a port, as a Host header has it. */
int setter_host(const struct setting *s, const char *value, void *field, struct err *e)
{
    static const char word_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-._";

    if (value[strspn(value, word_bytes)] != '\0')
        return refuse(s, value, e,
                      "is not a host name, write it without scheme and port as in "
                      "metrics.example.com");
    return *value ? options_list_add(field, value, strlen(value)) : 0;
}

#define MAX_NETWORKS 1024

/* An address or a network more; an empty text is none. */
int setter_network(const struct setting *s, const char *value, void *field, struct err *e)
{
    struct options_list *list = field;
    struct cidr range;
    const char *fault;

    if (*value == '\0')
        return 0;
    fault = cidr_parse(&range, slice_str(value));
    if (fault)
        return refuse(s, value, e, fault);
    if (list->n == MAX_NETWORKS)
        return refuse(s, value, e, "is one too many, the maximum is 1024: use larger networks");
    return options_list_add(list, value, strlen(value));
}

/* One more; an empty text is none. */
int setter_file(const struct setting *s, const char *value, void *field, struct err *e)
{
    (void)s;
    (void)e;
    return *value ? options_list_add(field, value, strlen(value)) : 0;
}
