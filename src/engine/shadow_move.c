/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow, moves: what becomes of identities, from where to where
 *
 * Identities that go the same way - of the same kind, from the same family to the same one - are
 * one move: their number and an example.
 *
 * Laws: moves are told apart up to SHADOW_MOVES_MAX, and past that they are only counted. The
 *       example is the least identity, whatever the order of the document.
 */
#include "engine/shadow.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

static void example_free(struct shadow_move *m)
{
    free(m->identity);
    free(m->labels[BEFORE]);
    free(m->labels[AFTER]);
}

void shadow_move_free(struct shadow_move *m)
{
    example_free(m);
    free(m);
}

enum shadow_move_kind shadow_move_of(const struct shadow_state *before,
                                     const struct shadow_state *after)
{
    bool had = before->is_series && !before->conflict;

    if (before->conflict && before->family == after->family && before->type == after->type)
        return N_MOVES;
    if (!after->is_series && !after->dropped)
        return had || before->dropped ? MOVE_REFUSED : N_MOVES;
    if (!had)
        return after->is_series ? MOVE_NEW : N_MOVES;
    if (after->dropped)
        return MOVE_DROPPED;
    if (before->settings->match.p != NULL && after->settings->match.p == NULL)
        return MOVE_UNMAPPED;
    if (!slice_eq(before->name, after->name))
        return MOVE_FAMILY;
    return slice_eq(before->labels, after->labels) ? N_MOVES : MOVE_RELABELLED;
}

static struct shadow_move *move_find(const struct bacowr_shadow *s, uint64_t hash,
                                     const struct shadow_move *like)
{
    for (struct table_link *l = table_chain(&s->moves, hash); l != NULL; l = l->next) {
        struct shadow_move *m = table_entry(l, struct shadow_move, link);

        if (m->kind == like->kind && m->from == like->from && m->to == like->to)
            return m;
    }
    return NULL;
}

/* An example of its kind: the least identity. 0 or -ENOMEM. */
static int keep_example(struct shadow_move *m, const struct shadow_move *like,
                        struct slice identity, const struct shadow_state *before,
                        const struct shadow_state *after)
{
    struct shadow_move now = *m;

    if (!shadow_is_least(identity, m->identity))
        return 0;
    now.before = like->before;
    now.rule = like->rule;
    now.identity = shadow_keep_text(identity);
    now.labels[BEFORE] = shadow_keep_text(before->labels);
    now.labels[AFTER] = shadow_keep_text(after->labels);
    if (now.identity == NULL || now.labels[BEFORE] == NULL || now.labels[AFTER] == NULL) {
        example_free(&now);
        return -ENOMEM;
    }
    example_free(m);
    *m = now;
    return 0;
}

static struct shadow_move *move_new(struct bacowr_shadow *s, const struct shadow_move *like)
{
    struct shadow_move *m = malloc(sizeof *m);

    if (m == NULL)
        return NULL;
    *m = *like;
    if (table_insert(&s->moves, &m->link) != 0) {
        free(m);
        return NULL;
    }
    return m;
}

int shadow_note_move(struct bacowr_shadow *s, enum shadow_move_kind kind, struct slice identity,
                     const struct shadow_state *before, const struct shadow_state *after,
                     const struct mapping_rule *rule)
{
    struct shadow_move like = {
        .kind = kind,
        .from = before->family,
        .to = after->family,
        .before = before->settings,
        .rule = rule,
    };
    const uintptr_t key[] = {(uintptr_t)kind, (uintptr_t)like.from, (uintptr_t)like.to};
    struct shadow_move *m;

    like.link.hash = hash_bytes(slice_of((const char *)key, sizeof key), 0);
    m = move_find(s, like.link.hash, &like);
    s->by_move[kind]++;
    if (m == NULL && s->moves.n == SHADOW_MOVES_MAX) {
        s->n_other_moves++;
        return 0;
    }
    if (m == NULL)
        m = move_new(s, &like);
    if (m == NULL)
        return -ENOMEM;
    m->n++;
    return keep_example(m, &like, identity, before, after);
}
