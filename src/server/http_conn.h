/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP, the inside: what the files of the HTTP server share
 *
 *      http.c        listeners, limits, the one clock for all deadlines, the end
 *      http_conn.c   one connection: bytes to requests, answers to bytes, time
 *      http_answer.c heads, and bodies that fit in memory
 *      http_tls.c    the same bytes, encrypted
 *      http_turn.c   whose work is next
 *      http_enter.c  who may come in, and when it is his turn
 *      http_guard.c  who may do and see what
 *      http_route.c  what is behind a path, and the small pages
 *      http_api.c    documents of the API, step by step
 *      http_landing.c the status page
 *      http_page.c   the metrics page, slice by slice
 *      http_tap.c    lines as they come in
 *
 * Contract: all of it runs on the loop's thread. A connection is answered by exactly one call of
 * http_conn_answer(), or by http_conn_write() and then http_conn_done().
 */
#ifndef SERVER_HTTP_CONN_H
#define SERVER_HTTP_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/buf.h"
#include "base/cidr.h"
#include "base/slice.h"
#include "server/door.h"
#include "server/http.h"
#include "server/login.h"
#include "server/request.h"

#define HTTP_READ_SIZE (16 * 1024)

struct http_listener;
struct http_page;    /* http_page.c */
struct http_api_job; /* http_api.c */
struct http_tap;     /* http_tap.c */

struct http {
    struct http_config config;
    struct http_stats stats;
    uv_loop_t *loop;                  /* borrowed */
    struct http_conn *conns;          /* owned; those not ended, newest first */
    struct http_listener **listeners; /* owned, each */
    unsigned n_listeners;
    struct door *door;                             /* owned; NULL: an open one */
    unsigned generation;                           /* of the door: changed or left so often */
    struct login *login;                           /* owned */
    TAILQ_HEAD(http_knocking, http_conn) knocking; /* passwords not looked at; also in conns */
    unsigned n_knocking;
    double tokens; /* of the rate limit */
    uint64_t tokens_ns;
    uv_timer_t sweep;                /* rings when the earliest deadline may have come */
    int64_t sweep_at;                /* INT64_MAX: it is not set */
    TAILQ_HEAD(, http_conn) waiting; /* for their turn; each is in conns too */
    TAILQ_HEAD(http_shaking, http_conn) shaking; /* likewise, with a step of their handshakes */
    bool shook;                                  /* the last turn was one of those */
    uv_idle_t turn;                              /* goes round with the loop while anybody waits */
    uv_timer_t retry;                            /* rings when accepting may go on */
    unsigned n_handles; /* of all kinds, not closed yet; the last one's callback frees this */
    bool closing;
    bool held;                        /* no answer begins */
    bool retired;                     /* another process is the server now */
    char read_buffer[HTTP_READ_SIZE]; /* every connection's, during its read callback */
};

enum http_conn_state {
    HTTP_CONN_READING,
    HTTP_CONN_ANSWERING, /* nothing is read meanwhile */
    HTTP_CONN_LINGERING, /* all said; what comes in is thrown away until the client has closed */
    HTTP_CONN_ENDED,     /* waits for its close callback; out of http.conns */
};

struct http_conn {
    uv_tcp_t tcp;
    uv_write_t write; /* at most one at a time */
    uv_shutdown_t shutdown;
    struct http *http;       /* owner; outlives its connections */
    struct http_conn *next;  /* of http.conns */
    struct http_conn **link; /* what points at this one there */

    enum http_conn_state state;
    int64_t since_ms; /* reading: of silence, or the first byte; else: the last progress */
    bool local;       /* the client is on this machine */
    bool unix_socket;
    bool known;          /* this request came with a good password */
    bool knocks;         /* it waits for its password to be looked at, */
    uint64_t round;      /* in this round; or its handshake waits in it */
    struct ip from;      /* whose turn that is: see http_guard_peer() */
    unsigned generation; /* of the door that it came in by */
    int64_t cut_ms;      /* answering ends then, progress or not; INT64_MAX: not for that reason */
    bool fresh;          /* no request was read yet */
    bool keep_alive;     /* after this answer */
    bool quits;          /* after this answer, or its failure, config.quit() is called */
    uint64_t reload;     /* the answer waits for this reload; 0: for none */
    size_t n_unread;     /* bytes the client had not acknowledged when last looked at */
    size_t n_lingered;

