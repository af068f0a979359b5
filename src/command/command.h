/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: each takes what the command line said and gives the exit status
 *
 *      check.c    check, serve --check-config
 *      explain.c  explain
 *      ask.c      healthcheck, tap, record, replay
 *
 * 0 is success, 1 any failure, 2 a comparison that found what it is made to find. What a command
 * was asked for goes to the standard output, what went wrong to the standard error output.
 */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include "bacowr/aggregator.h"
#include "base/err.h"
#include "conf/options.h"

int command_check(const struct options *o);
int command_check_config(const struct options *o);
int command_explain(const struct options *o);
int command_healthcheck(const struct options *o);
int command_tap(const struct options *o);
int command_record(const struct options *o);
int command_replay(const struct options *o);

/* ---- what they share: command.c ---- */

/* @e with its file, line and column, as a line. The second is for loaders; @ctx is ignored. */
void command_print_error(const struct err *e);
void command_print_warning(void *ctx, const struct err *e);

/* The status for @r, 0 or a negative errno; @e is printed with the program's name if it is one. */
int command_end(int r, const struct err *e);

/* An engine for one thread that meets no hostile names: any hash seed will do. 0 and *@out, which
 * the caller frees, or a negative errno after the reason was printed. */
int command_new_engine(struct bacowr **out, const struct options *o);

/* The files of @paths as one mapping of @b. 0, or a negative errno after the reason was printed. */
int command_load_mapping(struct bacowr *b, const struct options_list *paths);

#endif
