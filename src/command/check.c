/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: mapping files and the web configuration are loaded as serve would, nothing is served
 *
 * Without --against each file is a mapping of its own, and every one is looked at, whatever is
 * wrong with those before it. With it the files are one mapping, as a server has one, and what
 * it would change of a running one is told; serve --check-config looks at the files that serve
 * would load, and at its certificates.
 *
 * Laws: no socket is opened, but to ask who is named by --against.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bacowr/aggregator.h"
#include "bacowr/shadow.h"
#include "base/buf.h"
#include "command/command.h"
#include "server/against.h"
#include "server/door.h"
#include "server/fsmfile.h"
#include "server/mapfile.h"

/* The status for what the comparison found: see options_man.c. */
#define EXIT_CONFLICTS 2

static void print_good(const struct options_list *paths, uint64_t n_rules)
{
    char label[sizeof((struct err *)0)->file], text[sizeof(struct err)];
    struct err e;

    mapfile_label(paths, label, sizeof label);
    err_set(&e, label, 0, 0, "ok, %llu rules", (unsigned long long)n_rules);
    err_format(&e, text, sizeof text);
    printf("%s\n", text);
    fflush(stdout); /* before what the next file has to say */
}

/* ---- --against ---- */

static int tell_shadow(const struct bacowr_shadow *s, const struct options *o)
{
    struct buf told = {0};
    int r = bacowr_shadow_tell(s, o->against, o->explain_json, &told);

    if (r == 0)
        fwrite(told.p, 1, told.len, stdout);
    else
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    buf_release(&told);
    if (r < 0)
        return EXIT_FAILURE;
    return bacowr_shadow_verdict(s) == BACOWR_SHADOW_CONFLICTS ? EXIT_CONFLICTS : EXIT_SUCCESS;
}

static int run_check_against(const struct options *o)
{
    struct bacowr_mapping *mapping;
    struct bacowr_shadow *s = NULL;
    struct err e = {.file = ""};
    int status = EXIT_FAILURE;
    int r = mapfile_load(&mapping, &o->arguments, MAPFILE_ANY, command_print_warning, NULL, &e);

    if (r == 0) {
        r = bacowr_shadow_new(&s, mapping);
        if (r == 0)
            r = against_read(s, o->against, o->http_config, command_print_warning, &e);
        else
            err_set(&e, NULL, 0, 0, "%s", strerror(-r));
    }
    if (r == 0)
        status = tell_shadow(s, o);
    else
        command_print_error(&e);
    bacowr_shadow_free(s);
    return status;
}

/* ---- by themselves ---- */

static int run_check(const struct options *o)
{
    struct bacowr *b = NULL;
    int status = command_new_engine(&b, o) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;

    for (size_t i = 0; b != NULL && i < o->arguments.n; i++) {
        const struct options_list file = {1, &o->arguments.items[i]};

        if (command_load_mapping(b, &file) == 0)
            print_good(&file, bacowr_n_rules(b));
        else
            status = EXIT_FAILURE;
    }
    bacowr_free(b);
    return status;
}

int command_check(const struct options *o)
{
    return o->against != NULL ? run_check_against(o) : run_check(o);
}

/* ---- serve --check-config ---- */

/* As serve does it at start; a picture that cannot be drawn does not make the mapping wrong. */
static void dump_fsm(struct bacowr *b, const struct options *o)
{
    struct err e;

    if (o->dump_fsm && fsmfile_write(b, o->dump_fsm, &e) < 0)
        command_print_error(&e);
}

/* With its certificates, as serve would load them. */
static int check_web_config(const struct options *o)
{
    struct err e = {.file = ""};
    struct door *d;
    int r;

    if (o->web_config == NULL)
        return 0;
    r = door_load(&d, NULL, o->web_config, command_print_warning, NULL, &e);
    if (r < 0) {
        command_print_error(&e);
        return r;
    }
    printf("%s: ok, %zu users, TLS %s\n", o->web_config, d->config->n_users, d->tls ? "on" : "off");
    fflush(stdout);
    door_free(d);
    return 0;
}

int command_check_config(const struct options *o)
{
    struct bacowr *b = NULL;
    int r = command_new_engine(&b, o);

    if (r == 0 && o->mapping_config.n > 0) {
        r = command_load_mapping(b, &o->mapping_config);
        if (r == 0) {
            dump_fsm(b, o);
            print_good(&o->mapping_config, bacowr_n_rules(b));
        }
    }
    bacowr_free(b);
    if (check_web_config(o) != 0)
        r = -EINVAL;
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
