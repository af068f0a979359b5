/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP routes: what is behind a path, and the small pages
 *
 * One table, first match serves. The telemetry path stands first: at "/" it takes the place of the
 * landing page, and of nothing else, for a server whose probes are hidden looks alive for ever.
 *
 * Methods are statsd_exporter's, since health probes and scripts in the field rely on them: health
 * and lifecycle paths answer 200 to any method, but say and do something only for those they are
 * meant for. Only the pages refuse (405): a POST there is somebody's mistake. Two answers are more
 * honest than the original's: /-/ready is 503 until it is true, and /-/reload tells failure.
 *
 * A reload takes a while and goes on aside. Who asked for it is answered when it is done, if he is
 * still there; many may wait for the same one.
 *
 * Laws: nothing of a request is ever echoed. An answer is small and made at once; the page that is
 *       not small has its own file.
 */
#include "server/http_conn.h"

#include "base/slice.h"

struct route {
    const char *path; /* NULL: the telemetry path */
    bool lifecycle;   /* there only if the operator enabled it; all that changes anything is */
    bool probe;       /* for everybody who reaches the port */
    void (*serve)(struct http_conn *c);
};

static bool is_read(const struct http_conn *c)
{
    return c->request.method == REQUEST_METHOD_GET || c->request.method == REQUEST_METHOD_HEAD;
}

static bool is_command(const struct http_conn *c)
{
    return c->request.method == REQUEST_METHOD_POST || c->request.method == REQUEST_METHOD_PUT;
}

static void answer_text(struct http_conn *c, unsigned status, struct slice text)
{
    http_conn_answer(c, &(struct http_answer){.status = status, .body = text});
}

static void answer_wrong_method(struct http_conn *c)
{
    http_conn_answer_status(c, 405, "Allow: GET, HEAD\r\n");
}

/* ---- the pages ---- */

static void serve_metrics(struct http_conn *c)
{
    if (!is_read(c))
        answer_wrong_method(c);
    else if (http_may_cost(c))
        http_page_begin(c);
}

static void serve_landing(struct http_conn *c)
{
    if (is_read(c))
        http_landing(c);
    else
        answer_wrong_method(c);
}

/* ---- health ---- */

static void serve_healthy(struct http_conn *c)
{
    answer_text(c, 200, is_read(c) ? SLICE_LIT("alive\n") : SLICE_LIT(""));
}

static void serve_ready(struct http_conn *c)
{
    const struct http_config *config = &c->http->config;

    if (!config->ready(config->ctx))
        answer_text(c, 503, is_read(c) ? SLICE_LIT("not ready\n") : SLICE_LIT(""));
    else
        answer_text(c, 200, is_read(c) ? SLICE_LIT("ready\n") : SLICE_LIT(""));
}

/* ---- lifecycle ---- */

static void serve_reload(struct http_conn *c)
{
    const struct http_config *config = &c->http->config;

    if (!is_command(c)) {
        answer_text(c, 200, SLICE_LIT(""));
        return;
    }
    c->reload = config->reload(config->ctx);
    if (c->reload == 0)
        answer_text(c, 200,
                    SLICE_LIT("nothing to reload: no --statsd.mapping-config and no "
                              "--web.config.file\n"));
}

static void answer_reload(struct http_conn *c, int r, struct slice message)
{
    struct buf text = {0};

    c->reload = 0;
    c->since_ms = http_now(c->http);
    if (r == 0) {
        answer_text(c, 200, SLICE_LIT("reloaded\n"));
        return;
    }
    buf_add_slice(&text, message);
    buf_add_byte(&text, '\n');
    answer_text(c, 500, buf_slice(&text));
    buf_release(&text);
}

void http_reload_done(struct http *h, uint64_t run, int r, struct slice message)
{
    struct http_conn *next;

    for (struct http_conn *c = h->conns; c; c = next) {
        next = c->next;
        if (c->reload != 0 && c->reload <= run)
            answer_reload(c, r, message);
    }
}

static void serve_quit(struct http_conn *c)
{
    if (!is_command(c)) {
        answer_text(c, 200, SLICE_LIT(""));
        return;
    }
    c->keep_alive = false;
    c->quits = true;
    answer_text(c, 200, SLICE_LIT("stopping\n"));
}

/* ---- what not everybody is told ---- */

static void serve_tap(struct http_conn *c)
{
    if (!is_read(c))
        answer_wrong_method(c);
    else if (!http_may_see_senders(c))
        http_conn_answer_status(c, 403, NULL);
    else if (http_may_read(c))
        http_tap_begin(c);
}

/* ---- the table ---- */

static const struct route routes[] = {
    {.path = NULL, .serve = serve_metrics},
    {.path = "/", .serve = serve_landing},
    {.path = "/-/healthy", .serve = serve_healthy, .probe = true},
    {.path = "/-/ready", .serve = serve_ready, .probe = true},
    {.path = "/api/v1/tap", .serve = serve_tap},
    {.path = "/-/reload", .serve = serve_reload, .lifecycle = true},
    {.path = "/-/quit", .serve = serve_quit, .lifecycle = true},
};

bool http_path_is_free(const char *path, bool lifecycle)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *r = &routes[i];

        if (r->path != NULL && r->serve != serve_landing && (lifecycle || !r->lifecycle) &&
            strcmp(r->path, path) == 0)
            return false;
    }
    return !slice_starts(slice_str(path), SLICE_LIT("/api/v1/"));
}

static const struct route *find_route(const struct http_conn *c)
{
    const struct http_config *config = &c->http->config;
    struct slice path = request_path(&c->request);

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *r = &routes[i];

        if (r->lifecycle && !config->enable_lifecycle)
            continue;
        if (!slice_eq_str(path, r->path ? r->path : config->telemetry_path))
            continue;
        return r;
    }
    return NULL;
}

/* Another process is the server: commands are for it, and so is what goes on without end. */
static bool is_too_late(const struct http_conn *c, const struct route *r)
{
    return c->http->retired && r != NULL &&
           ((r->lifecycle && is_command(c)) || r->serve == serve_tap);
}

static void serve(struct http_conn *c, const struct route *r)
{
    if (is_too_late(c, r))
        http_conn_answer_status(c, 503, "Retry-After: 1\r\n");
    else if (r == NULL && !http_api_route(c))
        http_conn_answer_status(c, 404, NULL);
    else if (r != NULL && (!r->lifecycle || !is_command(c) || http_may_change(c)))
        r->serve(c);
}

void http_admitted(struct http_conn *c)
{
    serve(c, find_route(c));
}

void http_route(struct http_conn *c)
{
    const struct route *r = find_route(c);

    if ((r != NULL && r->probe) || (http_within_rate(c) && http_may_enter(c)))
        serve(c, r);
}
