/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: events with key=value fields, as logfmt or JSON, one line each
 *
 * Contract: only the server and main log; floors 1 to 4 return outcomes and count reasons. A line
 * is written with one write(2) to the descriptor. Text is escaped, so that what came from the wire
 * cannot forge a line or move a terminal's cursor.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/relaxed.h"
#include "base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* How many lines of a second were written already; any thread adds. */
struct log_rate {
    uint64_t max;       /* a second */
    relaxed_u64 second; /* that is counted */
    relaxed_u64 n;      /* lines in it */
    relaxed_u64 dropped;
};

struct log {
    int fd;
    enum log_level level; /* lines below it are not written */
    enum log_format format;
    struct log_rate *rate; /* borrowed; NULL: without limit */
};

struct log_field {
    const char *key; /* NULL ends a list */
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE } kind;
    struct slice str;
    int64_t num;
    double real;
};

static inline struct log_field log_str(const char *key, const char *value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_STR, .str = slice_str(value)};
}

static inline struct log_field log_slice(const char *key, struct slice value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_STR, .str = value};
}

static inline struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_INT, .num = value};
}

static inline struct log_field log_double(const char *key, double value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_DOUBLE, .real = value};
}

/* @fields ends with a field whose key is NULL. The line begins with ts, level and event. */
void log_write(const struct log *log, enum log_level level, const char *event,
               const struct log_field *fields);

/*
 * At least one field:
 * log_event(log, LOG_LEVEL_INFO, "listening", log_str("transport", "udp"), log_int("port", 8125));
 */
#define log_event(log, level, event, ...) \
    log_write((log), (level), (event), (const struct log_field[]){__VA_ARGS__, {.key = NULL}})

#endif
