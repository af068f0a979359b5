/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap client: see tap_client.h
 *
 *      connect (client.c) --> request --> head --200--> chunks (reply.c) --lines--> out
 *                                           `-- else: told       `-- signal, time, its end: done
 *
 * One socket and one descriptor for signals under poll(). The server writes something every five
 * seconds, so silence for SILENCE_MS is a server that is gone. Its empty lines are left out.
 *
 * Laws: what comes is passed on as it comes, never held. What the server says of
 *       its lines it has escaped for terminals; a capture's bytes are raw, as they have to be.
 */
#include "server/tap_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "server/reply.h"
#include "server/status_client.h"

#define CONNECT_MS  10000
#define SILENCE_MS  10000
#define PROGRESS_MS 1000

struct conversation {
    const struct tap_client *config;
    struct client client;
    int signals;
    struct reply reply;
    bool in_line;     /* something of a line was written */
    bool is_note;     /* it began with '#' */
    bool any_written; /* since the last flush */
    uint64_t n_lines, n_bytes;
    uint64_t begun_ms, told_ms;
    bool knows_no_port;
    uint64_t no_port; /* when it began: see tell_no_port() */
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* ---- asking ---- */

static void add_encoded(struct buf *out, const char *text)
{
    for (; *text; text++) {
        bool plain =
            (*text >= '0' && *text <= '9') || ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z');

        if (plain)
            buf_add_byte(out, *text);
        else
            buf_addf(out, "%%%02x", (unsigned char)*text);
    }
}

static int ask(struct conversation *c)
{
    struct buf request = {0};
    int r;

    buf_addf(&request, "/api/v1/tap?form=%s", c->config->form);
    if (c->config->rate > 0)
        buf_addf(&request, "&rate=%llu", (unsigned long long)c->config->rate);
    if (c->config->match != NULL) {
        buf_add_str(&request, "&match=");
        add_encoded(&request, c->config->match);
    }
    r = request.failed
            ? -ENOMEM
            : client_get(&c->client, c->config->url, c->config->identity, buf_slice(&request));
    buf_release(&request);
    return r;
}

/* ---- what comes ---- */

static void write_byte(struct conversation *c, char byte)
{
    if (!c->in_line && byte == '\n')
        return;
    if (!c->in_line)
        c->is_note = byte == '#';
    c->in_line = byte != '\n';
    if (!c->in_line && !c->is_note)
        c->n_lines++;
    c->n_bytes++;
    c->any_written = true;
    putc_unlocked(byte, c->config->out);
}

/* A recording that was there stays if the server cannot be asked. */
static int begin_output(const struct tap_client *config)
{
    struct stat file;

    if (!config->anew || (fstat(fileno(config->out), &file) == 0 && !S_ISREG(file.st_mode)))
        return 0;
    return ftruncate(fileno(config->out), 0) < 0 ? -errno : 0;
}

static int write_body(void *ctx, struct slice body)
{
    struct conversation *c = ctx;
    int r = c->n_bytes == 0 ? begin_output(c->config) : 0;

    if (r < 0)
        return r;
    for (size_t i = 0; i < body.len; i++)
        write_byte(c, body.p[i]);
    return 0;
}

/* 0; the HTTP status that is not 200; a negative errno; -ENODATA at the end. */
static int receive(struct conversation *c)
{
    struct buf *text = &c->client.text;
    int got, r;

    c->client.end_ns = uv_hrtime() + SILENCE_MS * 1000000ull;
    got = client_receive(&c->client);
    r = reply_take(&c->reply, buf_slice(text), write_body, c);
    buf_clear(text);
    if (c->any_written && fflush(c->config->out) != 0)
        return -errno;
    c->any_written = false;
    if (r == 0 && got < 0)
        return got;
    if (r == 0 && got == 0)
        return c->reply.part == REPLY_HEAD ? -ECONNRESET : -ENODATA;
    return r;
}

/* ---- the whole ---- */

static void tell_progress(struct conversation *c, bool last)
{
    if (c->config->progress == NULL || (!last && now_ms() < c->told_ms + PROGRESS_MS))
        return;
    c->told_ms = now_ms();
    fprintf(c->config->progress, "recorded %llu lines, %llu bytes in %llu s\n",
            (unsigned long long)c->n_lines, (unsigned long long)c->n_bytes,
            (unsigned long long)((c->told_ms - c->begun_ms) / 1000));
}

/*
 * A sender who names the wrong port is not heard by the server. Where his datagrams come to its
 * machine all the same, it knows of datagrams for ports where nobody listens.
 */
static void note_no_port(struct conversation *c)
{
    c->knows_no_port =
        c->config->progress == NULL && status_client_number(c->config->url, c->config->identity,
                                                            "udp_no_port_datagrams", &c->no_port);
}

static void tell_no_port(const struct conversation *c)
{
    uint64_t now;

    if (c->knows_no_port &&
        status_client_number(c->config->url, c->config->identity, "udp_no_port_datagrams", &now) &&
        now > c->no_port)
        fprintf(stderr,
                "meanwhile the server's machine received %llu datagram%s for UDP ports without a "
                "listener: a sender may use the wrong port\n",
                (unsigned long long)(now - c->no_port), now - c->no_port == 1 ? "" : "s");
}

/* Silence has several reasons; this one is told. */
static void tell_silence(const struct conversation *c)
{
    if (c->n_lines > 0 || c->config->progress != NULL)
        return;
    if (c->config->match != NULL)
        fprintf(stderr, "no line in %llu s contains \"%s\"; without --match all are shown\n",
                (unsigned long long)((now_ms() - c->begun_ms) / 1000), c->config->match);
    else
        fprintf(stderr, "no lines received in %llu s\n",
                (unsigned long long)((now_ms() - c->begun_ms) / 1000));
    tell_no_port(c);
}

static int64_t time_left(const struct conversation *c)
{
    int64_t left = c->config->limit_ms - (int64_t)(now_ms() - c->begun_ms);

    if (c->config->limit_ms == 0 || left > SILENCE_MS)
        return SILENCE_MS;
    return left > 0 ? left : 0;
}

/* As receive(); -ENODATA also when a signal or the time ends it. */
static int converse(struct conversation *c)
{
    int r = 0;

    while (r == 0) {
        struct pollfd fds[] = {{.fd = c->client.fd, .events = POLLIN},
                               {.fd = c->signals, .events = POLLIN}};
        int n = poll(fds, 2, (int)time_left(c));

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && fds[1].revents != 0)
            return -ENODATA;
        if (n == 0)
            return c->config->limit_ms > 0 && time_left(c) == 0 ? -ENODATA : -ETIMEDOUT;
        if (n > 0)
            r = receive(c);
        if (c->config->limit_ms > 0 && time_left(c) == 0 && r == 0)
            r = -ENODATA;
        tell_progress(c, false);
    }
    return r;
}

static int open_signals(struct conversation *c)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    c->signals = signalfd(-1, &set, SFD_CLOEXEC);
    return c->signals < 0 ? -errno : 0;
}

int tap_client_run(const struct tap_client *config, struct err *e)
{
    struct conversation c = {.config = config, .client.fd = -1, .signals = -1};
    int r = client_connect(&c.client, config->url, config->identity, CONNECT_MS, e);

    if (r == 0) {
        r = open_signals(&c);
        note_no_port(&c);
        c.begun_ms = now_ms();
        if (r == 0)
            r = ask(&c);
        if (r == 0)
            r = converse(&c);
        if (r == -ENODATA)
            r = 0;
        if (r > 0)
            r = client_tell_status(config->url, config->identity, r, ": it has no tap", e);
        else if (r < 0)
            client_tell_fault(&c.client, config->url, r, e);
        tell_progress(&c, true);
        if (r == 0)
            tell_silence(&c);
    }
    client_close(&c.client);
    if (c.signals >= 0)
        close(c.signals);
    reply_release(&c.reply);
    return r;
}
