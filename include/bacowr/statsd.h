/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StatsD: the wire in
 *
 * Turns the bytes of a datagram or of a stream's lines into samples. Usable alone: it needs no
 * other header of this project, allocates nothing, remembers nothing, reads no clock.
 *
 *      datagram --statsd_next_line--> line --statsd_split--> parts --statsd_next_sample--> sample
 *                                       \                                                   |
 *                                        `-statsd_scan (the short way, for plain lines) ----+
 *                                                                                           v
 *                                        statsd_identify(name, suffix) --> type, rate, labels
 *
 * A sample is three views into the line: the part before the first colon (`name`, tags written
 * into it included), the `value`, and the `suffix`: everything from the '|' after the value on.
 *
 *      app.latency[zone=eu]:320|ms|@0.1|#code:200
 *      `-------name-------' |  `-----suffix-----'
 *                          value
 *
 * Name and suffix say what is measured, the value how much; so (name, suffix) can be looked up in
 * a table and statsd_identify() is needed for a pair that was not met before.
 *
 * The grammar, the refusals and their order are statsd_exporter's, with these differences: sets
 * are accepted, `|c:ID` needs no tags, `e:` and `card:` sections (DogStatsD 1.5, 1.6) and fields of
 * versions to come (`word:...`) are ignored, a CR before LF is stripped. See
 * docs/statsd-exporter.md.
 */
#ifndef BACOWR_STATSD_H
#define BACOWR_STATSD_H

#include <stdbool.h>
#include <stdint.h>

#include "bacowr/slice.h"

enum statsd_type {
    STATSD_TYPE_COUNTER,      /* c */
    STATSD_TYPE_GAUGE,        /* g */
    STATSD_TYPE_TIMER,        /* ms: the value is in milliseconds */
    STATSD_TYPE_HISTOGRAM,    /* h */
    STATSD_TYPE_DISTRIBUTION, /* d */
    STATSD_TYPE_SET,          /* s: the value is text */
};
#define STATSD_N_TYPES 6

/* Why a line or a sample is refused. 0 is "it is not". */
enum statsd_reason {
    STATSD_OK,
    STATSD_E_LINE,        /* malformed_line: no colon, nothing before it, or not UTF-8 */
    STATSD_E_MIXED_TAGS,  /* mixed_tagging_styles: tags in the name and after |# */
    STATSD_E_PARTS,       /* not_enough_parts_after_colon */
    STATSD_E_PACKED_TYPE, /* invalid_extended_aggregate_type */
    STATSD_E_COMPONENT,   /* malformed_component */
    STATSD_E_VALUE,       /* malformed_value */
    STATSD_E_RATE,        /* invalid_sample_factor: also an unknown section */
    STATSD_E_CONTAINER,   /* malformed_container_id */
    STATSD_E_TYPE,        /* illegal_event: a type that is none of the six */
    STATSD_E_NAME,        /* empty_metric_name: nothing but tags before the colon */
    STATSD_E_EVENT,       /* dogstatsd_event: _e{...}, recognised and counted apart */
    STATSD_E_CHECK,       /* dogstatsd_service_check: _sc|... */
    STATSD_E_BAD_CHECK,   /* malformed_service_check: see statsd_check_to_gauge() */
};
#define STATSD_N_REASONS 14

/* The reason's label value, as in the comments above; "" for STATSD_OK. */
const char *statsd_reason_name(enum statsd_reason reason);

/* The type as it is written on the wire: "c", "g", "ms", "h", "d", "s". */
const char *statsd_type_name(enum statsd_type type);

/* What becomes of a tag that has a key and no value: `#key`, `,key`, `key=`. */
enum statsd_valueless {
    STATSD_VALUELESS_ERROR,  /* a tag error, and no label */
    STATSD_VALUELESS_TRUE,   /* a label with the value "true" */
    STATSD_VALUELESS_EMPTY,  /* a label with an empty value */
    STATSD_VALUELESS_IGNORE, /* no label, and not a word */
};

