/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request: bytes in, one HTTP request or an error out
 *
 * llhttp knows the grammar; this file decides what of it is kept and what is refused. llhttp sees
 * one request at a time: it is paused at the end of a request and initialised for the next, so
 * nothing of one request can colour another.
 *
 *      head --------------------------------> body ------------------> done
 *      at most max.head bytes, else 431       at most max.body, else 413
 *
 * Laws: - Bounded: every byte counts towards one of the two limits, so a request ends. What is
 *         kept has fixed room; a path or header that does not fit is refused (414, 431), never
 *         used.
 *       - The verdict on a head falls when it is complete, so that it does not depend on how the
 *         bytes were cut; and before the body is read: one announced as too long is not awaited.
 *       - Stricter than llhttp where two readers might see different requests: HTTP/1.1 needs
 *         exactly one Host, HTTP/1.0 cannot be chunked, there is no other version, nobody comes
 *         with two passwords, and a header is one line (RFC 9112, 5.2).
 *       - Offers to change the protocol are ignored, as a server may: the request ends where it is
 *         whole, and is answered.
 */
#include "server/request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum header {
    HEADER_OTHER,
    HEADER_HOST,
    HEADER_ORIGIN,
    HEADER_ACCEPT,
    HEADER_ACCEPT_ENCODING,
    HEADER_EXPECT,
    HEADER_AUTHORIZATION,
    HEADER_FORWARDED,
    HEADER_FETCH_SITE,
    HEADER_FETCH_MODE,
    HEADER_FETCH_DEST,
};

static const struct {
    const char *name;
    enum header header;
} headers[] = {
    {"host", HEADER_HOST},
    {"origin", HEADER_ORIGIN},
    {"accept", HEADER_ACCEPT},
    {"accept-encoding", HEADER_ACCEPT_ENCODING},
    {"expect", HEADER_EXPECT},
    {"authorization", HEADER_AUTHORIZATION},
    {"forwarded", HEADER_FORWARDED},
    {"x-real-ip", HEADER_FORWARDED},
    {"via", HEADER_FORWARDED},
    {"x-client-ip", HEADER_FORWARDED},
    {"true-client-ip", HEADER_FORWARDED},
    {"cf-connecting-ip", HEADER_FORWARDED},
    {"sec-fetch-site", HEADER_FETCH_SITE},
    {"sec-fetch-mode", HEADER_FETCH_MODE},
    {"sec-fetch-dest", HEADER_FETCH_DEST},
};

/* Begins whatever else proxies say of whom they speak for: -for, -host, -proto, -port, ... */
#define FORWARDED_PREFIX "x-forwarded"

/* Note the first reason to refuse; it is spoken when the head is complete. */
static void refuse(struct request *r, unsigned status)
{
    if (!r->refusal)
        r->refusal = status;
}

/* ---- the request line ---- */

static void query_add(struct request *r, char c)
{
    if (c == '#')
        r->query_ended = true;
    else if (r->query_len == sizeof r->query)
        r->query_cut = true;
    else
        r->query[r->query_len++] = c;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct request *r = parser->data;

    for (size_t i = 0; i < len && !r->query_ended; i++) {
        if (r->path_ended) {
            query_add(r, at[i]);
        } else if (at[i] == '?' || at[i] == '#') {
            r->path_ended = true;
            r->query_ended = at[i] == '#';
        } else if (r->path_len == r->max.path) {
            refuse(r, 414);
            r->path_ended = true;
        } else {
            r->path[r->path_len++] = at[i];
        }
    }
    return 0;
}

static enum request_method method_of(const llhttp_t *parser)
{
    switch (parser->method) {
    case HTTP_GET:
        return REQUEST_METHOD_GET;
    case HTTP_HEAD:
        return REQUEST_METHOD_HEAD;
    case HTTP_POST:
        return REQUEST_METHOD_POST;
    case HTTP_PUT:
        return REQUEST_METHOD_PUT;
    default:
        return REQUEST_METHOD_OTHER;
    }
}

