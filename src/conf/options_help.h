/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options help: what the flags that print something print
 */
#ifndef CONF_OPTIONS_HELP_H
#define CONF_OPTIONS_HELP_H

#include "conf/options.h"
#include "conf/settings.h"

/* Room for what the next two write. */
#define OPTIONS_SPELLING_MAX    128
#define OPTIONS_DESCRIPTION_MAX 512

/* "--[no-]name" or "--name=METAVAR" */
void options_spell(const struct setting *s, char *out, size_t cap);

/* What the row says in sentences: its command, meaning, choices, repetition, default. */
void options_describe(const struct setting *s, char *out, size_t cap);

/* What there is to say of the command line as a whole. */
extern const char options_notes[];

/*
 * Do what the print flag @name (of settings_print_flags) asks for. @before are the words of
 * the command line to it and with it: help is of the command among them that has flags of its own,
 * if there is one. @words are those behind it, for the completion. An unknown name prints nothing.
 * OPTIONS_E_DONE or -ENOMEM.
 */
int options_print(const char *name, const struct options_list *before,
                  const struct options_list *words, const char *version, FILE *out);

#endif
