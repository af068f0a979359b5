/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: see replay.h
 *
 *      input --line--> time, first? --first--> the datagram before is sent, in its time
 *                           `-- further: joins the datagram
 *
 * Time is the recorded one from the first line on, divided by the speed. A time that goes back (the
 * lines of several threads are not in order) is now. Pauses are cut into steps, so that progress
 * goes on.
 *
 * Laws: a datagram is sent as it was recorded, if it is not over DATAGRAM_MAX; a longer line than
 *       LINE_MAX_BYTES is an error, not a cut line. A datagram that nobody takes is counted and
 *       told at the end; over TCP a fault ends it.
 */
#include "server/replay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/num.h"
#include "server/address.h"
#include "server/capture.h"

#define DATAGRAM_MAX   65507
#define LINE_MAX_BYTES 65507
#define PROGRESS_NS    1000000000
#define NS_PER_S       1000000000ull
#define MAX_SPEED      1e6

struct player {
    const struct replay *config;
    int fd;
    struct buf line, datagram;
    bool capture;
    bool has_first;
    int64_t first_ns, due_ns; /* recorded times: of the first line, of the datagram */
    uint64_t begun_ns, told_ns;
    uint64_t n_lines, n_datagrams, n_bytes, n_refused;
};

bool replay_read_speed(const char *text, double *speed)
{
    double v;

    if (strcmp(text, "max") == 0) {
        *speed = 0;
        return true;
    }
    if (num_parse(slice_str(text), &v) != 0 || !(v > 0) || v > MAX_SPEED)
        return false;
    *speed = v;
    return true;
}

/* ---- sending ---- */

static void tell_progress(struct player *p, bool last)
{
    uint64_t now = uv_hrtime();

    if (!last && now < p->told_ns + PROGRESS_NS)
        return;
    p->told_ns = now;
    fprintf(p->config->progress, "replayed %llu lines, %llu bytes in %.1f s%s\n",
            (unsigned long long)p->n_lines, (unsigned long long)p->n_bytes,
            (double)(now - p->begun_ns) / 1e9, last ? ", done" : "");
}

static void wait_until(struct player *p, uint64_t at_ns)
{
    for (;;) {
        uint64_t now = uv_hrtime();
        uint64_t left = at_ns > now ? at_ns - now : 0;
        struct timespec t;

        tell_progress(p, false);
        if (left == 0)
            return;
        left = left < PROGRESS_NS ? left : PROGRESS_NS;
        t = (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
        nanosleep(&t, NULL);
    }
}

static int send_all(struct player *p)
{
    struct slice rest = buf_slice(&p->datagram);

    while (rest.len > 0) {
        ssize_t n = send(p->fd, rest.p, rest.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            rest = slice_from(rest, (size_t)n);
    }
    return 0;
}

/* An error of the one before comes with the next: then it is tried once more. */
static int send_datagram(struct player *p)
{
    for (unsigned i = 0; i < 2; i++) {
        if (send(p->fd, p->datagram.p, p->datagram.len, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno != ECONNREFUSED && errno != EINTR)
            return -errno;
        p->n_refused += errno == ECONNREFUSED;
    }
    return 0;
}

static int flush_datagram(struct player *p)
{
    double after = (double)(p->due_ns - p->first_ns);
    int r;

    if (p->datagram.len == 0)
        return 0;
    if (p->config->speed > 0 && after > 0)
        wait_until(p, p->begun_ns + (uint64_t)(after / p->config->speed));
    r = p->config->tcp ? send_all(p) : send_datagram(p);
    p->n_datagrams++;
    p->n_bytes += p->datagram.len;
    buf_clear(&p->datagram);
    tell_progress(p, false);
    return r;
}

/* @text joins the datagram; @first: after what is there was sent. */
static int put_line(struct player *p, struct slice text, bool first, int64_t at_ns)
{
    bool begins = first || p->datagram.len + text.len + 2 > DATAGRAM_MAX;
    int r = begins ? flush_datagram(p) : 0;

    if (r != 0)
        return r;
    if (!p->has_first)
        p->first_ns = at_ns;
    p->has_first = true;
    if (p->datagram.len == 0)
        p->due_ns = at_ns;
    else if (!p->config->tcp)
        buf_add_byte(&p->datagram, '\n');
    buf_add_slice(&p->datagram, text);
    if (p->config->tcp)
        buf_add_byte(&p->datagram, '\n');
    p->n_lines++;
    return p->datagram.failed ? -ENOMEM : 0;
}

/* ---- reading ---- */

/* 1; 0 at the end; a negative errno. */
static int read_line(struct player *p)
{
    FILE *in = p->config->in;
    int c;

    buf_clear(&p->line);
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        if (p->line.len == LINE_MAX_BYTES + 64)
            return -EMSGSIZE;
        if (buf_add_byte(&p->line, (char)c) != 0)
            return -ENOMEM;
    }
    if (ferror(in))
        return -EIO;
    return c == '\n' || p->line.len > 0;
}

static int play_line(struct player *p, uint64_t number)
{
    struct slice text = buf_slice(&p->line);
    struct capture_record record;
    int r = number == 1 ? capture_begins(text) : 0;

    if (r != 0) {
        p->capture = r > 0;
        return r < 0 ? r : 0;
    }
    if (p->capture) {
        r = capture_read(text, &record);
        return r > 0 ? put_line(p, record.text, record.first, record.at_ns) : r;
    }
    if (text.len == 0)
        return 0;
    return put_line(p, text, true, (int64_t)p->n_lines * REPLAY_STEP_NS);
}

/* ---- the whole ---- */

static int open_target(struct player *p, struct err *e)
{
    struct address a;
    int r = address_resolve(&a, p->config->to, e);
    int on = 1;

    if (r < 0)
        return r;
    p->fd = socket(a.sa.ss_family, (p->config->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (p->fd >= 0 && p->config->tcp)
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a wish */
    if (p->fd < 0 ||
        connect(p->fd, (struct sockaddr *)&a.sa, address_len((struct sockaddr *)&a.sa))) {
        r = -errno;
        err_set(e, NULL, 0, 0, "%s: %s", a.text, uv_strerror(r));
    }
    return r;
}

static int play(struct player *p, struct err *e)
{
    uint64_t number = 0;
    int r;

    while ((r = read_line(p)) > 0) {
        r = play_line(p, ++number);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = flush_datagram(p);
    tell_progress(p, true);
    if (r == -EBADMSG)
        err_set(e, NULL, 0, 0, "line %llu of the capture is invalid, write SECONDS.MICROS + LINE",
                (unsigned long long)number);
    else if (r == -EPROTONOSUPPORT)
        err_set(e, NULL, 0, 0, "unsupported capture version, this program reads version 1");
    else if (r < 0)
        err_set(e, NULL, 0, 0, "after %llu lines: %s", (unsigned long long)p->n_lines,
                uv_strerror(r));
    else if (p->n_refused > 0)
        err_set(e, NULL, 0, 0, "%s: at least %llu of %llu datagrams were not received",
                p->config->to, (unsigned long long)p->n_refused,
                (unsigned long long)p->n_datagrams);
    return r == 0 && p->n_refused > 0 ? -ECONNREFUSED : r;
}

int replay_run(const struct replay *config, struct err *e)
{
    struct player p = {.config = config, .fd = -1};
    int r = open_target(&p, e);

    p.begun_ns = p.told_ns = uv_hrtime();
    if (r == 0)
        r = play(&p, e);
    if (p.fd >= 0)
        close(p.fd);
    buf_release(&p.line);
    buf_release(&p.datagram);
    return r;
}
