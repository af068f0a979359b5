/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API, identities: what is sent and what becomes of it, in lines
 *
 *      head --> a worker is asked --woken--> its piece, some identities a step --> the next
 *                                                               `-- after the last: tail
 *
 * A server of a million identities has some 200 MB to tell, so nothing is kept: a piece of 32 KiB
 * is copied, resolved, sent, and only then is the next asked for. The rules that were in force at
 * the beginning are kept until the end, which http_doc.lines_ms bounds.
 *
 * Laws: one reader at a time; memory is a piece and what a step makes of it.
 */
#include "server/api.h"

#include <errno.h>
#include <stdlib.h>

#include "bacowr/identities.h"
#include "server/control.h"

enum phase { ASK, ASKED, TELL };

struct telling {
    struct identities *source; /* borrowed */
    struct bacowr_identities *teller;
    enum phase phase;
    struct slice piece; /* what is left of it */
};

void api_identities_end(void *state)
{
    struct telling *t = state;

    identities_leave(t->source);
    bacowr_identities_free(t->teller);
    free(t);
}

static int begin(const struct server *s, const struct http_ask *ask, void **state, struct buf *out)
{
    struct telling *t = calloc(1, sizeof *t);
    int r = t != NULL ? bacowr_identities_new(&t->teller, s->engine) : -ENOMEM;

    if (r == 0)
        r = identities_begin(s->identities, ask->wake, ask->waker);
    if (r != 0) {
        if (t != NULL)
            bacowr_identities_free(t->teller);
        free(t);
        return r;
    }
    t->source = s->identities;
    *state = t;
    r = bacowr_identities_head(t->teller, out);
    return r != 0 ? r : HTTP_DOC_MORE;
}

static int tell(struct telling *t, struct buf *out)
{
    int r = bacowr_identities_tell(t->teller, &t->piece, out);

    if (r != 0)
        return r;
    if (t->piece.len > 0)
        return HTTP_DOC_MORE;
    if (identities_ended(t->source))
        return bacowr_identities_tail(t->teller, identities_complete(t->source), out);
    t->phase = ASK;
    return HTTP_DOC_MORE;
}

int api_identities(void *ctx, const struct http_ask *ask, void **state, struct buf *out)
{
    struct telling *t = *state;

    if (t == NULL)
        return begin(ctx, ask, state, out);
    if (t->phase == ASK) {
        t->phase = ASKED;
        identities_ask(t->source);
        return HTTP_DOC_WAIT;
    }
    if (t->phase == ASKED)
        t->piece = identities_piece(t->source);
    t->phase = TELL;
    return tell(t, out);
}