/* ---- headers ---- */

/* Where the value of a header goes. */
struct room {
    char *bytes; /* NULL: nowhere */
    size_t *len;
    size_t size;
};

static struct room room_of(struct request *r, enum header header)
{
    switch (header) {
    case HEADER_HOST:
        return (struct room){r->host.bytes, &r->host.len, sizeof r->host.bytes};
    case HEADER_ORIGIN:
        return (struct room){r->origin.bytes, &r->origin.len, sizeof r->origin.bytes};
    case HEADER_AUTHORIZATION:
        return (struct room){r->authorization.bytes, &r->authorization.len,
                             sizeof r->authorization.bytes};
    case HEADER_ACCEPT:
        return (struct room){r->accept.bytes, &r->accept.len, sizeof r->accept.bytes};
    case HEADER_ACCEPT_ENCODING:
        return (struct room){r->accept_encoding.bytes, &r->accept_encoding.len,
                             sizeof r->accept_encoding.bytes};
    default:
        return (struct room){NULL, NULL, 0};
    }
}

static void value_add(struct request *r, const struct room *room, const char *p, size_t len)
{
    if (len > room->size - *room->len) {
        refuse(r, 431);
        return;
    }
    memcpy(room->bytes + *room->len, p, len);
    *room->len += len;
}

/* A list may be spread over several lines of one name: to be read as if joined by commas. */
static void value_begin(struct request *r, const struct room *room)
{
    if (room->bytes && *room->len)
        value_add(r, room, ", ", 2);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct request *r = parser->data;

    for (size_t i = 0; i < len && r->name_len <= sizeof r->name; i++) {
        if (r->name_len < sizeof r->name)
            r->name[r->name_len] = at[i];
        r->name_len++;
    }
    return 0;
}

/* Of a long name @len counts more bytes than are kept. */
static enum header header_named(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        if (strlen(headers[i].name) == len && strncasecmp(headers[i].name, name, len) == 0)
            return headers[i].header;
    }
    if (len >= strlen(FORWARDED_PREFIX) &&
        strncasecmp(name, FORWARDED_PREFIX, strlen(FORWARDED_PREFIX)) == 0)
        return HEADER_FORWARDED;
    return HEADER_OTHER;
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct request *r = parser->data;
    struct room room;

    if (r->name_len == 0)
        refuse(r, 400); /* llhttp lets ": value" pass */
    /* Trailers come here too; they are thrown away with the body. */
    r->header = r->in_head ? header_named(r->name, r->name_len) : HEADER_OTHER;
    r->name_len = 0;
    r->n_hosts += r->header == HEADER_HOST;
    r->n_expects += r->header == HEADER_EXPECT;
    r->n_authorizations += r->header == HEADER_AUTHORIZATION;
    if (r->n_authorizations > 1)
        refuse(r, 400);
    r->has_origin |= r->header == HEADER_ORIGIN;
    r->forwarded |= r->header == HEADER_FORWARDED;
    room = room_of(r, (enum header)r->header);
    value_begin(r, &room);
    return 0;
}

static struct request_word *word_of(struct request *r, enum header header)
{
    switch (header) {
    case HEADER_EXPECT:
        return &r->expect;
    case HEADER_FETCH_SITE:
        return &r->fetch_site;
    case HEADER_FETCH_MODE:
        return &r->fetch_mode;
    case HEADER_FETCH_DEST:
        return &r->fetch_dest;
    default:
        return NULL;
    }
}

static void word_add(struct request_word *word, const char *p, size_t len)
{
    size_t room = sizeof word->bytes - word->len;

    memcpy(word->bytes + word->len, p, len < room ? len : room);
    word->len += len < room ? len : room;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct request *r = parser->data;
    struct room room = room_of(r, (enum header)r->header);
    struct request_word *word = word_of(r, (enum header)r->header);

    if (room.bytes)
        value_add(r, &room, at, len);
    else if (word)
        word_add(word, at, len);
    return 0;
}

