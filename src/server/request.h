/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request: bytes in, one HTTP request or an error out
 *
 * Knows no sockets and no clock, allocates nothing; so it is tested and fuzzed bare. What it keeps
 * of a request are the method, the path and four headers; a body is read and thrown away.
 *
 * Contract: how the bytes are cut into calls never changes what is found. After REQUEST_DONE or
 * REQUEST_BAD nothing may be fed until request_init(). The slices in the struct point into it.
 */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <llhttp.h>

#include "base/slice.h"

#define REQUEST_HEAD_MAX  (16 * 1024) /* request line, headers and empty lines before them */
#define REQUEST_BODY_MAX  (64 * 1024) /* as it is on the wire: chunk sizes and trailers count */
#define REQUEST_PATH_MAX  2048
#define REQUEST_VALUE_MAX 2048 /* Accept and Accept-Encoding, each joined over its lines */

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

struct request {
    /* Whole after REQUEST_DONE. */
    enum request_method method;
    bool http11;          /* else HTTP/1.0 */
    bool keep_alive;      /* the client lets the connection live on */
    bool expect_continue; /* the client holds its body back until it is told to go on */
    unsigned status;      /* after REQUEST_BAD */

    /* The reader's own. */
    llhttp_t parser;
    bool in_head;
    bool done;
    size_t n_head; /* bytes taken so far */
    size_t n_body;
    unsigned refusal; /* a status found before the head is complete */
    bool path_ended;  /* the query began */
    size_t path_len;
    unsigned n_hosts;
    unsigned n_expects;
    int header; /* which one's value is being read: see request.c */
    size_t name_len;
    char name[16]; /* longer names are none of ours */
    size_t expect_len;
    char expect[16];
    struct request_value accept;
    struct request_value accept_encoding;
    char path[REQUEST_PATH_MAX];
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
struct slice request_accept(const struct request *r);
struct slice request_accept_encoding(const struct request *r);

#endif
