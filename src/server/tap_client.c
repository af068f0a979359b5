/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap client: see tap_client.h
 *
 *      connect --> request --> head --200--> chunks --lines--> out
 *                                `-- else: told       `-- signal, time, end of the stream: done
 *
 * One socket and one descriptor for signals under poll(). The server writes something each second,
 * so silence for SILENCE_MS is a server that is gone. Its empty lines are left out.
 *
 * Laws: the head is bounded, the rest is passed on as it comes, never held. What the server says of
 *       its lines it has escaped for terminals; a capture's bytes are raw, as they have to be.
 */
#include "server/tap_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/num.h"
#include "server/healthcheck.h"

#define SILENCE_MS  10000
#define HEAD_MAX    16384
#define PROGRESS_MS 1000

enum part { PART_HEAD, PART_SIZE, PART_DATA, PART_DATA_END, PART_DONE };

struct conversation {
    const struct tap_client *config;
    int fd, signals;
    struct buf head;
    enum part part;
    uint64_t left; /* of the chunk */
    unsigned n_digits;
    bool in_line;     /* something of a line was written */
    bool is_note;     /* it began with '#' */
    bool any_written; /* since the last flush */
    uint64_t n_lines, n_bytes;
    uint64_t begun_ms, told_ms;
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* ---- asking ---- */

/* HOST:PORT out of @url, copied to @out. */
static int read_url(struct buf *out, const char *url, struct err *e)
{
    static const char http[] = "http://";

    if (strncmp(url, "https://", 8) == 0) {
        err_set(e, NULL, 0, 0,
                "'%.200s': TLS is not spoken here; give the server one more "
                "--web.listen-address=unix:PATH and write --url=unix:PATH",
                url);
        return -EINVAL;
    }
    if (strncmp(url, http, strlen(http)) == 0) {
        url += strlen(http);
        buf_add(out, url, strcspn(url, "/"));
    } else {
        buf_add_str(out, url);
    }
    return buf_add_byte(out, '\0');
}

static int connect_to(struct conversation *c, struct err *e)
{
    struct buf text = {0};
    struct address a;
    int r = read_url(&text, c->config->url, e);

    if (r == 0)
        r = healthcheck_address(&a, text.p, e);
    buf_release(&text);
    if (r < 0)
        return r;
    c->fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 ||
        connect(c->fd, (struct sockaddr *)&a.sa, address_len((struct sockaddr *)&a.sa))) {
        r = -errno;
        err_set(e, NULL, 0, 0, "%s: %s", a.text, uv_strerror(r));
    }
    return r;
}

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
    ssize_t n = -1;

    buf_addf(&request, "GET /api/v1/tap?form=%s", c->config->form);
    if (c->config->rate > 0)
        buf_addf(&request, "&rate=%llu", (unsigned long long)c->config->rate);
    if (c->config->match != NULL) {
        buf_add_str(&request, "&match=");
        add_encoded(&request, c->config->match);
    }
    buf_add_str(&request, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    errno = ENOMEM;
    if (!request.failed)
        n = send(c->fd, request.p, request.len, MSG_NOSIGNAL);
    buf_release(&request);
    return n < 0 ? -errno : 0; /* it fits into an empty buffer */
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

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1f CR LF"; a size of 0 ends all. */
static int take_size(struct conversation *c, char byte)
{
    int digit = hex_of(byte);

    if (digit >= 0 && c->n_digits < 8) {
        c->n_digits++;
        c->left = c->left * 16 + (unsigned)digit;
        return 0;
    }
    if (byte == '\r')
        return 0;
    if (byte != '\n' || c->n_digits == 0)
        return -EPROTO;
    c->part = c->left > 0 ? PART_DATA : PART_DONE;
    c->n_digits = 0;
    return 0;
}

static bool ends_head(const struct buf *head)
{
    return head->len >= 4 && memcmp(head->p + head->len - 4, "\r\n\r\n", 4) == 0;
}

static int take_head(struct conversation *c, char byte)
{
    uint64_t status;

    if (c->head.len == HEAD_MAX || buf_add_byte(&c->head, byte) != 0)
        return -EPROTO;
    if (!ends_head(&c->head))
        return 0;
    if (c->head.len < 12 || memcmp(c->head.p, "HTTP/1.", 7) != 0 ||
        num_parse_u64(slice_of(c->head.p + 9, 3), 999, &status) != 0)
        return -EPROTO;
    c->part = PART_SIZE;
    return status == 200 ? 0 : (int)status;
}

static int take_byte(struct conversation *c, char byte)
{
    switch (c->part) {
    case PART_HEAD:
        return take_head(c, byte);
    case PART_SIZE:
        return take_size(c, byte);
    case PART_DATA:
        write_byte(c, byte);
        if (--c->left == 0)
            c->part = PART_DATA_END;
        return 0;
    case PART_DATA_END:
        if (byte == '\n')
            c->part = PART_SIZE;
        return 0;
    case PART_DONE:
        return 0;
    }
    return 0;
}

/* 0; the HTTP status that is not 200; a negative errno; -ENODATA at the end. */
static int receive(struct conversation *c)
{
    char bytes[16384];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    int r = 0;

    if (n < 0)
        return -errno;
    if (n == 0)
        return c->part == PART_HEAD ? -ECONNRESET : -ENODATA;
    for (ssize_t i = 0; i < n && r == 0; i++)
        r = take_byte(c, bytes[i]);
    if (c->any_written && fflush(c->config->out) != 0)
        return -errno;
    c->any_written = false;
    return r == 0 && c->part == PART_DONE ? -ENODATA : r;
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
        struct pollfd fds[] = {{.fd = c->fd, .events = POLLIN},
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

static int tell_status(const char *url, int status, struct err *e)
{
    const char *why = status == 403   ? ": only clients on its machine may, by its address"
                      : status == 401 ? ": it wants a password"
                      : status == 404 ? ": it has no tap"
                      : status == 503 ? ": there are as many clients as it takes"
                                      : "";

    err_set(e, NULL, 0, 0, "%.200s: the server answers %d%s", url, status, why);
    return -EACCES;
}

int tap_client_run(const struct tap_client *config, struct err *e)
{
    struct conversation c = {.config = config, .fd = -1, .signals = -1, .begun_ms = now_ms()};
    int r = connect_to(&c, e);

    if (r == 0) {
        r = open_signals(&c);
        if (r == 0)
            r = ask(&c);
        if (r == 0)
            r = converse(&c);
        if (r == -ENODATA)
            r = 0;
        if (r > 0)
            r = tell_status(config->url, r, e);
        else if (r < 0)
            err_set(e, NULL, 0, 0, "%.200s: %s", config->url, uv_strerror(r));
        tell_progress(&c, true);
    }
    if (c.fd >= 0)
        close(c.fd);
    if (c.signals >= 0)
        close(c.signals);
    buf_release(&c.head);
    return r;
}