    struct request request;
    struct buf rest; /* read behind the request that is being answered; less than a read's bytes */
    size_t rest_at;  /* how much of it is used up */

    struct buf head;                      /* status line and headers, or a chunk's size */
    void (*written)(struct http_conn *c); /* goes on when the write is done */
    struct buf body;                      /* of the request, if it is one that is kept */
    struct http_page *page;               /* owned; NULL: another kind of answer */
    struct http_api_job *api_job;         /* likewise */
    struct http_tap *tap;                 /* likewise */
    void (*work)(struct http_conn *c);    /* to be done in its turn; NULL: it does not wait */
    bool shakes;                          /* it waits among the handshakes */
    TAILQ_ENTRY(http_conn) waiting;       /* of http.waiting, or shaking */
    TAILQ_ENTRY(http_conn) knocking;      /* of http.knocking */

    struct tls_conn *tls; /* owned; NULL: plain */
    bool greeted;         /* its first bytes may be those of TLS */
    bool saying;          /* `write` sends what TLS itself has to say; nothing is read meanwhile */
    struct buf cipher;    /* what `write` is sending, if encrypted */
};

/* ---- http.c ---- */

static inline int64_t http_now(const struct http *h)
{
    return (int64_t)uv_now(h->loop);
}

/* Look at all deadlines at @at_ms, if not before. */
void http_watch(struct http *h, int64_t at_ms);

/* One handle less: to be called last in each close callback. */
void http_handle_closed(struct http *h);

/* ---- http_turn.c ---- */

/*
 * Call @work(c) soon: one connection's in each turn of the loop, in the order of asking. The end of
 * the connection takes it back.
 */
void http_turn_ask(struct http_conn *c, void (*work)(struct http_conn *c));
void http_turn_drop(struct http_conn *c);

/* Likewise for a step of a handshake. */
void http_turn_shake(struct http_conn *c, void (*work)(struct http_conn *c));

/* What may go on may be more than before: look again. */
void http_turns_go_on(struct http *h);

/* ---- http_conn.c ---- */

/* Serve @fd, which is taken; of a Unix socket or not. 0 or a negative errno. */
int http_conn_open(struct http *h, int fd, bool unix_socket);

/* Release all at once; with @reset the client gets RST, so that it knows what it has is cut. */
void http_conn_end(struct http_conn *c, bool reset);

/* End it if its time has come. When to look again, or INT64_MAX. */
int64_t http_conn_check(struct http_conn *c);

/*
 * Write @n (at most 4) buffers, borrowed until the connection ends or @written is called; that is
 * never from inside this call. If c->head failed or the write does, the connection ends here.
 */
void http_conn_write(struct http_conn *c, const uv_buf_t *bufs, unsigned n,
                     void (*written)(struct http_conn *c));

/* Read no further request until http_conn_resume(), which takes what has come meanwhile. */
void http_conn_hold(struct http_conn *c);
void http_conn_resume(struct http_conn *c);

/* After http_conn_hold(): who has asked, or has only just come, gets one answer; others the end. */
void http_conn_retire(struct http_conn *c);

/* The answer is written: the next request, or the end. */
void http_conn_done(struct http_conn *c);

/* ---- http_conn.c, for http_tls.c ---- */

void http_conn_read_on(struct http_conn *c); /* as soon as TLS has said what it has to */
void http_conn_read_off(struct http_conn *c);

/* Text of the client: the connection goes on with it. */
void http_conn_take(struct http_conn *c, struct slice text);

/* The client has said that it is done. */
void http_conn_eof(struct http_conn *c);

/* Nothing more will be said: end once the client has taken what is on its way. */
void http_conn_linger(struct http_conn *c);

/* ---- http_tls.c ---- */

/* A new connection under @t: 0 or -ENOMEM. */
int http_tls_begin(struct http_conn *c, struct tls *t);

/* Bytes came in: the handshake goes on in its turn, text goes to http_conn_take(). */
void http_tls_read(struct http_conn *c, struct slice in);

