/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP: the page that Prometheus scrapes, and the small pages beside it
 *
 * A libuv TCP handler on the control loop; requests are read by llhttp. What is behind a path is
 * told by callbacks, so that this file knows connections and nothing of metrics.
 *
 * Contract: everything is bounded: connections, bytes of a request, bytes waiting to be sent, time
 * for a request to arrive and for a response to make progress. A slow or hostile client costs its
 * own connection and nothing else. The process ignores SIGPIPE.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/slice.h"
#include "bacowr/aggregator.h"
#include "conf/options.h"
#include "server/request.h"

struct door;
struct http;
struct tap;

/* A page is out this long after its beginning, or its connection is reset. */
#define HTTP_SCRAPE_MAX_MS 10000

/* What is asked of a document. */
struct http_ask {
    struct slice query, body;
    bool may_see_senders; /* their lines as they came, and their addresses */

    /* The document, which waits, may go on; on the loop's thread, at any time before it has
     * ended. */
    void (*wake)(void *waker);
    void *waker;
};

/* What step() says of a document. */
#define HTTP_DOC_MORE 1 /* in another turn */
#define HTTP_DOC_WAIT 2 /* after ask->wake(); nothing was written */

/* A document of the API: an object of JSON, or lines of them. */
struct http_doc {
    const char *path; /* below /api/v1/ */
    bool takes_body;  /* asked for by POST with a body, else by GET */
    bool secret;      /* for who may see senders; others get 403 */

    /* Lines are sent as they are made, and not longer than this. 0: an object, sent as one. */
    int64_t lines_ms;
    /*
     * Append what was asked for to @out, or a part of it: what is to be remembered goes to *@state,
     * which is NULL at first. 0: that is all; HTTP_DOC_MORE, _WAIT; -EINVAL: @ask is wrong; -EBUSY:
     * it is made for somebody else; -ENOMEM. What is written before a failure is thrown away; where
     * lines were sent before, the connection is reset.
     */
    int (*step)(void *ctx, const struct http_ask *ask, void **state, struct buf *out);
    void (*end)(void *state); /* of what step() left there; once, whatever happens */
};

struct http_config {
    const char *telemetry_path; /* borrowed; "/": there is no landing page; one that is free */
    bool enable_lifecycle;      /* POST or PUT /-/reload and /-/quit exist */
    unsigned max_connections;
    int64_t timeout_ms; /* above 0 */
    struct request_limits request_max;
    const char *version; /* for the landing page; borrowed */
    /* Names of this server beside localhost and addresses; borrowed; NULL: none. */
    const struct options_list *hosts;

    const struct http_doc *docs; /* borrowed; a row without a path ends them; NULL: none */

    void *ctx;
    /* Begin a page in the @format that @accept asks for. 0 or -ENOMEM. */
    int (*scrape)(void *ctx, struct slice accept, const struct bacowr_format **format,
                  struct bacowr_scrape **out);
    /*
     * Give back what scrape() began, finished or not: this frees it, http does not. Once for each.
     * NULL: http calls bacowr_scrape_free().
     */
    void (*scrape_done)(void *ctx, struct bacowr_scrape *s);
    /* Begin a reload: its number, for http_reload_done(). 0: there is nothing to load. */
    uint64_t (*reload)(void *ctx);
    void (*quit)(void *ctx);
    bool (*ready)(void *ctx);
    struct tap *tap; /* borrowed; NULL: nobody can tap */
    /* Append what becomes of @line, a sender's: with bounded work. 0 or -ENOMEM. */
    int (*explain)(void *ctx, struct slice line, enum bacowr_explain_form form, struct buf *out);
};

/* What http counts, for the self metrics; the struct belongs to http and is read on its thread. */
struct http_stats {
    uint64_t connections;         /* accepted */
    uint64_t connections_refused; /* at the limit */
    uint64_t evicted;             /* ended to make room for others */
    uint64_t accept_pauses;       /* accept failed: out of descriptors or memory */
    uint64_t connections_open;
    uint64_t timeouts;     /* requests not whole, answers stuck, pages too slow */
    uint64_t bad_requests; /* malformed, too large, or cut by the client; of these: */
    uint64_t head_too_large, path_too_long, body_too_large;
    uint64_t tls_handshakes; /* that were completed */
    uint64_t tls_failures;   /* handshakes that were not, and broken records */
    uint64_t unauthorized;   /* no password, or a wrong one */
    uint64_t rate_limited;
    uint64_t busy;            /* too many passwords wait to be looked at */
    uint64_t password_checks; /* bcrypt was run */
    uint64_t forbidden;       /* would have changed something, and came from a foreign page */
    uint64_t scrapes_in_flight;
    uint64_t scrapes_by_code[3]; /* 200, 500, 503 */
    uint64_t scrape_bytes;       /* sent, after compression */
    double scrape_seconds;       /* summed, from request to last byte produced */
    int64_t last_scrape_at_ms;   /* worker_now_ms() at its end; 0: there was none */
    double last_scrape_seconds;
    uint64_t last_scrape_bytes; /* before compression */
};

/* May the metrics page stand at @path? Not where probes and, with @lifecycle, commands stand. */
bool http_path_is_free(const char *path, bool lifecycle);

/* 0, -ENOMEM. The loop is borrowed and outlives @out. */
int http_new(struct http **out, uv_loop_t *loop, const struct http_config *config);

/*
 * Listen on @fd too, a socket that listens and does not block; it is taken, also on failure. On a
 * Unix socket there is no TLS. 0 or a negative errno (as libuv's codes are).
 */
int http_listen_on(struct http *h, int fd);

/*
 * From now on @d says who may come in and how; it is taken, and NULL is an open door. Connections
 * that came in by the door before end with the answer they are at; a tap ends if @d does not let it
 * in.
 */
void http_set_door(struct http *h, struct door *d);

/* Listener @i's socket, borrowed; -1: there are no more. */
int http_listener_fd(const struct http *h, unsigned i);

/*
 * Begin no answer until http_resume(): who connects or asks meanwhile waits. Pages that are under
 * way go on.
 */
void http_hold(struct http *h);
void http_resume(struct http *h);

/*
 * After http_hold(): another process listens on the same sockets from now on. Those who have been
 * answered and ask for nothing are let go, so that they come to it; who has asked, or connects just
 * now and asks within a second, gets an answer, which is the last. Is anything left of them?
 */
void http_retire(struct http *h);
bool http_is_idle(const struct http *h);

/* To be called about ten times a second: those who tap get what came in. */
void http_tap_tick(struct http *h);

const struct http_stats *http_stats(const struct http *h);

/*
 * Reload number @run is over: answer those who wait for it or for one before it. @r is 0 or a
 * negative errno, for the reason in @message (borrowed).
 */
void http_reload_done(struct http *h, uint64_t run, int r, struct slice message);

/* Stop listening, end all connections; @h is freed from the loop once its handles are closed. */
void http_close(struct http *h);

#endif
