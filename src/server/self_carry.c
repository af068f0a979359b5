/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, carried: see self_carry.h
 *
 * A counter may not fall when one server hands over to the next. What the other had on its page is
 * kept here by name and labels, and added when a page is made. So who counts need not know of it,
 * and a counter that this server does not have is just not shown any more.
 *
 * Law: the items are in order, each once.
 */
#include "server/self_carry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct self_carried *item, const char *name, const char *labels)
{
    int r = strcmp(item->name, name);

    return r != 0 ? r : strcmp(item->labels, labels);
}

/* Where it stands, or would stand. */
static size_t place_of(const struct self_carry *c, const char *name, const char *labels)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&c->items[middle], name, labels) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int insert(struct self_carry *c, size_t at, const char *name, const char *labels)
{
    size_t n_name = strlen(name) + 1, n_labels = strlen(labels) + 1;
    struct self_carried *items = realloc(c->items, (c->n + 1) * sizeof *items);
    char *text;

    if (items == NULL)
        return -ENOMEM;
    c->items = items;
    text = malloc(n_name + n_labels);
    if (text == NULL)
        return -ENOMEM;
    memcpy(text, name, n_name);
    memcpy(text + n_name, labels, n_labels);
    memmove(items + at + 1, items + at, (c->n - at) * sizeof *items);
    items[at] = (struct self_carried){.name = text, .labels = text + n_name};
    c->n++;
    return 0;
}

int self_carry_add(struct self_carry *c, const char *name, const char *labels, double value)
{
    size_t at = place_of(c, name, labels);
    int r = 0;

    if (at == c->n || compare(&c->items[at], name, labels) != 0)
        r = insert(c, at, name, labels);
    if (r == 0)
        c->items[at].value += value;
    return r;
}

double self_carry_of(const struct self_carry *c, const char *name, const char *labels)
{
    size_t at = place_of(c, name, labels);

    return at < c->n && compare(&c->items[at], name, labels) == 0 ? c->items[at].value : 0;
}

void self_carry_release(struct self_carry *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->items[i].name);
    free(c->items);
    *c = (struct self_carry){0};
}
