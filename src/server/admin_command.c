/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin commands: what the words mean
 *
 * Replies are those of Etsy's statsd 0.9 and 0.10, to the byte where it has one. What differs:
 *
 *      counters    grow, and are never set back; a series is `name` or `name{label="value"}`
 *      timers      count, sum and mean, for the single values are not kept
 *      del...      a name as it was sent or as the page shows it; all series of the name, or the
 *                  one with these labels. What is still being sent comes back, as it does there
 *      health      `down` also makes /-/ready answer 503; nothing else stops
 *
 * A table of a million series is told in slices: c->more makes the next one, in a turn of its own.
 *
 * Laws: `health WORD` and what deletes need --web.enable-lifecycle, and are logged.
 *       A browser that is made to talk to this port ends its connection with its first line, for
 *       what follows is another site's: a method, "HTTP/" or "Host:" in one that is no command.
 */
#include "server/admin_conn.h"

#include <string.h>
#include <strings.h>

#include "bacowr/insight.h"
#include "base/name.h"
#include "base/num.h"
#include "conf/settings.h"
#include "server/control.h"

/* Series looked at in a turn, and bytes written in one. */
#define SERIES_A_TURN 4096
#define BYTES_A_TURN  65536

static const char end_text[] = "END\n\n";

static struct server *server_of(const struct admin_conn *c)
{
    return c->admin->server;
}

/* ---- words ---- */

static void refuse(struct admin_conn *c, const char *why)
{
    c->admin->stats.errors++;
    buf_addf(&c->out, "ERROR%s%s\n", *why != '\0' ? ": " : "", why);
}

static void cmd_help(struct admin_conn *c)
{
    buf_add_str(&c->out, "Commands: stats, counters, timers, gauges, delcounters, deltimers, "
                         "delgauges, health, config, quit\n\n");
}

static void cmd_quit(struct admin_conn *c)
{
    c->ending = true;
}

/* ---- health ---- */

static bool word_is(struct slice word, const char *text)
{
    return word.len == strlen(text) && strncasecmp(word.p, text, word.len) == 0;
}

static void set_health(struct admin_conn *c, bool down)
{
    struct server *s = server_of(c);

    if (s->drained == down)
        return;
    s->drained = down;
    log_event(s->log, LOG_LEVEL_INFO, "health_changed", log_str("health", down ? "down" : "up"));
}

static void cmd_health(struct admin_conn *c)
{
    struct slice word = slice_take_word(&c->words);
    bool up = word_is(word, "up"), down = word_is(word, "down");

    if ((up || down) && !server_of(c)->o->enable_lifecycle) {
        refuse(c, "this needs --web.enable-lifecycle");
        return;
    }
    if (up || down)
        set_health(c, down);
    buf_addf(&c->out, "health: %s\n", control_on_ready(server_of(c)) ? "up" : "down");
}

/* ---- stats ---- */

static uint64_t count_bad(const uint64_t *totals)
{
    uint64_t n = 0;

    for (unsigned i = BACOWR_TOTAL_REFUSED; i < bacowr_n_totals(); i++)
        if (strcmp(bacowr_total_counter(i), "statsd_exporter_sample_errors_total") == 0)
            n += totals[i];
    return n;
}

static uint64_t count_packets(const struct server *s)
{
    uint64_t n = s->unixgram != NULL ? relaxed_load(&s->unixgram->counters.datagrams) : 0;

    for (unsigned i = 0; i < s->n_sockets; i++)
        n += relaxed_load(&s->sockets[i]->inlet.counters.datagrams);
    return n;
}

static void put_age(struct admin_conn *c, const char *name, int64_t since_ms)
{
    int64_t age_ms = worker_now_ms() - since_ms;

    buf_addf(&c->out, "%s: %lld\n", name, (long long)(age_ms > 0 ? age_ms / 1000 : 0));
}

static void cmd_stats(struct admin_conn *c)
{
    struct server *s = server_of(c);
    const struct http_stats *http = http_stats(s->http);

    bacowr_read_totals(s->engine, s->counts);
    put_age(c, "uptime", s->begun_ms);
    put_age(c, "messages.last_msg_seen", c->admin->last_line_ms);
    buf_addf(&c->out, "messages.bad_lines_seen: %llu\n", (unsigned long long)count_bad(s->counts));
    put_age(c, "prometheus.last_scrape",
            http->last_scrape_at_ms > 0 ? http->last_scrape_at_ms : s->begun_ms);
    buf_addf(&c->out, "prometheus.scrapes: %llu\n", (unsigned long long)http->scrapes_by_code[0]);
    buf_add_str(&c->out, end_text);
}

/* ---- counters, gauges, timers ---- */

static int begin_walk(struct admin_conn *c, struct slice prefix)
{
    return bacowr_values_new(&c->values, server_of(c)->engine, c->kind, prefix, worker_now_ms());
}

/* Without memory what was begun cannot be ended: so its connection is. */
static void give_up(struct admin_conn *c)
{
    c->out.failed = true;
    c->more = NULL;
}

