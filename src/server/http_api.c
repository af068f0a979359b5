/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP API: documents in JSON, made in turns
 *
 *      request --foreign page?--> 403
 *              --turn: step(), step(), ...--> all made --> answered as one
 *                `-- fails: 503, or 400 for what was asked wrong
 *
 * What is behind a path is told by a table of documents (http.h), so that this file knows
 * connections and nothing of what is told. A document that takes long is made in steps, one a turn
 * of the loop, so scrapes and probes are answered in between; a connection that ends meanwhile ends
 * it.
 *
 * Laws: a page of another site gets nothing, nor does one that a foreign name led to this machine
 *       (http_guard.c); an answer is for no cache and for no other site. Documents read, and change
 *       nothing.
 */
#include "server/http_conn.h"

#include <errno.h>
#include <stdlib.h>

struct http_api_job {
    const struct http_doc *doc;
    struct http_ask ask; /* points into the connection */
    void *state;         /* the document's own */
    struct buf out;
};

static const char headers[] = "Cache-Control: no-store\r\n"
                              "Cross-Origin-Resource-Policy: same-origin\r\n";

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
}

static void answer(struct http_conn *c, int r)
{
    struct http_api_job *job = c->api_job;

    if (r == 0 && !job->out.failed)
        http_conn_answer(c, &(struct http_answer){
                                .status = 200,
                                .type = "application/json",
                                .headers = headers,
                                .body = buf_slice(&job->out),
                            });
    else
        http_conn_answer_status(c, r == -EINVAL ? 400 : 503, headers);
    http_api_end(c);
}

static void work(struct http_conn *c)
{
    struct http_api_job *job = c->api_job;
    int r = job->doc->step(c->http->config.ctx, &job->ask, &job->state, &job->out);

    if (r > 0)
        http_turn_ask(c, work);
    else
        answer(c, r);
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