/* Encrypt @bufs into one, which lives in @c until the write is done. 0 or a negative errno. */
int http_tls_encrypt(struct http_conn *c, const uv_buf_t *bufs, unsigned n, uv_buf_t *out);

/* Send what TLS itself has to say, with @text before it (may be empty), and read on after that. */
void http_tls_say(struct http_conn *c, struct slice text);

/* ---- http_answer.c ---- */

/* An answer that fits in memory. */
struct http_answer {
    unsigned status;
    const char *type;    /* Content-Type; NULL: text/plain */
    const char *headers; /* further lines, each with its CR LF; may be NULL */
    struct slice body;   /* copied; not sent to HEAD */
};
void http_conn_answer(struct http_conn *c, const struct http_answer *answer);

/* The answer to what went wrong: its body is the status in words. */
void http_conn_answer_status(struct http_conn *c, unsigned status, const char *headers);

/* Put status line and common headers, without the empty line, into c->head. */
void http_conn_head(struct http_conn *c, unsigned status, const char *type);

/* ---- http_enter.c ---- */

/*
 * May c->request come in? If not it is answered here, or waits until its password was looked at,
 * and http_admitted() comes then.
 */
bool http_may_enter(struct http_conn *c);

/* Is there still a request left of the rate limit? If not it is answered here: 429. */
bool http_within_rate(struct http_conn *c);

/* For struct login: those who wait may ask again. */
void http_on_password(void *ctx);

/* It waits no more, whatever becomes of it. */
void http_knock_drop(struct http_conn *c);

/* Did it come in by another door than that of now, which looks at certificates? */
bool http_is_outdated(const struct http_conn *c);

/* The door is another now: may who taps by c->request go on? */
bool http_may_stay(struct http_conn *c);

/* ---- http_guard.c ---- */

/* Whose @fd is, where everybody has his turn: an address, of IPv6 its network of 64 bits; all Unix
 * sockets are one. */
struct ip http_guard_peer(int fd);

/* Is the client of @fd on this machine: a loopback address or a Unix socket? */
bool http_guard_is_local(int fd);

/*
 * May c->request change anything? If not it is answered here: 403, counted. Asked for every path
 * that the lifecycle flag opens, in http_route().
 */
bool http_may_change(struct http_conn *c);

/*
 * May c->request see what senders sent, as it came in, and their addresses? Every handler that
 * shows raw lines or source addresses asks this first and leaves them out if not.
 */
bool http_may_see_senders(const struct http_conn *c);

/*
 * May c->request have what takes work to make? Not if a browser asks for a page of another site:
 * then it is answered here, 403, counted.
 */
bool http_may_cost(struct http_conn *c);

/*
 * May c->request have what the API tells? Not a page of another site, nor what comes from this
 * machine by a name that is none of ours: then it is answered here, 403, counted.
 */
bool http_may_read(struct http_conn *c);

/* ---- http_route.c ---- */

/* Answer c->request, which is whole. */
void http_route(struct http_conn *c);

/* Likewise, after its password was found to be good. */
void http_admitted(struct http_conn *c);

/* ---- http_landing.c ---- */

/* Answer with the status page. */
void http_landing(struct http_conn *c);

/* ---- http_api.c ---- */

/* Answer c->request if it is for a document. False: it is not. */
bool http_api_route(struct http_conn *c);

/* For struct request: is its body for a document? */
bool http_api_keeps_body(const struct request *r);

/* Release c->api_job, done or not; nothing if there is none. */
void http_api_end(struct http_conn *c);

/* No worker will wake it any more: reset the connection if it waits. */
void http_api_retire(struct http_conn *c);

/* ---- http_tap.c ---- */

/* Answer with lines as they come in, until the client leaves. */
void http_tap_begin(struct http_conn *c);

/* The stream ends well, as soon as it can. */
void http_tap_finish(struct http_conn *c);

/* Release c->tap; nothing if there is none. */
void http_tap_end(struct http_conn *c);

/* ---- http_page.c ---- */

/* Answer with the page; all work is done in turns. */
void http_page_begin(struct http_conn *c);

/* Release and count c->page, whole or not; nothing if there is none. */
void http_page_end(struct http_conn *c);

#endif
