/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State file, its bytes: written aside and put in place whole; read, marked, set aside
 *
 *      bacowr-statsd state clean LF | the stream of bacowr/aggregator.h
 *
 * The word says what the file is good for: `clean`, the counts of a process that ended in order;
 * `alive`, what a process wrote while it went on; `taken`, a clean one that was taken up.
 *
 * Contract: no libuv, no engine. One file is written at a time; any thread may.
 */
#ifndef SERVER_STATE_IO_H
#define SERVER_STATE_IO_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where it is. */
struct state_place {
    int dir;                 /* owned: the directory, open */
    char name[NAME_MAX + 1]; /* in it */
};

/* 0; a negative errno: the directory cannot be opened, or the path names no file. */
int state_place_open(struct state_place *p, const char *path);
void state_place_close(struct state_place *p); /* accepts one with dir -1 */

/* May files be made in the directory, as far as can be told without making one? 0 or a negative
 * errno. */
int state_place_check(const struct state_place *p);

/* ---- writing ---- */

struct state_writer {
    const struct state_place *place; /* borrowed */
    int fd;                          /* -1: none is open */
    uint64_t size;
};

/* Each 0 or a negative errno; after a failure the writer is to be dropped. */
int state_writer_open(struct state_writer *w, const struct state_place *place, bool clean);
int state_writer_add(struct state_writer *w, const void *p, size_t n);

/* To the disk, and then in the place of the file that was there. It is closed. */
int state_writer_commit(struct state_writer *w);
void state_writer_drop(struct state_writer *w); /* away with it; accepts one that is not open */

/* ---- reading ---- */

enum state_word { STATE_WORD_CLEAN, STATE_WORD_ALIVE, STATE_WORD_TAKEN, STATE_WORD_NONE };

struct state_reader {
    int fd;            /* owned; -1: none is open */
    bool can_mark;     /* it may be written to */
    int64_t stream_at; /* where the stream begins */
};

/*
 * Open the file and read its word, STATE_WORD_NONE if it begins in another way. 0; -ENOENT;
 * another negative errno.
 */
int state_reader_open(struct state_reader *r, const struct state_place *place,
                      enum state_word *word);

/* The next bytes of the stream at @at: how many, 0 at its end, or a negative errno. */
int64_t state_reader_next(const struct state_reader *r, int64_t at, void *p, size_t n);

/* Put another word into the file, on the disk when this returns 0; else a negative errno. */
int state_reader_mark(const struct state_reader *r, enum state_word word);
void state_reader_close(struct state_reader *r);

/* Rename the file to its name and @suffix, in place of what has that name. 0 or a negative
 * errno. */
int state_set_aside(const struct state_place *place, const char *suffix);

#endif
