/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments: the words of a command line, @FILE replaced by what is in the file
 *
 * Contract: knows nothing of flags but the plain "--", after which '@' means nothing.
 */
#ifndef CONF_ARGUMENTS_H
#define CONF_ARGUMENTS_H

#include "base/err.h"
#include "conf/options.h"

/* Append copies of @argv's words, but of its first, to @words. 0, -ENOMEM, or -EINVAL with @e
 * filled; @words is the caller's to release in any case. */
int arguments_expand(struct options_list *words, char *const *argv, struct err *e);

#endif