/* ---- the verdict ---- */

/*
 * Cut scheme and authority off an absolute target (http://host/path); the authority counts, and a
 * Host header beside it does not. False: no target of ours.
 */
static bool path_settle(struct request *r)
{
    struct slice path = {r->path, r->path_len};
    size_t colon = slice_find(path, ':');
    struct slice rest;
    struct room host = room_of(r, HEADER_HOST);
    size_t slash;

    if (path.len && (path.p[0] == '/' || slice_eq_str(path, "*")))
        return true;
    if (path.len < colon + 3 || memcmp(path.p + colon, "://", 3) != 0)
        return false;
    rest = slice_from(path, colon + 3);
    slash = slice_find(rest, '/');
    r->host.len = 0;
    value_add(r, &host, rest.p, slash);
    rest = slash < rest.len ? slice_from(rest, slash) : SLICE_LIT("/");
    memmove(r->path, rest.p, rest.len);
    r->path_len = rest.len;
    return true;
}

/* llhttp leaves the blanks behind a value, here and below. */
static bool expects_continue(const struct request *r)
{
    struct slice word = slice_trim_blanks(slice_of(r->expect.bytes, r->expect.len));
    struct slice wanted = SLICE_LIT("100-continue");

    return r->n_expects == 1 && word.len == wanted.len &&
           strncasecmp(word.p, wanted.p, word.len) == 0;
}

static unsigned verdict(struct request *r)
{
    bool encoded = r->parser.flags & F_TRANSFER_ENCODING;

    if (r->parser.http_major != 1)
        return 505;
    if (r->refusal)
        return r->refusal;
    if (!path_settle(r) || r->n_hosts > 1 || (r->http11 && r->n_hosts == 0))
        return 400;
    if (r->refusal) /* the target's authority */
        return r->refusal;
    if (encoded && !r->http11)
        return 400;
    /* HTTP/1.0 has no Expect: it is ignored there. */
    if (r->http11 && r->n_expects && !expects_continue(r))
        return 417;
    r->body_kept = r->body && r->keeps_body && r->keeps_body(r);
    if (r->parser.content_length > r->max.body ||
        (r->body_kept && r->parser.content_length > REQUEST_KEPT_MAX))
        return 413;
    r->expect_continue = r->http11 && r->n_expects && (encoded || r->parser.content_length);
    return 0;
}

/* Pausing here tells where the head ends, so that each byte counts in its own part. */
static int on_headers_complete(llhttp_t *parser)
{
    struct request *r = parser->data;

    r->in_head = false;
    r->method = method_of(parser);
    r->http11 = parser->http_major == 1 && parser->http_minor == 1;
    r->status = verdict(r);
    return r->status ? HPE_USER : HPE_PAUSED;
}

/* Without memory the buffer keeps its failure, which whoever uses it looks at. */
static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct request *r = parser->data;

    if (!r->body_kept)
        return 0;
    if (len > REQUEST_KEPT_MAX - r->body->len) {
        r->status = 413;
        return HPE_USER;
    }
    buf_add(r->body, at, len);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct request *r = parser->data;

    r->keep_alive = llhttp_should_keep_alive(parser);
    r->done = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- reading ---- */

void request_init(struct request *r)
{
    /* The arrays are not cleared: their lengths say what of them is meant. */
    memset(r, 0, offsetof(struct request, accept));
    r->accept.len = 0;
    r->accept_encoding.len = 0;
    r->host.len = 0;
    r->origin.len = 0;
    r->authorization.len = 0;
    r->in_head = true;
    r->max = (struct request_limits){REQUEST_HEAD_MAX, REQUEST_PATH_MAX, REQUEST_BODY_MAX};
    llhttp_init(&r->parser, HTTP_REQUEST, &settings);
    r->parser.data = r;
}

