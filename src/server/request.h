/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request: bytes in, one HTTP request or an error out
 *
 * Knows no sockets and no clock; so it is tested and fuzzed bare. What it keeps of a request are
 * the method, the path, the query and a few headers. A body is read and thrown away, unless whoever
 * feeds it has room for it: nothing else is allocated.
 *
 * Contract: how the bytes are cut into calls never changes what is found. After REQUEST_DONE or
 * REQUEST_BAD nothing may be fed until request_init(). The slices in the struct point into it.
 */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <llhttp.h>

#include "base/buf.h"
#include "base/slice.h"

/* The first three are where nothing else is set. */
#define REQUEST_HEAD_MAX  (16 * 1024) /* request line, headers and empty lines before them */
#define REQUEST_BODY_MAX  (64 * 1024) /* as it is on the wire: chunk sizes and trailers count */
#define REQUEST_PATH_MAX  2048
#define REQUEST_QUERY_MAX 512         /* what is longer is cut, and marked */
#define REQUEST_VALUE_MAX 2048        /* Accept and Accept-Encoding, each joined over its lines */
#define REQUEST_PLACE_MAX 320         /* Host, Origin: a name of the DNS with scheme and port */
#define REQUEST_AUTH_MAX  1024        /* Authorization */
#define REQUEST_KEPT_MAX  (16 * 1024) /* a body that is kept */

/* What a request may have at most. */
struct request_limits {
    size_t head; /* bytes */
    size_t path; /* REQUEST_PATH_MAX at most */
    size_t body;
};

enum request_outcome {
    REQUEST_MORE, /* all bytes were taken, the request is not whole yet */
    REQUEST_DONE,
    REQUEST_BAD, /* `status` says why: 400, 413, 414, 417, 431, 505 */
};

enum request_method {
    REQUEST_METHOD_GET,
    REQUEST_METHOD_HEAD,
    REQUEST_METHOD_POST,
    REQUEST_METHOD_PUT,
    REQUEST_METHOD_OTHER,
};

struct request_value {
    size_t len;
    char bytes[REQUEST_VALUE_MAX];
};

struct request_place {
    size_t len;
    char bytes[REQUEST_PLACE_MAX];
};

struct request_secret {
    size_t len;
    char bytes[REQUEST_AUTH_MAX];
};

/* For headers of which some words are known: what is longer is cut, and is none of them. */
struct request_word {
    size_t len;
    char bytes[24];
};

struct request {
    /* Whole after REQUEST_DONE. */
    enum request_method method;
    bool http11;          /* else HTTP/1.0 */
    bool keep_alive;      /* the client lets the connection live on */
    bool expect_continue; /* the client holds its body back until it is told to go on */
    bool has_origin;      /* a page asks; see request_origin() */
    bool forwarded;       /* it says that somebody passed it on */
    bool query_cut;
    unsigned status; /* after REQUEST_BAD */

    /* May be set by who feeds it, after request_init(), which sets them to those above. */
    struct request_limits max;
    /* Likewise; NULL: no body is kept. */
    bool (*keeps_body)(const struct request *r); /* asked when the head is whole */
    struct buf *body;                            /* borrowed: a body that is kept goes here */

    /* The reader's own. */
    llhttp_t parser;
    bool in_head;
    bool done;
    size_t n_head; /* bytes taken so far */
    size_t n_body;
    unsigned refusal; /* a status found before the head is complete */
    bool path_ended;  /* the query began */
    bool query_ended; /* the fragment began */
    bool body_kept;
    size_t path_len;
    size_t query_len;
    unsigned n_hosts;
    unsigned n_expects;
    unsigned n_authorizations;
    bool after_lf; /* the last byte of the head so far was one */
    bool folded;   /* a line of it goes on in the next */
    int header;    /* which one's value is being read: see request.c */
    size_t name_len;
    char name[16]; /* longer names are none of ours */
    struct request_word expect;
    struct request_word fetch_site; /* whose page a browser asks for, */
    struct request_word fetch_mode; /* how, */
    struct request_word fetch_dest; /* and what it wants to make of it */
    struct request_value accept;
    struct request_value accept_encoding;
    struct request_place host;
    struct request_place origin;
    struct request_secret authorization;
    char path[REQUEST_PATH_MAX];
    char query[REQUEST_QUERY_MAX];
};

/* Ready for a first byte. May be called at any time. */
void request_init(struct request *r);

/* Read on. *@used is always written: how many bytes of @in belong to this request. */
enum request_outcome request_feed(struct request *r, struct slice in, size_t *used);

/* Has a byte of the request arrived? */
bool request_started(const struct request *r);

/* Does the client wait for a 100 before it sends its body? To be asked after REQUEST_MORE. */
bool request_wants_continue(const struct request *r);

/* The path without scheme, host and query; not decoded. */
struct slice request_path(const struct request *r);
struct slice request_query(const struct request *r);  /* without '?'; not decoded */
struct slice request_host(const struct request *r);   /* with its port; of the target if there */
struct slice request_origin(const struct request *r); /* empty also when there is none */
struct slice request_authorization(const struct request *r); /* likewise */

/*
 * Does a browser ask for a page of another origin, which is not shown as a page by itself then, as
 * one that somebody follows a link to is? Only if it says so (Sec-Fetch-Site): all of today do
 * where they trust the way, which is TLS or the same machine.
 */
bool request_is_for_another_page(const struct request *r);

struct slice request_accept(const struct request *r);
struct slice request_accept_encoding(const struct request *r);

#endif
