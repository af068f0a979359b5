/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table: an intrusive hash table with chains, for what is looked up under a lock
 *
 * Contract: the caller embeds a struct table_link in its objects, owns them, and compares keys
 * itself while walking a chain. Not locked. A zeroed table is empty.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct table_link {
    struct table_link *next;
    uint64_t hash;
};

struct table {
    struct table_link **chains;
    size_t n_chains; /* 0 or a power of two */
    size_t n;
};

/* The object that contains @link as its @member. */
#define table_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/* The first link whose chain may hold @hash; walk on with ->next. */
static inline struct table_link *table_chain(const struct table *t, uint64_t hash)
{
    return t->n_chains ? t->chains[hash & (t->n_chains - 1)] : NULL;
}

static inline int table_grow(struct table *t)
{
    size_t n_chains = t->n_chains ? 2 * t->n_chains : 16;
    struct table_link **chains = calloc(n_chains, sizeof *chains);

    if (chains == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->n_chains; i++) {
        struct table_link *link = t->chains[i];

        while (link != NULL) {
            struct table_link *next = link->next;
            struct table_link **to = &chains[link->hash & (n_chains - 1)];

            link->next = *to;
            *to = link;
            link = next;
        }
    }
    free(t->chains);
    t->chains = chains;
    t->n_chains = n_chains;
    return 0;
}

/* Borrows @link, whose hash is set, until table_remove(). 0 or -ENOMEM. */
static inline int table_insert(struct table *t, struct table_link *link)
{
    struct table_link **to;

    if (t->n >= t->n_chains && table_grow(t) != 0 && t->n_chains == 0)
        return -ENOMEM;
    to = &t->chains[link->hash & (t->n_chains - 1)];
    link->next = *to;
    *to = link;
    t->n++;
    return 0;
}

/* @link is in the table. */
static inline void table_remove(struct table *t, struct table_link *link)
{
    struct table_link **at = &t->chains[link->hash & (t->n_chains - 1)];

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    t->n--;
}

/* Frees the table's own memory, not the objects. */
static inline void table_release(struct table *t)
{
    free(t->chains);
    *t = (struct table){0};
}

#endif