/* `name` or `name{labels}` */
static void put_key(struct buf *out, const struct bacowr_value *value)
{
    buf_add_slice(out, value->name);
    if (value->labels.len == 0)
        return;
    buf_add_byte(out, '{');
    buf_add_slice(out, value->labels);
    buf_add_byte(out, '}');
}

static size_t put_observed(char *out, size_t size, const struct bacowr_value *value)
{
    char sum[INSPECT_NUMBER_MAX], mean[INSPECT_NUMBER_MAX];
    size_t n_sum = inspect_number(sum, value->sum);
    size_t n_mean = inspect_number(mean, value->count > 0 ? value->sum / (double)value->count : 0);

    return (size_t)snprintf(out, size, "{ count: %llu, sum: %.*s, mean: %.*s }",
                            (unsigned long long)value->count, (int)n_sum, sum, (int)n_mean, mean);
}

static enum bacowr_verdict tell_value(void *ctx, const struct bacowr_value *value)
{
    struct admin_conn *c = ctx;
    struct buf key = {0};
    char text[128];
    size_t n = c->kind == BACOWR_VALUES_OBSERVERS ? put_observed(text, sizeof text, value)
                                                  : inspect_number(text, value->value);

    put_key(&key, value);
    c->out.failed |= key.failed;
    inspect_add(&c->object, &c->out, buf_slice(&key), slice_of(text, n));
    buf_release(&key);
    return BACOWR_KEEP;
}

/* Some series at a time, so that long names make no long slices. */
static bool more_values(struct admin_conn *c)
{
    int r = 1;

    for (unsigned n = 0; r == 1 && n < SERIES_A_TURN && c->out.len < BYTES_A_TURN; n += 64)
        r = bacowr_values_next(c->values, 64, tell_value, c);
    if (r == 1)
        return true;
    c->out.failed |= r < 0;
    inspect_end(&c->object, &c->out);
    buf_addf(&c->out, "\n%s", end_text);
    return false;
}

static void put_count(struct admin_conn *c, const char *key, uint64_t n)
{
    char text[NUM_TEXT_MAX];

    inspect_add(&c->object, &c->out, slice_str(key), slice_of(text, num_print_u64(text, n)));
}

static void begin_table(struct admin_conn *c, enum bacowr_values_kind kind)
{
    struct server *s = server_of(c);

    c->kind = kind;
    inspect_begin(&c->object);
    if (kind == BACOWR_VALUES_COUNTERS) {
        bacowr_read_totals(s->engine, s->counts);
        put_count(c, "statsd.bad_lines_seen", count_bad(s->counts));
        put_count(c, "statsd.packets_received", count_packets(s));
        put_count(c, "statsd.metrics_received", s->counts[BACOWR_TOTAL_LINES]);
    }
    c->more = more_values;
    if (begin_walk(c, (struct slice){0}) != 0)
        give_up(c);
}

static void cmd_counters(struct admin_conn *c)
{
    begin_table(c, BACOWR_VALUES_COUNTERS);
}

static void cmd_gauges(struct admin_conn *c)
{
    begin_table(c, BACOWR_VALUES_GAUGES);
}

static void cmd_timers(struct admin_conn *c)
{
    begin_table(c, BACOWR_VALUES_OBSERVERS);
}

/* ---- deleting ---- */

/* What may stand on the page is meant as it is; else it is what a sender wrote. */
static struct slice name_of(struct admin_conn *c, struct slice word)
{
    for (size_t i = 0; i < word.len; i++) {
        char b = word.p[i];

        if (b == '_' || b == ':' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') ||
            (b >= 'A' && b <= 'Z'))
            continue;
        return slice_of(c->escaped, utf8_valid(word) ? name_escape(c->escaped, word) : 0);
    }
    return word;
}

static struct slice cut_labels(struct slice *word)
{
    size_t brace = slice_find(*word, '{');
    struct slice labels = slice_from(*word, brace);

    word->len = brace;
    if (labels.len < 2 || labels.p[labels.len - 1] != '}')
        return (struct slice){0};
    return slice_of(labels.p + 1, labels.len - 2);
}

/* `a.b.*` is all that begins with `a.b.`, as it is sent, so with `a_b_`. */
static bool cut_star(struct slice *word)
{
    bool star = word->len >= 2 && memcmp(word->p + word->len - 2, ".*", 2) == 0;

    word->len -= star;
    return star;
}

static int begin_word(struct admin_conn *c, struct slice word)
{
    c->word = word;
    c->prefix = cut_star(&word);
    c->labels = cut_labels(&word);
    c->name = name_of(c, word);
    c->found = false;
    if (c->name.len == 0)
        return 0; /* nothing can be meant */
    return begin_walk(c, c->name);
}

static bool is_meant(const struct admin_conn *c, const struct bacowr_value *value)
{
    if (!c->prefix && value->name.len != c->name.len)
        return false;
    return c->labels.len == 0 || slice_eq(c->labels, value->labels);
}

