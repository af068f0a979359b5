/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, the inside: what its files share
 *
 *      shadow_read.c  a line of the document
 *      shadow.c       what its identity was, and what it would be
 *      shadow_move.c  where it goes
 *      shadow_judge.c families that stand in each other's way, asked of a registry
 *      shadow_limits.c  what would go over a limit
 *      shadow_text.c  words for people
 *      shadow_json.c  an object for programs
 */
#ifndef ENGINE_SHADOW_H
#define ENGINE_SHADOW_H

#include "bacowr/shadow.h"
#include "base/json.h"
#include "base/table.h"
#include "engine/engine.h"
#include "engine/marks.h"

/* Families and moves that are told apart; the rest is counted. */
#define SHADOW_FAMILIES_MAX 65536u
#define SHADOW_MOVES_MAX    4096u

/* Labels of families whose values are counted, where there is a limit of them. */
#define SHADOW_LABELS_MAX   65536u

/* Bytes of an example, and of label names, that are kept. */
#define SHADOW_TEXT_MAX     200u
#define SHADOW_N_NAMES      4u

enum { BEFORE, AFTER, N_SIDES };

/* What is told of settings, in the order of settings_tell(). */
enum shadow_key {
    KEY_TYPE,
    KEY_HELP,
    KEY_TTL,
    KEY_SCALE,
    KEY_BUCKETS,
    KEY_NATIVE,
    KEY_QUANTILES,
    KEY_WINDOW,
    KEY_ERROR,
    KEY_SIGN,
    N_KEYS,
};
extern const char *const shadow_keys[N_KEYS];

/* A rule, or none, and a StatsD type: of the document, or of the mapping that is looked at. */
struct shadow_settings {
    struct table_link link;      /* by number: in a table those of the document */
    char *text;                  /* owned: the line of JSON that told of them */
    struct slice values[N_KEYS]; /* as they are written in it; p is NULL: not told */
    struct slice match, file;    /* as written in it; p is NULL: no rule takes it */
    uint64_t line;
    bool is_there; /* of the mapping's: it was made */

    /* The settings compared last, and the keys that differ. */
    const struct shadow_settings *compared;
    uint32_t differ;
};

/* What stood under a name, or would. */
struct shadow_side {
    uint64_t n_series, n_identities;
    /* Of each type. What is refused now stands under BEFORE with neither; under AFTER all do, until
     * it was judged what would be refused. */
    uint64_t series_of[METRIC_N_TYPES], identities_of[METRIC_N_TYPES];
    const struct shadow_settings *settings; /* with the least number; NULL: there are none */
    uint64_t names[SHADOW_N_NAMES];         /* hashes of lists of label names: the least, rising */
    unsigned n_names;                       /* past SHADOW_N_NAMES they are no longer told apart */
    char *least_names;                      /* owned: "a,b,", cut; NULL: none */
};

struct shadow_family {
    struct table_link link;
    struct shadow_side sides[N_SIDES];
    uint64_t n_kept;     /* series on both sides */
    uint64_t n_settings; /* identities of the same series with other settings */
    uint32_t differ;     /* 1 << enum shadow_key, of these */

    /* Of the identities of each type that it would have: those that are not refused now, and what
     * the registry says: an enum series_outcome, or 0. */
    uint64_t n_fresh[METRIC_N_TYPES];
    int after_start[METRIC_N_TYPES], after_reload[METRIC_N_TYPES];
    uint32_t name_len;
    char name[];
};

enum shadow_move_kind {
    MOVE_RELABELLED, /* other labels, the same family */
    MOVE_FAMILY,     /* another family */
    MOVE_DROPPED,
    MOVE_REFUSED,
    MOVE_UNMAPPED, /* a rule took it, and none takes it any more */
    MOVE_NEW,      /* it had no series, and gets one */
    N_MOVES,
};

struct shadow_move {
    struct table_link link;
    enum shadow_move_kind kind;
    const struct shadow_family *from, *to; /* NULL: none */
    uint64_t n;
    /* Of the one with the least identity. */
    const struct shadow_settings *before; /* NULL: nothing is known of them */
    const struct mapping_rule *rule;      /* NULL: none takes it */
    char *identity, *labels[N_SIDES];     /* owned, cut */
};

/* Identities, by what becomes of them. */
struct shadow_count {
    uint64_t series, dropped, refused, conflict, over_limit, unmapped;
};

/* A label of a family: distinct values, by the types of their series (shadow_kept_as()). */
struct shadow_label {
    struct table_link link;
    const struct shadow_family *family;
    uint64_t n_values[N_SIDES][METRIC_N_TYPES], n_kept;
    uint32_t name_len;
    char name[];
};

/* Series, or values of a label, beside a limit that some of them are over. */
struct shadow_limit {
    enum limit limit;
    const struct shadow_family *family; /* NULL: all */
    const struct shadow_label *label;   /* NULL: series are counted */
    uint64_t allowed;
    uint64_t n[N_SIDES], over[N_SIDES];
    uint64_t new_over; /* of those that are new, after a reload */
};

