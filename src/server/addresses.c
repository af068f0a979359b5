/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: see addresses.h
 *
 * Flags stand in an image or a unit, and whoever adds those of statsd_exporter names an address
 * twice, or an address and the wildcard of its port. One socket serves both and two cannot be
 * bound, so what another one of its list covers is left out, whichever comes first.
 *
 * Laws: no address of a list covers another one of it. The others keep their order: the first of
 *       the web interface is the one that commands ask.
 */
#include "server/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/address.h"
#include "server/local.h"
#include "server/start.h"

static bool is_covered(const struct addresses *list, size_t at)
{
    const struct address *a = &list->items[at];

    for (size_t i = 0; i < list->n; i++) {
        const struct address *other = &list->items[i];

        if (i != at && address_covers(other, a) && (i < at || !address_covers(a, other)))
            return true;
    }
    return false;
}

static void tell_left_out(const struct server *s, const char *text)
{
    log_event(
        s->log, LOG_LEVEL_INFO, "address_covered", log_str("address", text),
        log_str("reason", "given twice, or covered by a wildcard address with the same port"));
}

static void leave_out_covered(const struct server *s, struct addresses *list)
{
    size_t i = 0;

    while (i < list->n) {
        if (!is_covered(list, i)) {
            i++;
            continue;
        }
        tell_left_out(s, list->items[i].text);
        list->n--;
        memmove(&list->items[i], &list->items[i + 1], (list->n - i) * sizeof *list->items);
    }
}

static int resolve_list(struct server *s, const struct options_list *list, struct addresses *out)
{
    struct err e;

    out->items = calloc(list->n + 1, sizeof *out->items);
    if (out->items == NULL)
        return start_fail_step(s, "addresses", -ENOMEM);
    for (; out->n < list->n; out->n++) {
        int r = address_resolve(&out->items[out->n], list->items[out->n], &e);

        if (r != 0)
            return start_fail(s, r, &e);
    }
    leave_out_covered(s, out);
    return 0;
}

/* A Unix socket, unless it was named already. */
static int resolve_web_name(struct server *s, const char *text, struct err *e)
{
    int r = local_resolve(&s->web_names[s->n_web_names], text, e);

    if (r != 0)
        return r;
    for (size_t i = 0; i < s->n_web_names; i++) {
        if (strcmp(s->web_names[i].text, text) == 0) {
            tell_left_out(s, text);
            return 0;
        }
    }
    s->n_web_names++;
    return 0;
}

/* Ports and Unix sockets, each kind in its order. */
static int resolve_web(struct server *s)
{
    const struct options_list *list = &s->o->web_listen;
    struct options_list ports = {0};
    struct err e;
    int r = 0;

    s->web_names = calloc(list->n + 1, sizeof *s->web_names);
    if (s->web_names == NULL)
        return start_fail_step(s, "addresses", -ENOMEM);
    for (size_t i = 0; i < list->n && r == 0; i++) {
        const char *text = list->items[i];

        if (strncmp(text, OPTIONS_UNIX, strlen(OPTIONS_UNIX)) != 0) {
            r = options_list_add(&ports, text, strlen(text));
            continue;
        }
        r = resolve_web_name(s, text + strlen(OPTIONS_UNIX), &e);
    }
    if (r != 0)
        r = r == -ENOMEM ? start_fail_step(s, "addresses", r) : start_fail(s, r, &e);
    else
        r = resolve_list(s, &ports, &s->web);
    options_list_release(&ports);
    return r;
}

int addresses_resolve(struct server *s)
{
    int r = resolve_list(s, &s->o->listen_udp, &s->udp);

    if (r == 0)
        r = resolve_list(s, &s->o->listen_tcp, &s->tcp_addresses);
    if (r == 0)
        r = resolve_list(s, &s->o->listen_admin, &s->admin_addresses);
    return r == 0 ? resolve_web(s) : r;
}