/* What becomes of a DogStatsD service check. */
enum statsd_checks {
    STATSD_CHECKS_COUNT, /* recognised, counted, left out */
    STATSD_CHECKS_GAUGE, /* a gauge: see statsd_check_to_gauge() */
};

/* What a sign before a gauge's value means. */
enum statsd_gauge_mode {
    STATSD_GAUGE_DELTA,    /* +n and -n change the value */
    STATSD_GAUGE_ABSOLUTE, /* the sign belongs to the number */
    STATSD_GAUGE_ETSY,     /* as delta, but where there is no number to change, it is set */
};

/* Tags of a `|#` section that go to exemplars: how many keys there may be, and how many bytes all
 * of a sample's keys and values may have (OpenMetrics' limit). */
#define STATSD_MAX_EXEMPLAR_TAGS  4
#define STATSD_MAX_EXEMPLAR_BYTES 128

/* Value, type and at most four sections: what statsd_exporter takes. */
#define STATSD_MAX_PIECES         6

/* How lines are read. A tag dialect that is off leaves its delimiters ordinary text. */
struct statsd_options {
    bool dogstatsd_tags; /* |#k:v,...      off: the section is accepted and ignored */
    bool influxdb_tags;  /* name,k=v,...   */
    bool librato_tags;   /* name#k=v,...   */
    bool signalfx_tags;  /* name[k=v,...]  */
    bool graphite_tags;  /* name;k=v;...   */

    bool container_id_label; /* |c:ID is a label; off: read, and no part of what is measured */
    enum statsd_valueless valueless_tags;
    uint64_t max_labels;       /* of a sample; 0: STATSD_MAX_LABELS, which is the most */
    uint64_t max_label_length; /* bytes of a value; 0: any. What is beyond either is a tag error */
    uint64_t max_pieces;       /* value, type and sections of a sample; 0: STATSD_MAX_PIECES */
    /* Label names, borrowed; NULL ends them. Tags that become these are no labels. */
    const char *exemplar_tags[STATSD_MAX_EXEMPLAR_TAGS];
};

/* All on but Graphite's; tags without a value are errors; no exemplars. */
struct statsd_options statsd_default_options(void);

/* ---- lines ---- */

struct statsd_cursor {
    struct slice rest;
    bool stream; /* nothing after the last LF is no line (in a datagram it is an empty one) */
    bool done;
};

/* Borrows @text. @stream: see struct statsd_cursor. */
struct statsd_cursor statsd_cursor(struct slice text, bool stream);

/* The next line without its LF or CR LF, empty lines included; false when there is none left. */
bool statsd_next_line(struct statsd_cursor *cursor, struct slice *line);

/* ---- the long way: any line ---- */

struct statsd_parts {
    struct slice name;   /* what stands before the first colon */
    struct slice rest;   /* samples not yet taken */
    struct slice suffix; /* packed: the suffix that all values share */
    bool packed;         /* name:v1:v2:v3|ms... */
    bool whole;          /* the rest is one sample, colons and all */
    bool done;
    unsigned n_tag_errors; /* malformed tags inside the name, once a line */
};

struct statsd_sample {
    struct slice value;
    struct slice suffix; /* begins with '|'; empty when the sample has no '|' */
};

/*
 * Cut a non-empty line. The reason of its refusal or STATSD_OK; @out is written in both cases, its
 * n_tag_errors counts in both.
 */
enum statsd_reason statsd_split(struct slice line, const struct statsd_options *options,
                                struct statsd_parts *out);

/* The next sample of the line, well formed or not; false when there is none left. */
bool statsd_next_sample(struct statsd_parts *parts, struct statsd_sample *out);

/* ---- the short way: what nearly every line is ---- */

struct statsd_scan {
    struct slice name;
    struct slice values; /* one number, or several with colons between (packed) */
    struct slice suffix;
    bool packed;
    bool extras; /* the suffix holds what statsd_strip_extras() would take out */
};

