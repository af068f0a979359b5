/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP landing: the status page
 *
 * One page, whose style and script stand in it; src/web has them as files. It shows what the API
 * tells and asks for nothing else. The server puts two things in: its version, and where the
 * metrics page is, so that links work without the script.
 *
 * Laws: the browser is told to run the page's own style and script, known by their hashes, to talk
 *       to this server only, and to show it in no other page. What is put in is escaped.
 */
#include "server/http_conn.h"

#include <string.h>

#include "server/web_page.h"

/* The operator's text in HTML, in an attribute or outside. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            buf_add_str(out, "&amp;");
            break;
        case '<':
            buf_add_str(out, "&lt;");
            break;
        case '>':
            buf_add_str(out, "&gt;");
            break;
        case '"':
            buf_add_str(out, "&quot;");
            break;
        default:
            buf_add_byte(out, *text);
        }
    }
}

static void add_value(struct buf *out, const struct http_config *config, struct slice name)
{
    if (slice_eq(name, SLICE_LIT("telemetry_path")))
        add_escaped(out, config->telemetry_path);
    else if (slice_eq(name, SLICE_LIT("version")))
        add_escaped(out, config->version ? config->version : "unknown");
}

static void add_page(struct buf *out, const struct http_config *config)
{
    const char *p = web_page, *end = web_page + web_page_len;
    const char *open, *close;

    while ((open = memmem(p, (size_t)(end - p), "{{", 2)) != NULL &&
           (close = memmem(open, (size_t)(end - open), "}}", 2)) != NULL) {
        buf_add(out, p, (size_t)(open - p));
        add_value(out, config, slice_of(open + 2, (size_t)(close - open - 2)));
        p = close + 2;
    }
    buf_add(out, p, (size_t)(end - p));
}

static void add_headers(struct buf *out)
{
    buf_addf(out,
             "Content-Security-Policy: default-src 'none'; style-src '%s'; script-src '%s'; "
             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
             web_page_style_hash, web_page_script_hash);
    buf_add_str(out, "Referrer-Policy: no-referrer\r\n"
                     "Cross-Origin-Opener-Policy: same-origin\r\n"
                     "Cross-Origin-Resource-Policy: same-origin\r\n"
                     "Cache-Control: no-cache\r\n");
    buf_add_byte(out, '\0');
}

void http_landing(struct http_conn *c)
{
    struct buf page = {0}, headers = {0};

    add_page(&page, &c->http->config);
    add_headers(&headers);
    if (page.failed || headers.failed)
        http_conn_answer_status(c, 503, NULL);
    else
        http_conn_answer(c, &(struct http_answer){
                                .status = 200,
                                .type = "text/html; charset=utf-8",
                                .headers = headers.p,
                                .body = buf_slice(&page),
                            });
    buf_release(&page);
    buf_release(&headers);
}
