/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, label texts: of sockets, addresses, targets and the build
 *
 * Private to self.c and self_labelled.c.
 *
 * Contract: rendered once, when the server starts: nothing that they tell of changes later.
 */
#ifndef SERVER_SELF_LABELS_H
#define SERVER_SELF_LABELS_H

#include <stdbool.h>
#include <string.h>

#include "server/self.h"

/* Room for listener="...",worker="..": every byte of the address escaped. */
#define LABELS_MAX        (2 * ADDRESS_TEXT_MAX + 96)

/* Room for target="...",reason="...": a name of the DNS, every byte escaped, and a port. */
#define TARGET_LABELS_MAX 640

#define WORKER_LABELS_MAX 24

struct relay_labels {
    char target[TARGET_LABELS_MAX];
    char dropped[RELAY_N_REASONS][TARGET_LABELS_MAX];
};

/* An address, with one socket or several. */
struct listener_labels {
    const char *address; /* borrowed from its first socket */
    char labels[LABELS_MAX];
};

struct self_labels {
    const struct self_config *config; /* borrowed */
    char build_labels[256];
    char (*socket_labels)[LABELS_MAX];  /* owned; one for each socket */
    char (*refused_labels)[LABELS_MAX]; /* owned; two for each socket */
    struct listener_labels *listeners;  /* owned; one for each address */
    unsigned n_listeners;
    struct relay_labels *relay_labels;        /* owned; one for each target */
    char (*worker_labels)[WORKER_LABELS_MAX]; /* owned; one for each ingest thread */
};

/* Render them. @config is borrowed and outlives them. 0 or -ENOMEM. */
int self_labels_new(struct self_labels **out, const struct self_config *config);
void self_labels_free(struct self_labels *s); /* accepts NULL; the pages are gone before */

/* Is @in one of the sockets of @l's address? */
static inline bool self_labels_is_of(const struct ingest *in, const struct listener_labels *l)
{
    return strcmp(in->address.text, l->address) == 0;
}

#endif
