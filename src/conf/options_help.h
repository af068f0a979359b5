/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options help: what the flags that print something print
 */
#ifndef CONF_OPTIONS_HELP_H
#define CONF_OPTIONS_HELP_H

#include "conf/options.h"

/*
 * Do what the print flag @name (of settings_print_flags) asks for. @words are the words of the
 * command line behind it, for the completion. An unknown name prints nothing.
 */
void options_print(const char *name, const struct options_list *words, const char *version,
                   FILE *out);

#endif