struct bacowr_shadow {
    struct bacowr *b;         /* owned; NULL before the first line */
    struct bacowr_mapping *m; /* owned until then */
    struct bacowr_config config;
    bool ended, complete;
    uint64_t n_told; /* as the last line says */

    /* Of the first line. */
    uint64_t n_alive, n_rules;
    uint64_t series_limit, family_limit, values_limit; /* 0: none */

    struct marks marks;              /* identities met, series on each side */
    struct table settings;           /* of the document */
    struct shadow_settings *shadows; /* owned: of the mapping */
    size_t n_shadows;
    struct table families, moves, labels;
    struct shadow_family *others; /* owned: of those that found no room */
    uint64_t n_other_moves;

    uint64_t n_identities, n_changed;
    uint64_t n_series[N_SIDES], n_families[N_SIDES], n_kept;
    struct shadow_count counts[N_SIDES];
    uint64_t by_move[N_MOVES];

    /* Judged. */
    struct shadow_family **sorted; /* owned: by name, without the others */
    size_t n_sorted;
    struct shadow_move **sorted_moves; /* owned: the largest first */
    size_t n_sorted_moves;
    uint64_t n_conflicts;        /* identities that would be refused, and are not now */
    struct shadow_limit *limits; /* owned: all series, families and labels by name */
    size_t n_limits;
    bool over_a_limit;    /* something would be, and is not now */
    bool labels_left_out; /* there were too many */

    struct buf rooms[6]; /* of texts that are put together */
};

/* ---- shadow_read.c ---- */

/* The settings of the mapping for @res, told once as the document tells them. NULL without
 * memory. */
struct shadow_settings *shadow_settings_of(struct bacowr_shadow *s, const struct resolution *res);

/* The keys that both tell of, and otherwise. */
uint32_t shadow_settings_differ(struct shadow_settings *a, const struct shadow_settings *b);

/* ---- shadow.c ---- */

/* What is known of one side of an identity. */
struct shadow_state {
    bool is_series; /* it has one, or wants one */
    bool dropped, conflict, over_limit;
    struct slice name, labels;
    struct shadow_settings *settings;
    enum metric_type type;
    struct shadow_family *family;
};

/* An identity that is @before now, which is filled further: count it, and what it would be. One
 * that was compared already counts no more. 0 or -ENOMEM. */
int shadow_compare(struct bacowr_shadow *s, struct slice name, struct slice suffix,
                   struct shadow_state *before);

/* Take the first label off @labels, which may be anything and are not empty; the value as it is
 * escaped. */
void shadow_take_label(struct slice *labels, struct slice *name, struct slice *value);

/* What is kept of @text: a copy of its beginning, or NULL. Of several the least is kept, so that it
 * is the same however the document is ordered: is it @text, or what was @kept (NULL: none)? */
char *shadow_keep_text(struct slice text);
bool shadow_is_least(struct slice text, const char *kept);

void shadow_settings_free(struct shadow_settings *settings);

/* A series of observations goes on if its type changes: for both it has the same one here. */
static inline enum metric_type shadow_kept_as(enum metric_type type)
{
    return type == METRIC_HISTOGRAM ? METRIC_SUMMARY : type;
}

static inline struct slice shadow_name(const struct shadow_family *f)
{
    return slice_of(f->name, f->name_len);
}

/* Does anything change of it? */
bool shadow_family_changes(const struct shadow_family *f);

/* ---- shadow_move.c ---- */

/* N_MOVES: it stays where it is. */
enum shadow_move_kind shadow_move_of(const struct shadow_state *before,
                                     const struct shadow_state *after);

/* Count the move of @identity, which @rule takes then (NULL: none). 0 or -ENOMEM. */
int shadow_note_move(struct bacowr_shadow *s, enum shadow_move_kind kind, struct slice identity,
                     const struct shadow_state *before, const struct shadow_state *after,
                     const struct mapping_rule *rule);
void shadow_move_free(struct shadow_move *m);

/* ---- shadow_judge.c ---- */

int shadow_judge(struct bacowr_shadow *s); /* 0 or -ENOMEM */

/* The type of a side's series, of most of them; false: there are none. */
bool shadow_type(const struct shadow_side *side, enum metric_type *out);

/* What the registry says of it, in words: "type", "suffix", ... */
const char *shadow_clash(int outcome);

/* ---- shadow_limits.c ---- */

/* The series of @state was met on @side. 0 or -ENOMEM. */
int shadow_count_values(struct bacowr_shadow *s, const struct shadow_state *state, unsigned side);

/* After shadow_judge() took away what would be refused. 0 or -ENOMEM. */
int shadow_judge_limits(struct bacowr_shadow *s);

/* Is more over it than now? */
bool shadow_limit_is_worse(const struct shadow_limit *l);

/* ---- the tellers ---- */

int shadow_put_text(const struct bacowr_shadow *s, const char *against, struct buf *out);
int shadow_put_json(const struct bacowr_shadow *s, const char *against, struct buf *out);

#endif
