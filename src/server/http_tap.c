/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP tap: /api/v1/tap, lines as they come in, until the client leaves
 *
 *      tick: anything there? --turn: some lines, told--> chunk --written--> next tick; or at once,
 *              |                                                            after a full turn
 *              `-- nothing for 5 s: an empty line, so that one that is gone is noticed
 *
 *      ?form=text     a line for people, with what becomes of it (the default)
 *      ?form=json     an object for each: {"time":...,"explained":{...}}
 *      ?form=capture  the bytes as they came: what `record` writes, see docs/tap.md
 *      &match=PIECE*PIECE  only lines with these pieces
 *      &rate=N             at most so many lines a second
 *
 * Telling what becomes of a line is the cost here, and who sends decides on it: by the samples of a
 * line, whose work config->explain() bounds, and by names that are hard for the rules. So a turn
 * tells TOLD_A_TURN of them and begins none after TURN_NS, and their number a second is bounded
 * (MAX_TOLD_RATE) whatever the client asks for.
 *
 * Laws: a client that does not read loses lines, which are counted and told, and after the timeout
 *       of answers its connection. One chunk is in memory, of bounded size.
 *       Whoever comes here was asked for http_may_see_senders().
 */
#include "server/http_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/num.h"
#include "server/query.h"
#include "server/tap.h"

#define TOLD_A_TURN   50
#define COPIED_A_TURN 500
#define TURN_NS       5000000ll
#define MAX_TOLD_RATE 2000
#define USUAL_RATE    200
#define SILENCE_NS    5000000000ll
#define NS_PER_S      1000000000ll

enum form { FORM_TEXT, FORM_JSON, FORM_CAPTURE };

struct http_tap {
    int reader;
    enum form form;
    int64_t wall_ns; /* what is to be added to a line's time */
    int64_t told_ns; /* when something was last written */
    int64_t turn_ends_ns;
    bool writing;
    bool more;   /* the last turn told as many lines as it may */
    bool finish; /* with the next chunk */
    struct buf told;
    struct buf brief;       /* of one line */
    struct http_conn *conn; /* owner */
};

/* ---- what is asked for ---- */

struct question {
    enum form form;
    bool has_rate;
    struct tap_filter filter;
};

static bool read_match(struct question *q, struct slice value)
{
    return query_decode(value, q->filter.match, TAP_MATCH_MAX, &q->filter.match_len);
}

static bool read_form(struct question *q, struct slice value)
{
    static const char *const words[] = {"text", "json", "capture"};

    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_eq_str(value, words[i])) {
            q->form = (enum form)i;
            return true;
        }
    }
    return false;
}

static bool read_rate(struct question *q, struct slice value)
{
    q->has_rate = true;
    return num_parse_u64(value, TAP_MAX_RATE, &q->filter.rate) == 0;
}

static bool read_pair(struct question *q, struct slice pair)
{
    static const struct {
        const char *key;
        bool (*read)(struct question *q, struct slice value);
    } keys[] = {{"form", read_form}, {"match", read_match}, {"rate", read_rate}};
    size_t equals = slice_find(pair, '=');
    struct slice value = slice_from(pair, equals < pair.len ? equals + 1 : equals);

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (slice_eq_str(slice_of(pair.p, equals), keys[i].key))
            return keys[i].read(q, value);
    }
    return pair.len == 0;
}

static bool read_question(struct question *q, const struct request *request)
{
    struct slice rest = request_query(request);
    bool good = !request->query_cut;

    while (good && rest.len > 0) {
        size_t n = slice_find(rest, '&');

        good = read_pair(q, slice_of(rest.p, n));
        rest = slice_from(rest, n < rest.len ? n + 1 : n);
    }
    if (!q->has_rate && q->form != FORM_CAPTURE)
        q->filter.rate = USUAL_RATE;
    if (q->form != FORM_CAPTURE && (q->filter.rate == 0 || q->filter.rate > MAX_TOLD_RATE))
        q->filter.rate = MAX_TOLD_RATE;
    return good;
}

/* ---- telling ---- */

static void add_time(struct buf *out, int64_t unix_ns)
{
    time_t s = (time_t)(unix_ns / NS_PER_S);
    struct tm tm;
    char text[16];

    if (gmtime_r(&s, &tm) != NULL && strftime(text, sizeof text, "%H:%M:%S", &tm) > 0)
        buf_addf(out, "%s.%03d ", text, (int)(unix_ns % NS_PER_S / 1000000));
}

static void add_seconds(struct buf *out, int64_t unix_ns)
{
    buf_addf(out, "%lld.%06d", (long long)(unix_ns / NS_PER_S), (int)(unix_ns % NS_PER_S / 1000));
}

static void tell_explained(struct http_tap *tap, int64_t unix_ns, struct slice line)
{
    const struct http_config *config = &tap->conn->http->config;
    bool json = tap->form == FORM_JSON;

    buf_clear(&tap->brief);
    if (config->explain(config->ctx, line, json ? BACOWR_EXPLAIN_JSON : BACOWR_EXPLAIN_BRIEF,
                        &tap->brief) != 0)
        return;
    if (!json) {
        add_time(&tap->told, unix_ns);
        buf_add_slice(&tap->told, buf_slice(&tap->brief));
        return;
    }
    tap->brief.len--; /* its LF */
    buf_add_str(&tap->told, "{\"time\":");
    add_seconds(&tap->told, unix_ns);
    buf_add_str(&tap->told, ",\"explained\":");
    buf_add_slice(&tap->told, buf_slice(&tap->brief));
    buf_add_str(&tap->told, "}\n");
}

static void tell_captured(struct http_tap *tap, int64_t unix_ns, const struct tap_line *line)
{
    add_seconds(&tap->told, unix_ns);
    buf_add_str(&tap->told, line->first ? " + " : " & ");
    buf_add_slice(&tap->told, line->text);
    buf_add_byte(&tap->told, '\n');
}

/* False: the turn has been long enough. */
static bool tell_line(void *ctx, const struct tap_line *line)
{
    struct http_tap *tap = ctx;
    int64_t unix_ns = line->at_ns + tap->wall_ns;

    if (tap->form == FORM_CAPTURE)
        tell_captured(tap, unix_ns, line);
    else
        tell_explained(tap, unix_ns, line->text);
    return (int64_t)uv_hrtime() < tap->turn_ends_ns;
}

static void tell_skipped(struct http_tap *tap, uint64_t n)
{
    buf_addf(&tap->told, tap->form == FORM_JSON ? "{\"skipped\":%llu}\n" : "# %llu lines skipped\n",
             (unsigned long long)n);
}

/* ---- sending ---- */

static void look(struct http_conn *c);

static void on_written(struct http_conn *c)
{
    c->tap->writing = false;
    if (c->tap->more)
        http_turn_ask(c, look);
}

static void on_finished(struct http_conn *c)
{
    http_tap_end(c);
    http_conn_done(c);
}

/* The head, if it is still there, and what is told, as a chunk where there are chunks. */
static void send_told(struct http_conn *c)
{
    struct http_tap *tap = c->tap;
    bool chunked = c->request.http11;

    if (chunked && tap->told.len > 0) {
        buf_addf(&c->head, "%zx\r\n", tap->told.len);
        buf_add_slice(&c->head, buf_slice(&tap->told));
        buf_add_str(&c->head, "\r\n");
    } else {
        buf_add_slice(&c->head, buf_slice(&tap->told));
    }
    if (chunked && tap->finish)
        buf_add_str(&c->head, "0\r\n\r\n");
    c->head.failed |= tap->told.failed;
    buf_clear(&tap->told);
    tap->told_ns = (int64_t)uv_hrtime();
    if (c->head.len > 0) {
        uv_buf_t buf = uv_buf_init(c->head.p, (unsigned)c->head.len);

        tap->writing = true;
        http_conn_write(c, &buf, 1, tap->finish ? on_finished : on_written);
    } else if (tap->finish) {
        on_finished(c);
    }
}

static void look(struct http_conn *c)
{
    struct http_tap *tap = c->tap;
    unsigned max = tap->form == FORM_CAPTURE ? COPIED_A_TURN : TOLD_A_TURN;
    uint64_t skipped;

    buf_clear(&c->head);
    tap->turn_ends_ns = (int64_t)uv_hrtime() + TURN_NS;
    tap->more = tap_read(c->http->config.tap, tap->reader, max, tell_line, tap, &skipped) == max;
    if (skipped > 0)
        tell_skipped(tap, skipped);
    if (tap->told.len == 0 && (int64_t)uv_hrtime() - tap->told_ns > SILENCE_NS)
        buf_add_byte(&tap->told, '\n');
    if (tap->told.len > 0 || tap->finish)
        send_told(c);
}

/* Nothing is read of it, so that it went is asked for; who has closed his half has gone too. */
static bool has_left(const struct http_conn *c)
{
    struct pollfd p = {.events = POLLRDHUP};

    return uv_fileno((const uv_handle_t *)&c->tcp, &p.fd) == 0 && poll(&p, 1, 0) > 0;
}

void http_tap_tick(struct http *h)
{
    struct http_conn *next;

    for (struct http_conn *c = h->conns; c; c = next) {
        next = c->next;
        if (c->tap == NULL)
            continue;
        if (has_left(c)) {
            http_conn_end(c, false);
            continue;
        }
        if (c->tap->writing)
            continue;
        c->since_ms = http_now(h); /* who has all that there is is not slow */
        if (c->work == NULL)
            http_turn_ask(c, look);
    }
}

/* ---- beginning and end ---- */

static int64_t wall_offset_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec - (int64_t)uv_hrtime();
}

static int tap_new_for(struct http_conn *c, const struct question *q)
{
    struct http_tap *tap = calloc(1, sizeof *tap);

    if (tap == NULL)
        return -ENOMEM;
    tap->reader = tap_open(c->http->config.tap, &q->filter);
    if (tap->reader < 0) {
        int r = tap->reader;

        free(tap);
        return r;
    }
    tap->form = q->form;
    tap->wall_ns = wall_offset_ns();
    tap->conn = c;
    c->tap = tap;
    return 0;
}

void http_tap_begin(struct http_conn *c)
{
    static const char *const types[] = {
        [FORM_TEXT] = NULL,
        [FORM_JSON] = "application/x-ndjson",
        [FORM_CAPTURE] = "application/octet-stream",
    };
    struct question q = {.form = FORM_TEXT};
    bool good = read_question(&q, &c->request);

    if (c->http->config.tap == NULL || !good) {
        http_conn_answer_status(c, good ? 404 : 400, NULL);
        return;
    }
    if (c->request.method != REQUEST_METHOD_HEAD && tap_new_for(c, &q) != 0) {
        http_conn_answer_status(c, 503, "Retry-After: 5\r\n");
        return;
    }
    if (c->tap == NULL) {
        http_conn_answer(c, &(struct http_answer){.status = 200, .type = types[q.form]});
        return;
    }
    c->keep_alive = c->keep_alive && c->request.http11;
    http_conn_head(c, 200, types[q.form]);
    buf_add_str(&c->head, "Cache-Control: no-store\r\n");
    buf_add_str(&c->head, c->request.http11 ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    if (q.form == FORM_CAPTURE)
        buf_add_str(&c->tap->told, "# bacowr-statsd capture 1\n");
    send_told(c);
}

void http_tap_finish(struct http_conn *c)
{
    if (c->tap == NULL)
        return;
    c->tap->finish = true;
}

void http_tap_end(struct http_conn *c)
{
    struct http_tap *tap = c->tap;

    if (tap == NULL)
        return;
    tap_close(c->http->config.tap, tap->reader);
    buf_release(&tap->told);
    buf_release(&tap->brief);
    free(tap);
    c->tap = NULL;
}
