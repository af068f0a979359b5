/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command: see command.h; what several of them need
 *
 * A mapping is checked and explained by an engine of its own, made from the flags that serve would
 * have been given, so that both see the same limits, types and tags as the server. What is wrong
 * is printed as a compiler would: file, line, column and the way to mend it, on the standard error
 * output.
 */
#include "command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bacowr/aggregator.h"
#include "server/mapfile.h"

void command_print_error(const struct err *e)
{
    char text[sizeof *e + 32];

    err_format(e, text, sizeof text);
    fprintf(stderr, "%s\n", text);
}

void command_print_warning(void *ctx, const struct err *e)
{
    struct err warning;

    (void)ctx;
    err_set(&warning, e->file, e->line, e->column, "warning: %s", e->text);
    command_print_error(&warning);
}

int command_end(int r, const struct err *e)
{
    char text[sizeof *e + 32];

    if (r < 0) {
        err_format(e, text, sizeof text);
        fprintf(stderr, "bacowr-statsd: %s\n", text);
    }
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* An engine for one thread that meets no hostile names: any hash seed will do. */
int command_new_engine(struct bacowr **out, const struct options *o)
{
    struct bacowr_config config = {
        .n_workers = 1,
        .statsd = o->statsd,
        .service_checks = o->service_checks,
        .gauge_mode = o->gauge_mode,
        .max_series = o->max_series,
        .max_family = o->max_series_per_family,
        .max_label_values = o->max_label_values,
        .regex_max_steps = (uint32_t)o->regex_max_steps,
        .zero_first_ms = o->web_zero_first_ms,
    };
    int r = bacowr_new(out, &config);

    if (r < 0)
        fprintf(stderr, "bacowr-statsd: %s\n", strerror(-r));
    return r;
}

/* 0, or a negative errno after the reason was printed. */
int command_load_mapping(struct bacowr *b, const struct options_list *paths)
{
    struct bacowr_mapping *mapping;
    struct err e = {.file = ""};
    int r = mapfile_load(&mapping, paths, MAPFILE_ANY, command_print_warning, NULL, &e);

    if (r < 0) {
        command_print_error(&e);
        return r;
    }
    bacowr_check_mapping(b, mapping, command_print_warning, NULL);
    bacowr_publish_mapping(b, mapping);
    return 0;
}
