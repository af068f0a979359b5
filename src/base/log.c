/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: events with key=value fields, as logfmt or JSON, one line each
 *
 *      ts=2024-05-01T12:00:00.250Z level=info event=listening transport=udp port=8125
 *      {"ts":"2024-05-01T12:00:00.250Z","level":"info","event":"listening","transport":"udp"}
 *
 * A line is put together on the stack and leaves with one write(2), so lines of several threads do
 * not mix. It is bounded: a long value is cut and ends in "...", fields that no longer fit are left
 * out and cut=true says so.
 *
 * Values may come from the wire or a file. In logfmt everything but plain ASCII words is quoted; in
 * both formats control bytes (C1 included: a terminal may obey them) become \u escapes. Bytes that
 * are not UTF-8 become \xNN in logfmt and \ufffd in JSON, which has no bytes.
 *
 * There may be a limit of lines a second: those beyond it are counted and not written.
 *
 * Laws: one line feed per line, at its end; every JSON line is one valid object; a failed write is
 *       nobody's problem: there is no one left to tell.
 */
#include "base/log.h"

#include "base/json.h"
#include "base/num.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN  4096
#define VALUE_MAX_LEN 1024 /* of one value as written, without its quotes */
#define TAIL_LEN      16   /* room kept for the mark and the line's end */

struct line {
    enum log_format format;
    size_t len;
    bool full; /* something did not fit */
    char p[LINE_MAX_LEN];
};

static void put(struct line *l, const char *p, size_t len)
{
    if (l->full || len > LINE_MAX_LEN - TAIL_LEN - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->p + l->len, p, len);
    l->len += len;
}

static void put_str(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

/*
 * Write the first code point (or bad byte) of @s as it stands within quotes: JSON's escapes do for
 * both formats. The bytes of @s that this took.
 */
static size_t escape_one(char out[8], size_t *n_out, struct slice s, enum log_format format)
{
    size_t len = json_escape(out, n_out, s);

    if (len > 0)
        return len;
    if (format == LOG_FORMAT_JSON)
        *n_out = (size_t)snprintf(out, 8, "\\ufffd");
    else
        *n_out = (size_t)snprintf(out, 8, "\\x%02x", (unsigned char)s.p[0]);
    return 1;
}

static void put_escaped(struct line *l, struct slice s)
{
    size_t written = 0;

    while (s.len > 0) {
        char piece[8];
        size_t n, taken = escape_one(piece, &n, s, l->format);

        if (written + n > VALUE_MAX_LEN) {
            put_str(l, "...");
            return;
        }
        put(l, piece, n);
        written += n;
        s = slice_from(s, taken);
    }
}

/* May @s stand in logfmt without quotes? */
static bool is_bare(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 0x7f || c == '=' || c == '"' || c == '\\')
            return false;
    }
    return s.len > 0 && s.len <= VALUE_MAX_LEN;
}

static void put_text(struct line *l, struct slice s)
{
    if (l->format == LOG_FORMAT_LOGFMT && is_bare(s)) {
        put(l, s.p, s.len);
        return;
    }
    put_str(l, "\"");
    put_escaped(l, s);
    put_str(l, "\"");
}

/* JSON has no word for what is not finite: it goes as text. */
static void put_double(struct line *l, double v)
{
    char text[NUM_TEXT_MAX];
    struct slice s = {text, num_print(text, v)};

    if (isfinite(v))
        put(l, s.p, s.len);
    else
        put_text(l, s);
}

static void put_key(struct line *l, const char *key)
{
    bool json = l->format == LOG_FORMAT_JSON;

    if (l->len > json)
        put_str(l, json ? "," : " ");
    if (json)
        put_str(l, "\"");
    put_str(l, key);
    put_str(l, json ? "\":" : "=");
}

/* All of the field, or nothing and `full`. */
static void put_field(struct line *l, const struct log_field *field)
{
    size_t before = l->len;
    char text[24];

    put_key(l, field->key);
    switch (field->kind) {
    case LOG_FIELD_STR:
        put_text(l, field->str);
        break;
    case LOG_FIELD_INT:
        snprintf(text, sizeof text, "%lld", (long long)field->num);
        put_str(l, text);
        break;
    case LOG_FIELD_DOUBLE:
        put_double(l, field->real);
        break;
    }
    if (l->full)
        l->len = before;
}

/* RFC 3339, UTC, milliseconds. */
static void put_time(struct line *l)
{
    struct timespec now = {0};
    struct tm tm = {0};
    char text[64];
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
    put_field(l, &(struct log_field){.key = "ts", .str = slice_str(text)});
}

static void end_line(struct line *l)
{
    bool json = l->format == LOG_FORMAT_JSON;
    const char *mark = !l->full ? "" : json ? ",\"cut\":true" : " cut=true";
    int n = snprintf(l->p + l->len, TAIL_LEN, "%s%s\n", mark, json ? "}" : "");

    l->len += (size_t)n;
}

/* Two threads that meet in the first moment of a second may count a line less. */
static bool rate_allows(struct log_rate *rate)
{
    struct timespec now = {0};
    uint64_t second;

    if (rate == NULL)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    second = (uint64_t)now.tv_sec;
    if (relaxed_load(&rate->second) != second) {
        relaxed_store(&rate->second, second);
        relaxed_store(&rate->n, 0);
    }
    if (relaxed_add_shared(&rate->n, 1) < rate->max)
        return true;
    relaxed_add_shared(&rate->dropped, 1);
    return false;
}

void log_write(const struct log *log, enum log_level level, const char *event,
               const struct log_field *fields)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct line line;
    ssize_t n;

    if (level < log->level || !rate_allows(log->rate))
        return;
    line.format = log->format;
    line.len = 0;
    line.full = false;
    if (line.format == LOG_FORMAT_JSON)
        put_str(&line, "{");
    put_time(&line);
    put_field(&line, &(struct log_field){.key = "level", .str = slice_str(levels[level])});
    put_field(&line, &(struct log_field){.key = "event", .str = slice_str(event)});
    for (; fields->key; fields++)
        put_field(&line, fields);
    end_line(&line);
    n = write(log->fd, line.p, line.len);
    (void)n;
}
