/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP answers: status line, headers, and bodies that fit in memory
 *
 * Every answer, the metrics page's too, begins with what http_conn_head() writes. It says HTTP/1.1
 * whatever the request said, as the RFC wants it: the version is the server's. Date and type are
 * always there; "Connection" only where it differs from what the request's version implies.
 *
 * Laws: only constants and numbers go into a head, never a byte of the request, so a header cannot
 *       be forged. A failed allocation shows in c->head.failed and is looked at once, by
 *       http_conn_write(), which then ends the connection.
 */
#include "server/http_conn.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    assert(!"a status without a reason");
    return "Unknown";
}

static void add_date(struct buf *out)
{
    char text[64];
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        buf_addf(out, "Date: %s\r\n", text);
}

void http_conn_head(struct http_conn *c, unsigned status, const char *type)
{
    buf_clear(&c->head);
    buf_addf(&c->head, "HTTP/1.1 %u %s\r\n", status, reason_of(status));
    add_date(&c->head);
    buf_addf(&c->head, "Content-Type: %s\r\n", type ? type : "text/plain; charset=utf-8");
    buf_add_str(&c->head, "X-Content-Type-Options: nosniff\r\n");
    if (c->http->door && c->http->door->config->headers)
        buf_add_str(&c->head, c->http->door->config->headers);
    if (!c->keep_alive)
        buf_add_str(&c->head, "Connection: close\r\n");
    else if (!c->request.http11)
        buf_add_str(&c->head, "Connection: keep-alive\r\n");
}

void http_conn_answer(struct http_conn *c, const struct http_answer *answer)
{
    uv_buf_t buf;

    http_conn_head(c, answer->status, answer->type);
    if (answer->headers)
        buf_add_str(&c->head, answer->headers);
    buf_addf(&c->head, "Content-Length: %zu\r\n\r\n", answer->body.len);
    if (c->request.method != REQUEST_METHOD_HEAD)
        buf_add_slice(&c->head, answer->body);
    buf = uv_buf_init(c->head.p, (unsigned)c->head.len);
    http_conn_write(c, &buf, 1, http_conn_done);
}

void http_conn_answer_status(struct http_conn *c, unsigned status, const char *headers)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%u %s\n", status, reason_of(status));

    http_conn_answer(c, &(struct http_answer){
                            .status = status,
                            .headers = headers,
                            .body = slice_of(text, (size_t)n),
                        });
}
