/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP page: the metrics, slice by slice
 *
 *      turn: scrape(), first slice --> headers, slice --written--> turn: next slice --> ... last
 *              |         |                `-- all of it: Content-Length; else chunked or, for
 *              |         |                    HTTP/1.0, until the connection closes
 *              |         `-- fails: 500
 *              `-- cannot begin: 503
 *
 * A slice is some 64 KiB of text, about a millisecond of work with compression. The next is made
 * when the last one is written and this connection has its turn: the loop goes round between two
 * slices even when the socket takes everything at once.
 *
 * Laws: - A connection holds one slice as text and, compressed, once more; whatever the page's
 *         size and the client's speed.
 *       - The scrape is given back as soon as its last byte is made, and HTTP_SCRAPE_MAX_MS after
 *         its beginning at the latest: until then what it may still show is kept in memory.
 *       - What fails after the headers are out ends in RST, never in a page that looks whole.
 *       - HEAD does all of it up to the first slice, and so has the headers that GET has.
 *       - Each page is counted once, when it ends: as 200 also if the client left before; as 500
 *         if the fault was ours.
 */
#include "server/http_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "server/gzip.h"

#define SLICE_SIZE (64 * 1024)

enum code { CODE_200, CODE_500, CODE_503 };

struct http_page {
    struct bacowr_scrape *scrape; /* owned; NULL once all is made */
    const struct bacowr_format *format;
    struct gzip *gzip; /* owned; NULL: plain */
    struct buf text;   /* the slice, as it is on the page */
    struct buf packed; /* the slice, compressed */
    bool chunked;
    enum code code;
    uint64_t begun_ns;
    uint64_t n_text; /* bytes made, before compression */
};

/* ---- making ---- */

static void scrape_release(struct http *h, struct http_page *page)
{
    if (!page->scrape)
        return;
    if (h->config.scrape_done)
        h->config.scrape_done(h->config.ctx, page->scrape);
    else
        bacowr_scrape_free(page->scrape);
    page->scrape = NULL;
}

static void note_made(struct http_stats *stats, const struct http_page *page)
{
    stats->last_scrape_seconds = (double)(uv_hrtime() - page->begun_ns) / 1e9;
    stats->last_scrape_at_ms = (int64_t)(uv_hrtime() / 1000000);
    stats->scrape_seconds += stats->last_scrape_seconds;
    stats->last_scrape_bytes = page->n_text;
}

/* Make the next slice; the scrape is released with the last. 0 or -ENOMEM. */
static int make_slice(struct http *h, struct http_page *page)
{
    bool more;
    int r;

    buf_clear(&page->text);
    r = bacowr_scrape_next(page->scrape, &page->text, SLICE_SIZE);
    if (r < 0 || page->text.failed)
        return -ENOMEM;
    more = r > 0;
    assert(!more || page->text.len > 0);
    page->n_text += page->text.len;
    if (page->gzip) {
        buf_clear(&page->packed);
        r = gzip_add(page->gzip, buf_slice(&page->text), !more, &page->packed);
        if (r < 0)
            return r;
    }
    if (!more) {
        note_made(&h->stats, page);
        scrape_release(h, page);
    }
    return 0;
}

static const struct buf *slice_of_page(const struct http_page *page)
{
    return page->gzip ? &page->packed : &page->text;
}

/* ---- sending ---- */

static void on_slice_written(struct http_conn *c);

/* Write what is in c->head and then the slice. */
static void send_slice(struct http_conn *c)
{
    struct http_page *page = c->page;
    const struct buf *slice = slice_of_page(page);
    const char *tail = page->scrape ? "\r\n" : "\r\n0\r\n\r\n";
    uv_buf_t bufs[3];
    unsigned n = 0;

    if (page->chunked && slice->len)
        buf_addf(&c->head, "%zx\r\n", slice->len);
    else if (page->chunked)
        tail = "0\r\n\r\n";
    if (c->head.len)
        bufs[n++] = uv_buf_init(c->head.p, (unsigned)c->head.len);
    if (slice->len)
        bufs[n++] = uv_buf_init(slice->p, (unsigned)slice->len);
    if (page->chunked)
        bufs[n++] = uv_buf_init((char *)tail, (unsigned)strlen(tail)); /* only read */
    if (n)
        http_conn_write(c, bufs, n, on_slice_written);
    else
        on_slice_written(c); /* HTTP/1.0, and the last slice is empty */
}

static void send_next(struct http_conn *c)
{
    if (make_slice(c->http, c->page) < 0) {
        c->page->code = CODE_500;
        http_conn_end(c, true);
        return;
    }
    buf_clear(&c->head);
    send_slice(c);
}

static void on_slice_written(struct http_conn *c)
{
    struct http_page *page = c->page;

    c->http->stats.scrape_bytes += slice_of_page(page)->len;
    if (page->scrape) {
        http_turn_ask(c, send_next);
        return;
    }
    http_page_end(c);
    http_conn_done(c);
}

static void on_head_written(struct http_conn *c)
{
    http_page_end(c);
    http_conn_done(c);
}

/* The headers, and the first slice if it is asked for. */
static void send_first(struct http_conn *c, const char *type)
{
    struct http_page *page = c->page;
    bool whole = !page->scrape;

    page->chunked = !whole && c->request.http11;
    if (!whole && !page->chunked)
        c->keep_alive = false;
    http_conn_head(c, 200, type);
    buf_add_str(&c->head, "Vary: Accept, Accept-Encoding\r\n");
    if (page->gzip)
        buf_add_str(&c->head, "Content-Encoding: gzip\r\n");
    if (page->chunked)
        buf_add_str(&c->head, "Transfer-Encoding: chunked\r\n");
    else if (whole)
        buf_addf(&c->head, "Content-Length: %zu\r\n", slice_of_page(page)->len);
    buf_add_str(&c->head, "\r\n");
    if (c->request.method == REQUEST_METHOD_HEAD) {
        uv_buf_t buf = uv_buf_init(c->head.p, (unsigned)c->head.len);

        http_conn_write(c, &buf, 1, on_head_written);
    } else {
        send_slice(c);
    }
}

/* ---- beginning and end ---- */

static struct http_page *page_new(struct http *h, struct slice accept)
{
    struct http_page *page = calloc(1, sizeof *page);

    if (!page)
        return NULL;
    page->begun_ns = uv_hrtime();
    if (h->config.scrape(h->config.ctx, accept, &page->format, &page->scrape) < 0) {
        free(page);
        return NULL;
    }
    return page;
}

static void begin(struct http_conn *c)
{
    struct http *h = c->http;

    h->stats.scrapes_in_flight++; /* the page shows itself */
    c->page = page_new(h, request_accept(&c->request));
    if (!c->page) {
        h->stats.scrapes_in_flight--;
        h->stats.scrapes_by_code[CODE_503]++;
        http_conn_answer_status(c, 503, NULL);
        return;
    }
    c->cut_ms = http_now(h) + HTTP_SCRAPE_MAX_MS;
    http_watch(h, c->cut_ms);
    /* Without memory for a compressor the page goes out plain. */
    if (gzip_wanted(request_accept_encoding(&c->request)))
        gzip_new(&c->page->gzip);
    if (make_slice(h, c->page) < 0) {
        c->page->code = CODE_500;
        http_page_end(c);
        http_conn_answer_status(c, 500, NULL);
        return;
    }
    send_first(c, bacowr_content_type(c->page->format));
}

void http_page_begin(struct http_conn *c)
{
    http_turn_ask(c, begin);
}

void http_page_end(struct http_conn *c)
{
    struct http *h = c->http;
    struct http_page *page = c->page;

    if (!page)
        return;
    scrape_release(h, page);
    h->stats.scrapes_by_code[page->code]++;
    h->stats.scrapes_in_flight--;
    gzip_free(page->gzip);
    buf_release(&page->text);
    buf_release(&page->packed);
    free(page);
    c->page = NULL;
    c->cut_ms = INT64_MAX;
}