static enum bacowr_verdict delete_value(void *ctx, const struct bacowr_value *value)
{
    struct admin_conn *c = ctx;

    if (!is_meant(c, value))
        return BACOWR_KEEP;
    c->found = true;
    c->admin->stats.let_go++;
    buf_add_str(&c->out, "deleted: ");
    put_key(&c->out, value);
    buf_add_byte(&c->out, '\n');
    return BACOWR_LET_GO;
}

static void end_word(struct admin_conn *c)
{
    bacowr_values_free(c->values);
    c->values = NULL;
    if (c->found)
        return;
    buf_add_str(&c->out, "metric ");
    buf_add_slice(&c->out, c->word);
    buf_add_str(&c->out, " not found\n");
}

/* One word after the other, some series of it in a turn. */
static bool more_deletes(struct admin_conn *c)
{
    struct slice word;
    int r = 0;

    for (unsigned n = 0; n < SERIES_A_TURN && c->out.len < BYTES_A_TURN; n += 64) {
        if (c->values != NULL)
            r = bacowr_values_next(c->values, 64, delete_value, c);
        if (r == 1)
            continue;
        if (c->word.len > 0)
            end_word(c);
        word = slice_take_word(&c->words);
        if (r == 0 && word.len > 0)
            r = begin_word(c, word);
        if (r == 0 && word.len > 0)
            continue;
        c->out.failed |= r < 0;
        buf_add_str(&c->out, end_text);
        control_end_rest(server_of(c)); /* there is something to expire */
        return false;
    }
    return true;
}

static void begin_delete(struct admin_conn *c, enum bacowr_values_kind kind, const char *what)
{
    struct server *s = server_of(c);

    if (!s->o->enable_lifecycle) {
        refuse(c, "this needs --web.enable-lifecycle");
        return;
    }
    log_event(s->log, LOG_LEVEL_INFO, "series_deleted", log_str("what", what));
    c->kind = kind;
    c->word = (struct slice){0};
    c->more = more_deletes;
}

static void cmd_delcounters(struct admin_conn *c)
{
    begin_delete(c, BACOWR_VALUES_COUNTERS, "counters");
}

static void cmd_delgauges(struct admin_conn *c)
{
    begin_delete(c, BACOWR_VALUES_GAUGES, "gauges");
}

static void cmd_deltimers(struct admin_conn *c)
{
    begin_delete(c, BACOWR_VALUES_OBSERVERS, "timers");
}

/* ---- config ---- */

static void put_setting(struct admin_conn *c, const struct setting *s, unsigned index,
                        const char *value)
{
    if (*value == '\0')
        return;
    if (s->kind == SETTING_LIST)
        buf_addf(&c->out, "%s > %u: %s\n", s->name, index, value);
    else
        buf_addf(&c->out, "%s: %s\n", s->name, value);
}

/* As they were given, or by their defaults. */
static void cmd_config(struct admin_conn *c)
{
    const struct options_list *given = &server_of(c)->o->given;

    buf_add_byte(&c->out, '\n');
    for (const struct setting *s = settings; s->name != NULL; s++) {
        unsigned n = 0;
        bool is_given = false;

        for (size_t i = 0; i + 1 < given->n; i += 2) {
            if (strcmp(given->items[i], s->name) != 0)
                continue;
            is_given = true;
            put_setting(c, s, n++, given->items[i + 1]);
        }
        for (; !is_given && !s->ignored && s->command == NULL && n < 2 && s->fallback[n] != NULL;
             n++)
            put_setting(c, s, n, s->fallback[n]);
    }
}

/* ---- the table ---- */

static const struct {
    const char *word;
    void (*run)(struct admin_conn *c);
} commands[] = {
    {"health", cmd_health},       {"stats", cmd_stats},
    {"counters", cmd_counters},   {"gauges", cmd_gauges},
    {"timers", cmd_timers},       {"help", cmd_help},
    {"quit", cmd_quit},           {"delcounters", cmd_delcounters},
    {"delgauges", cmd_delgauges}, {"deltimers", cmd_deltimers},
    {"config", cmd_config},
};

/* What a browser says first, though it may come in pieces. */
static bool is_http(struct slice word, struct slice line)
{
    static const char *const words[] = {"GET",   "HEAD",   "POST",    "PUT",   "OPTIONS",
                                        "PATCH", "DELETE", "CONNECT", "TRACE", "Host:"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_eq_str(word, words[i]))
            return true;
    for (size_t at = 0; at + 5 <= line.len; at++)
        if (memcmp(line.p + at, "HTTP/", 5) == 0)
            return true;
    return false;
}

void admin_command(struct admin_conn *c, struct slice line)
{
    struct slice word;

    c->words = line;
    word = slice_take_word(&c->words);
    c->admin->stats.commands++;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!slice_eq_str(word, commands[i].word))
            continue;
        commands[i].run(c);
        return;
    }
    c->ending = is_http(word, line);
    refuse(c, "");
}

void admin_command_end(struct admin_conn *c)
{
    bacowr_values_free(c->values);
    c->values = NULL;
    c->more = NULL;
}
