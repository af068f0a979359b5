/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: a DogStatsD service check as the line of a gauge
 *
 *      _sc|db.up|2|d:1700000000|h:web1|#env:prod|c:ci-1|m:no answer: timeout
 *      db.up.status:2|g|#host:web1|#env:prod|c:ci-1
 *
 * The line that comes out is read like any other, so mapping, labels and limits apply. The host
 * stands before the tags: of two tags with one key the later one counts, so a tag `host` wins.
 *
 * Laws: the tag section is always there, perhaps empty: with it a line is one sample whatever
 *       colons follow, so no text of a check becomes a second one. A message ends at the next '|'.
 *       Sections that are neither time, host nor message go on as they are when a gauge may have
 *       them, and are left out when it may not: a check is not refused for them.
 */
#include "bacowr/statsd.h"

#include "statsd/section.h"

static bool is_section_of_check(struct slice section, char letter)
{
    return section.len >= 2 && section.p[0] == letter && section.p[1] == ':';
}

/* Bytes that end a name, begin tags in it or make the line an event. */
static bool has_meaning(char c)
{
    return c == ':' || c == ',' || c == '#' || c == ';' || c == '[' || c == ']' || c == '{';
}

static size_t write_name(struct slice name, char *out)
{
    for (size_t i = 0; i < name.len; i++)
        out[i] = has_meaning(name.p[i]) ? '_' : name.p[i];
    memcpy(out + name.len, ".status:", 8);
    return name.len + 8;
}

/* The text of the last h: section, or none. */
static struct slice find_host(struct slice rest)
{
    struct slice host = {NULL, 0};
    struct slice section;

    while (section_next(&rest, &section))
        if (is_section_of_check(section, 'h'))
            host = slice_from(section, 2);
    return host;
}

/* The tag section of our own; a comma would end the tag. */
static size_t write_host(struct slice host, char *out)
{
    size_t len = 2;

    memcpy(out, "|#", 2);
    if (host.len == 0)
        return len;
    memcpy(out + len, "host:", 5);
    len += 5;
    for (size_t i = 0; i < host.len; i++)
        out[len++] = host.p[i] == ',' ? '_' : host.p[i];
    return len;
}

/* The words d and h are types, so they are no fields. */
static bool goes_on(struct slice section)
{
    if (is_section_of_check(section, 'm'))
        return false;
    return section_is_tags(section) || is_section_of_check(section, 'c') ||
           section_is_field(section);
}

enum statsd_reason statsd_check_to_gauge(struct slice line, char *out, size_t *len)
{
    struct slice rest = slice_from(line, 3);
    struct slice name = {NULL, 0}, status = {NULL, 0};
    struct slice section;
    size_t n;

    section_next(&rest, &name);
    section_next(&rest, &status);
    if (name.len == 0 || status.len != 1 || status.p[0] < '0' || status.p[0] > '3')
        return STATSD_E_BAD_CHECK;
    n = write_name(name, out);
    out[n++] = status.p[0];
    memcpy(out + n, "|g", 2);
    n += 2;
    n += write_host(find_host(rest), out + n);
    while (section_next(&rest, &section)) {
        if (!goes_on(section))
            continue;
        memcpy(out + n, section.p - 1, section.len + 1);
        n += section.len + 1;
    }
    *len = n;
    return STATSD_OK;
}