/*
 * Look at @line as one sample or one packed sample whose values are plainly decimal or, with type
 * s, text. True only when statsd_split() and statsd_next_sample() would find the same sample(s) and
 * refuse nothing for a reason that (name, suffix) does not decide. UTF-8 is not looked at: bytes
 * that equal an identity already accepted are valid, others go the long way.
 */
bool statsd_scan(struct slice line, const struct statsd_options *options, struct statsd_scan *out);

/*
 * Is every line that consists of @name, a colon, one number and @suffix a single sample of these,
 * with nothing to be left out? Both are known from a sample that statsd_next_sample() gave.
 */
bool statsd_is_plain(struct slice name, struct slice suffix, const struct statsd_options *options);

struct statsd_label {
    struct slice key; /* escaped to a label name, never empty */
    struct slice value;
};

/* Tags that a sample brings for an exemplar. */
struct statsd_exemplar {
    unsigned n;
    struct statsd_label tags[STATSD_MAX_EXEMPLAR_TAGS]; /* keys: the options'; values: the line's */
};

struct statsd_stripped {
    size_t len;         /* bytes of what is left */
    unsigned n_unknown; /* fields left out that no version of the protocol has so far */
    struct statsd_exemplar exemplar;
};

/*
 * Copy @suffix without what is no part of what is measured: T sections, fields (e:, card:, and any
 * other word and colon), c:ID when it makes no label, and tags for exemplars. A suffix with too
 * many sections is copied whole, so that it is still refused for that. @out has room for suffix.len
 * bytes.
 */
void statsd_strip_extras(struct slice suffix, const struct statsd_options *options, char *out,
                         struct statsd_stripped *stripped);

/* ---- service checks ---- */

/* Room for the gauge's line of a service check of so many bytes. */
#define STATSD_CHECK_SIZE(len) ((len) + 32)

/*
 * Write the service check @line (statsd_split() says STATSD_E_CHECK) as the line of a gauge:
 *
 *      _sc|NAME|STATUS|d:time|h:HOST|#tags|c:ID|m:text
 *      NAME.status:STATUS|g|#host:HOST|#tags|c:ID
 *
 * Bytes of the name that have a meaning in a line become '_'. @out has STATSD_CHECK_SIZE bytes,
 * @len is how many were written. STATSD_OK, or STATSD_E_BAD_CHECK: there is no name, or the status
 * is not one digit from 0 to 3.
 */
enum statsd_reason statsd_check_to_gauge(struct slice line, char *out, size_t *len);

/* ---- what a (name, suffix) measures ---- */

#define STATSD_MAX_LABELS 128

struct statsd_identity {
    /* STATSD_OK, or why every sample of this identity is refused. */
    enum statsd_reason reason;
    bool reason_precedes_value; /* the refusal counts whether or not the value is well formed */

    enum statsd_type type;
    struct slice name;      /* without tags, not escaped; empty only with STATSD_E_NAME */
    double divisor;         /* of a counter's value: the product of its @ factors, 1 without */
    int64_t repeat;         /* of an observation: how often it counts; 0 or less: not at all */
    unsigned n_tag_errors;  /* malformed tags in the suffix; those in the name: statsd_parts */
    unsigned n_rate_errors; /* unreadable @ factors that did not end the sample */
    unsigned n_labels;
    struct statsd_label labels[STATSD_MAX_LABELS]; /* unique keys, in order of first appearance */
};

/* Scratch that statsd_identify() needs for one pair. */
#define STATSD_SCRATCH_SIZE(name_len, suffix_len) (2 * ((name_len) + (suffix_len)) + 16)

/*
 * Read what (@name, @suffix) says. @scratch has STATSD_SCRATCH_SIZE bytes; the views in @out point
 * into name, suffix and scratch, or to a constant. Everything in @out is written; after a refusal
 * the counts hold what was met before it.
 */
void statsd_identify(struct slice name, struct slice suffix, const struct statsd_options *options,
                     char *scratch, struct statsd_identity *out);

#endif
