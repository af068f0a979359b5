/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RE2's parser: what re2.c (grammar) and re2_atom.c (literals, escapes, brackets) share
 *
 * Contract: for those two only. Functions that return int give 0 or -EINVAL with the fault
 * written; a failed allocation stays in the buffers and is looked for at the end.
 */
#ifndef MAPPING_RE2_PARSER_H
#define MAPPING_RE2_PARSER_H

#include "mapping/re2.h"

#define RE2_MAX_DEPTH 200

/* What a repeat would apply to. */
enum re2_atom {
    RE2_ATOM_NONE,      /* nothing: a branch begins */
    RE2_ATOM_LITERAL,   /* a code point */
    RE2_ATOM_ASSERTION, /* PCRE2 repeats it only in a group */
    RE2_ATOM_OTHER,
    RE2_ATOM_REPEATED,
};

struct re2_level {
    size_t open;      /* where its '(' stands */
    unsigned repeats; /* of the innermost thing inside, so far */
    uint64_t bytes;   /* out->bytes before it */
    bool branched;    /* it, or one around it, has come to a '|': nothing in it is in every match */
};

struct re2_parser {
    struct re2 *out;         /* the caller's */
    struct re2_fault *fault; /* the caller's */
    struct slice text;
    size_t at;
    enum re2_atom atom;
    size_t atom_at;        /* where it was read */
    size_t atom_out;       /* where it was written */
    size_t atom_literal;   /* length of out->literal before it */
    uint64_t atom_bytes;   /* out->bytes before it, or fewer */
    unsigned atom_repeats; /* of the innermost thing inside it */
    bool plain;            /* nothing but literals so far: out->literal grows */
    bool folded;           /* the flag i was met: letters may stand for others */
    size_t depth;
    struct re2_level levels[RE2_MAX_DEPTH + 1];
};

/* Refuse the text from @from up to @to. -EINVAL. */
int re2_refuse(struct re2_parser *p, size_t from, size_t to, const char *why);

bool re2_at_end(const struct re2_parser *p);
char re2_peek(const struct re2_parser *p, size_t n); /* the byte @n ahead, or NUL */
bool re2_is_digit(char c);
bool re2_is_alnum(char c);

/* Take one code point. The text is valid UTF-8 and does not end here. */
uint32_t re2_next_point(struct re2_parser *p);

/* What is written next is an atom that was read at @at. */
void re2_begin_atom(struct re2_parser *p, enum re2_atom atom, size_t at);
void re2_add_literal(struct re2_parser *p, uint32_t point, size_t at);

/* The parser stands at a backslash, outside brackets. */
int re2_add_escape(struct re2_parser *p);

/* The parser stands at a '['. */
int re2_add_brackets(struct re2_parser *p);

#endif