/* A line that begins with a blank goes on with the header before it. llhttp joins the two, and
 * whoever stands between us and the client may see two headers. */
static void look_for_folds(struct request *r, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        r->folded |= r->after_lf && (p[i] == ' ' || p[i] == '\t');
        r->after_lf = p[i] == '\n';
    }
}

/* Feed @len bytes, known to be within the limit of the part that is being read. */
static enum request_outcome step(struct request *r, const char *p, size_t len, size_t *taken)
{
    bool was_in_head = r->in_head;
    size_t *n_part = was_in_head ? &r->n_head : &r->n_body;
    llhttp_errno_t error = llhttp_execute(&r->parser, p, len);

    *taken = error == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(&r->parser) - p) : len;
    *n_part += *taken;
    if (was_in_head)
        look_for_folds(r, p, *taken);
    if (error == HPE_OK)
        return REQUEST_MORE;
    if (error == HPE_PAUSED && was_in_head && r->folded) {
        r->status = 400;
        return REQUEST_BAD;
    }
    if (error == HPE_PAUSED)
        return r->done ? REQUEST_DONE : REQUEST_MORE;
    if (!r->status)
        r->status = error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
    return REQUEST_BAD;
}

enum request_outcome request_feed(struct request *r, struct slice in, size_t *used)
{
    enum request_outcome outcome = REQUEST_MORE;
    bool paused = false;

    assert(!r->done && !r->status);
    *used = 0;
    /* After the pause at the head's end llhttp has to run once more, be there bytes left or not. */
    while (outcome == REQUEST_MORE && (*used < in.len || paused)) {
        size_t room = r->in_head ? r->max.head - r->n_head : r->max.body - r->n_body;
        size_t len = in.len - *used;
        size_t taken;

        if (len && room == 0) {
            r->status = r->in_head ? 431 : 413;
            outcome = REQUEST_BAD;
            break;
        }
        llhttp_resume(&r->parser);
        outcome = step(r, in.p + *used, len < room ? len : room, &taken);
        paused = llhttp_get_errno(&r->parser) == HPE_PAUSED;
        *used += taken;
    }
    if (outcome == REQUEST_BAD)
        *used = in.len; /* what follows cannot be told apart from it */
    return outcome;
}

bool request_started(const struct request *r)
{
    return r->n_head > 0;
}

bool request_wants_continue(const struct request *r)
{
    return !r->in_head && r->expect_continue && r->n_body == 0;
}

struct slice request_path(const struct request *r)
{
    return slice_of(r->path, r->path_len);
}

struct slice request_query(const struct request *r)
{
    return slice_of(r->query, r->query_len);
}

struct slice request_host(const struct request *r)
{
    return slice_trim_blanks(slice_of(r->host.bytes, r->host.len));
}

struct slice request_origin(const struct request *r)
{
    return slice_trim_blanks(slice_of(r->origin.bytes, r->origin.len));
}

struct slice request_authorization(const struct request *r)
{
    return slice_trim_blanks(slice_of(r->authorization.bytes, r->authorization.len));
}

static bool word_is(const struct request_word *word, const char *known)
{
    return slice_eq_str(slice_trim_blanks(slice_of(word->bytes, word->len)), known);
}

bool request_is_for_another_page(const struct request *r)
{
    if (r->fetch_site.len == 0 || word_is(&r->fetch_site, "same-origin") ||
        word_is(&r->fetch_site, "none"))
        return false;
    return !word_is(&r->fetch_mode, "navigate") || !word_is(&r->fetch_dest, "document");
}

struct slice request_accept(const struct request *r)
{
    return slice_of(r->accept.bytes, r->accept.len);
}

struct slice request_accept_encoding(const struct request *r)
{
    return slice_of(r->accept_encoding.bytes, r->accept_encoding.len);
}
