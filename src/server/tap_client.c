/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap client: see tap_client.h
 *
 *      connect (client.c) --> request --> head --200--> chunks --lines--> out
 *                                           `-- else: told       `-- signal, time, its end: done
 *
 * One socket and one descriptor for signals under poll(). The server writes something every five
 * seconds, so silence for SILENCE_MS is a server that is gone. Its empty lines are left out.
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
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/num.h"
#include "server/healthcheck.h"
#include "server/password.h"

#define CONNECT_MS  10000
#define SILENCE_MS  10000
#define HEAD_MAX    16384
#define PROGRESS_MS 1000

enum part { PART_HEAD, PART_SIZE, PART_DATA, PART_DATA_END, PART_DONE };

struct conversation {
    const struct tap_client *config;
    struct client client;
    int signals;
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

static int tell_fault(const struct conversation *c, int r, struct err *e)
{
    const char *fault = client_tls_fault(&c->client), *address = c->config->url->address;

    if (r == -ECONNABORTED && fault != NULL)
        err_set(e, NULL, 0, 0,
                "%.200s: no TLS connection: %s; --http.config.file says whom to believe (ca_file, "
                "server_name) and who you are (cert_file, key_file)",
                address, fault);
    else
        err_set(e, NULL, 0, 0, "%.200s: %s", address, uv_strerror(r));
    return r;
}

static int connect_to(struct conversation *c, struct err *e)
{
    const struct client_url *url = c->config->url;
    struct address a;
    int r = healthcheck_address(&a, url->address, e);

    if (r < 0)
        return r;
    r = client_open(&c->client, &a, url->tls ? c->config->identity->tls : NULL, url->host,
                    CONNECT_MS);
    return r < 0 ? tell_fault(c, r, e) : 0;
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
    const struct client_url *url = c->config->url;
    struct buf request = {0};
    int r;

    buf_addf(&request, "GET /api/v1/tap?form=%s", c->config->form);
    if (c->config->rate > 0)
        buf_addf(&request, "&rate=%llu", (unsigned long long)c->config->rate);
    if (c->config->match != NULL) {
        buf_add_str(&request, "&match=");
        add_encoded(&request, c->config->match);
    }
    buf_addf(&request,
             strchr(url->host, ':') ? " HTTP/1.1\r\nHost: [%s]\r\n" : " HTTP/1.1\r\nHost: %s\r\n",
             url->host);
    if (c->config->identity->authorization != NULL)
        buf_addf(&request, "Authorization: %s\r\n", c->config->identity->authorization);
    buf_add_str(&request, "Connection: close\r\n\r\n");
    r = request.failed ? -ENOMEM : client_send(&c->client, buf_slice(&request));
    password_forget(request.p, request.len);
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
    struct buf *text = &c->client.text;
    int got, r = 0;

    c->client.end_ns = uv_hrtime() + SILENCE_MS * 1000000ull;
    got = client_receive(&c->client);
    for (size_t i = 0; i < text->len && r == 0; i++)
        r = take_byte(c, text->p[i]);
    buf_clear(text);
    if (c->any_written && fflush(c->config->out) != 0)
        return -errno;
    c->any_written = false;
    if (r == 0 && got < 0)
        return got;
    if (r == 0 && c->part == PART_DONE)
        return -ENODATA;
    if (r == 0 && got == 0)
        return c->part == PART_HEAD ? -ECONNRESET : -ENODATA;
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

static const char *why(const struct tap_client *config, int status)
{
    switch (status) {
    case 400:
        return config->url->tls ? "" : ": if it speaks TLS, write https:// with --url";
    case 401:
        return config->identity->authorization != NULL
                   ? ": the user or the password is wrong"
                   : ": it wants a password; give one with --http.config.file";
    case 403:
        return ": only clients on its machine may, by its address, or who have a password or a "
               "certificate";
    case 404:
        return ": it has no tap";
    case 503:
        return ": there are as many clients as it takes";
    default:
        return "";
    }
}

static int tell_status(const struct tap_client *config, int status, struct err *e)
{
    err_set(e, NULL, 0, 0, "%.200s: the server answers %d%s", config->url->address, status,
            why(config, status));
    return -EACCES;
}

int tap_client_run(const struct tap_client *config, struct err *e)
{
    struct conversation c = {
        .config = config, .client.fd = -1, .signals = -1, .begun_ms = now_ms()};
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
            r = tell_status(config, r, e);
        else if (r < 0)
            tell_fault(&c, r, e);
        tell_progress(&c, true);
    }
    client_close(&c.client);
    if (c.signals >= 0)
        close(c.signals);
    buf_release(&c.head);
    return r;
}
