/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roff: pieces of a manual page
 *
 * Contract: appends to a buffer, whose sticky failure is looked at once at the end. Text comes out
 * of man as it went in, whatever it has of ASCII: dashes and quotes can be copied, a line that
 * begins with a dot is no request. Blanks and line ends only part words, but in examples.
 *
 * In prose, what stands between two backticks is to be written as it stands there, and is bold.
 * Plain text knows no marks.
 */
#ifndef BASE_ROFF_H
#define BASE_ROFF_H

#include "base/buf.h"

struct roff {
    struct buf *out; /* borrowed */
    bool headed;     /* a head stands right before, which parts paragraphs by itself */
};

void roff_head(struct roff *r, const char *text);
void roff_subhead(struct roff *r, const char *text);

/* A paragraph; one that is indented as that of an item, under which it stands. */
void roff_paragraph(struct roff *r, const char *prose);
void roff_indented(struct roff *r, const char *prose);

/* A paragraph of plain text under a tag of plain text. */
void roff_item(struct roff *r, const char *tag, const char *text);

/* Lines as they stand, each ended by an LF. */
void roff_example(struct roff *r, const char *lines);

/* ---- pages ---- */

enum roff_kind {
    ROFF_END,
    ROFF_HEAD,
    ROFF_SUBHEAD,
    ROFF_TEXT, /* prose */
    ROFF_ITEM, /* prose under a tag */
    ROFF_LINES,
};

struct roff_part {
    enum roff_kind kind;
    const char *text;
    const char *tag; /* of an item */
};

/* "NAME(section)". A row with ROFF_END ends its parts. */
struct roff_page {
    const char *name;
    unsigned section;
    const char *date; /* the prose's, not the build's, so that builds can be repeated */
    const char *program;
    const struct roff_part *before;
    void (*tables)(struct roff *r); /* what is told by other tables */
    const struct roff_part *after;
};

/* Append @page to @out. @version: the program's. 0 or -ENOMEM. */
int roff_page(struct buf *out, const struct roff_page *page, const char *version);

#endif
