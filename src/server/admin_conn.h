/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin connections: what their files share
 *
 *      admin.c          who comes in
 *      admin_conn.c     bytes and time
 *      admin_command.c  words
 */
#ifndef SERVER_ADMIN_CONN_H
#define SERVER_ADMIN_CONN_H

#include <sys/queue.h>
#include <uv.h>

#include "bacowr/values.h"
#include "base/buf.h"
#include "base/slice.h"
#include "conf/options.h"
#include "server/admin.h"
#include "server/admin_inspect.h"

/* Room for a command with all its words, and its end. */
#define ADMIN_LINE_MAX OPTIONS_MAX_ADMIN_LINE

struct admin_conn;
TAILQ_HEAD(admin_conns, admin_conn);

struct admin_listener;

struct admin {
    struct server *server; /* borrowed */
    struct admin_listener *listeners;
    bool held;
    bool closing;
    unsigned n_handles; /* whose close callbacks are still to come */

    struct admin_conns conns;
    struct admin_conns waiting; /* for a turn of the loop, each for a slice of its answer */
    uv_idle_t turn;
    struct admin_stats stats;

    /* When did lines come in last? */
    uint64_t n_lines;
    int64_t last_line_ms;
};

struct admin_conn {
    struct admin *admin; /* owner; outlives its connections */
    TAILQ_ENTRY(admin_conn) link;
    TAILQ_ENTRY(admin_conn) next_turn; /* of admin->waiting, if it waits */
    bool waiting;
    bool writing;
    bool eof;      /* the peer has no more to say */
    bool ending;   /* with what is to be written */
    bool waited;   /* what has come is a line, though it has no LF */
    bool answered; /* something of what was read last was a command */
    bool closed;
    unsigned n_handles;
    int64_t heard_ms;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;

    size_t n_in;
    char in[ADMIN_LINE_MAX];   /* read, not taken yet */
    char text[ADMIN_LINE_MAX]; /* of the command under way */
    struct slice words;        /* of it, still to be looked at */
    struct buf out;

    /* An answer of many parts: what comes next, or NULL. */
    bool (*more)(struct admin_conn *c);
    enum bacowr_values_kind kind;
    struct bacowr_values *values; /* owned */
    struct inspect object;
    struct slice word; /* to be deleted */
    struct slice name, labels;
    bool prefix; /* all whose names begin so */
    bool found;
    char escaped[2 * ADMIN_LINE_MAX + 1];
};

/* ---- admin.c ---- */

/* One of the handles that keep @a is closed. */
void admin_handle_closed(struct admin *a);

/* ---- admin_conn.c ---- */

/* A connection on @fd, which is taken, also on failure. 0 or a negative errno. */
int admin_conn_open(struct admin *a, int fd);

/* The end of @c; its memory follows when its handles are closed. Twice is once. */
void admin_conn_close(struct admin_conn *c);

/* Do whatever can be done now. */
void admin_conn_advance(struct admin_conn *c);

/* Is an answer made or written? */
bool admin_conn_is_busy(const struct admin_conn *c);

/* ---- admin_command.c ---- */

/* Take @line, without white space around it: what is to be answered goes to c->out; c->more if
 * there will be more of it; c->ending. */
void admin_command(struct admin_conn *c, struct slice line);

/* Release what an answer needed that goes on no more. */
void admin_command_end(struct admin_conn *c);

#endif
