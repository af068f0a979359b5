/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP API: documents in JSON, made in turns
 *
 *      request --foreign page?--> 403
 *              --turn: step(), step(), ...--> all made --> answered as one
 *                |  |    `-- waits: nothing, until it is woken
 *                |  `-- lines: what a step made is a chunk --written--> the next step
 *                `-- fails: 503, or 400 for what was asked wrong; RST behind the first chunk
 *
 * What is behind a path is told by a table of documents (http.h), so that this file knows
 * connections and nothing of what is told. A document that takes long is made in steps, one a turn
 * of the loop, so scrapes and probes are answered in between; a connection that ends meanwhile ends
 * it. What is larger than memory should hold comes as lines, which a slow client slows down.
 *
 * Laws: a page of another site gets nothing, nor does one that a foreign name led to this machine
 *       (http_guard.c); an answer is for no cache and for no other site. Documents read, and change
 *       nothing. Lines that are cut off never look whole: no last chunk, and RST.
 */
#include "server/http_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct http_api_job {
    const struct http_doc *doc;
    struct http_ask ask; /* points into the connection */
    void *state;         /* the document's own */
    struct buf out;
    bool begun; /* lines: the head is sent */
    bool waits; /* to be woken */
};

#define HEADERS                   \
    "Cache-Control: no-store\r\n" \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

static const char headers[] = HEADERS;

void http_api_end(struct http_conn *c)
{
    struct http_api_job *job = c->api_job;

    if (!job)
        return;
    if (job->state)
        job->doc->end(job->state);
    buf_release(&job->out);
    free(job);
    c->api_job = NULL;
    c->cut_ms = INT64_MAX;
}

void http_api_retire(struct http_conn *c)
{
    if (c->api_job && c->api_job->waits)
        http_conn_end(c, true);
}

static void answer_fault(struct http_conn *c, int r)
{
    if (r == -EINVAL)
        http_conn_answer_status(c, 400, headers);
    else
        http_conn_answer_status(c, 503, r == -EBUSY ? HEADERS "Retry-After: 5\r\n" : headers);
    http_api_end(c);
}

static void work(struct http_conn *c);

/* ---- lines ---- */

static void on_all_written(struct http_conn *c)
{
    http_api_end(c);
    http_conn_done(c);
}

static void on_written(struct http_conn *c)
{
    http_turn_ask(c, work);
}

static void put_head(struct http_conn *c)
{
    if (!c->request.http11)
        c->keep_alive = false;
    http_conn_head(c, 200, "application/x-ndjson");
    buf_add_str(&c->head, headers);
    if (c->request.http11)
        buf_add_str(&c->head, "Transfer-Encoding: chunked\r\n");
    buf_add_str(&c->head, "\r\n");
}

/* c->head, then the lines; HTTP/1.0 gets them without chunks, to the connection's end. */
static void send_lines(struct http_conn *c, bool last)
{
    struct http_api_job *job = c->api_job;
    bool chunked = c->request.http11;
    const char *tail = !last ? "\r\n" : job->out.len > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n";
    uv_buf_t bufs[3];
    unsigned n = 0;

    if (chunked && job->out.len > 0)
        buf_addf(&c->head, "%zx\r\n", job->out.len);
    if (c->head.len > 0)
        bufs[n++] = uv_buf_init(c->head.p, (unsigned)c->head.len);
    if (job->out.len > 0)
        bufs[n++] = uv_buf_init(job->out.p, (unsigned)job->out.len);
    if (chunked)
        bufs[n++] = uv_buf_init((char *)tail, (unsigned)strlen(tail)); /* only read */
    if (n > 0)
        http_conn_write(c, bufs, n, last ? on_all_written : on_written);
    else
        on_all_written(c); /* HTTP/1.0, and there is nothing more */
}

static void begin_lines(struct http_conn *c)
{
    c->api_job->begun = true;
    c->cut_ms = http_now(c->http) + c->api_job->doc->lines_ms;
    http_watch(c->http, c->cut_ms);
    put_head(c);
}

static void pass_lines(struct http_conn *c, int r)
{
    struct http_api_job *job = c->api_job;

    if (r < 0 && job->begun) {
        http_conn_end(c, true);
        return;
    }
    if (r < 0) {
        answer_fault(c, r);
        return;
    }
    buf_clear(&c->head);
    if (!job->begun)
        begin_lines(c);
    if (c->request.method == REQUEST_METHOD_HEAD) {
        uv_buf_t buf = uv_buf_init(c->head.p, (unsigned)c->head.len);

        http_conn_write(c, &buf, 1, on_all_written);
    } else if (r > 0 && c->head.len == 0 && job->out.len == 0) {
        http_turn_ask(c, work);
    } else {
        send_lines(c, r == 0);
    }
}

/* ---- steps ---- */

static void answer(struct http_conn *c)
{
    http_conn_answer(c, &(struct http_answer){
                            .status = 200,
                            .type = "application/json",
                            .headers = headers,
                            .body = buf_slice(&c->api_job->out),
                        });
    http_api_end(c);
}

static void work(struct http_conn *c)
{
    struct http_api_job *job = c->api_job;
    int r;

    if (job->doc->lines_ms > 0)
        buf_clear(&job->out);
    r = job->doc->step(c->http->config.ctx, &job->ask, &job->state, &job->out);
    if (job->out.failed)
        r = -ENOMEM;
    job->waits = r == HTTP_DOC_WAIT;
    if (job->waits)
        return;
    if (job->doc->lines_ms > 0)
        pass_lines(c, r);
    else if (r > 0)
        http_turn_ask(c, work);
    else if (r == 0)
        answer(c);
    else
        answer_fault(c, r);
}

static void wake(void *waker)
{
    struct http_conn *c = waker;

    assert(c->api_job->waits);
    c->api_job->waits = false;
    http_turn_ask(c, work);
}

static void begin(struct http_conn *c, const struct http_doc *doc)
{
    struct http_api_job *job = calloc(1, sizeof *job);

    if (!job || c->body.failed) {
        free(job);
        http_conn_answer_status(c, 503, headers);
        return;
    }
    job->doc = doc;
    job->ask.query = request_query(&c->request);
    job->ask.body = buf_slice(&c->body);
    job->ask.may_see_senders = http_may_see_senders(c);
    job->ask.wake = wake;
    job->ask.waker = c;
    c->api_job = job;
    http_turn_ask(c, work);
}

static const struct http_doc *doc_at(const struct http *h, struct slice path)
{
    for (const struct http_doc *doc = h->config.docs; doc && doc->path; doc++) {
        if (slice_eq_str(path, doc->path))
            return doc;
    }
    return NULL;
}

static bool method_fits(const struct http_conn *c, const struct http_doc *doc)
{
    enum request_method method = c->request.method;

    if (doc->takes_body)
        return method == REQUEST_METHOD_POST;
    return method == REQUEST_METHOD_GET || method == REQUEST_METHOD_HEAD;
}

bool http_api_route(struct http_conn *c)
{
    const struct http_doc *doc = doc_at(c->http, request_path(&c->request));

    if (!doc)
        return false;
    if (!method_fits(c, doc))
        http_conn_answer_status(c, 405,
                                doc->takes_body ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
    else if (c->request.query_cut)
        http_conn_answer_status(c, 414, headers);
    else if (!http_may_read(c))
        return true;
    else if (doc->secret && !http_may_see_senders(c))
        http_conn_answer_status(c, 403, headers);
    else
        begin(c, doc);
    return true;
}

/* Bodies are kept for the API alone. */
bool http_api_keeps_body(const struct request *r)
{
    return r->method == REQUEST_METHOD_POST && slice_starts(request_path(r), SLICE_LIT("/api/v1/"));
}
