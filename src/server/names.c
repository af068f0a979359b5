/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: see names.h
 *
 * An operator who looks at refused lines wants to know who sends them. The first of them came
 * before anybody asked; who goes on with it is told with the next, for what is wrong once is wrong
 * again. So the way of a stream in which nothing is refused is what it was.
 *
 * Laws: messages are armed all at once and between two calls to receive, so all datagrams of a call
 *       have names, or none. Where there is a gate they always have.
 */
#include "server/names.h"

#include "server/joined.h"
#include "server/worker.h"

#define FOLLOW_MS 3600000

_Static_assert(NAMES_MAX == WORKER_N_CHUNKS && NAMES_MAX >= JOINED_N_MESSAGES,
               "each message has a name");

void names_arm(struct names *names, struct mmsghdr *messages, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        messages[i].msg_hdr.msg_name = names->on ? &names->of[i] : NULL;
        messages[i].msg_hdr.msg_namelen = names->on ? sizeof names->of[i] : 0;
    }
}

void names_turn(struct worker *w, bool on)
{
    w->names.on = on;
    names_arm(&w->names, w->messages, WORKER_N_CHUNKS);
    if (w->joined != NULL)
        names_arm(&w->names, w->joined->messages, JOINED_N_MESSAGES);
}

bool names_ip(const struct names *names, unsigned i, struct ip *out)
{
    return ip_of(out, (const struct sockaddr *)&names->of[i]);
}

void names_follow(struct worker *w, int64_t now_ms)
{
    bool wanted = w->gate != NULL || now_ms - bacowr_refused_ms(w->engine) < FOLLOW_MS;

    if (wanted != w->names.on)
        names_turn(w, wanted);
}
