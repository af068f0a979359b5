/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options man: the manual page of the program
 */
#ifndef CONF_OPTIONS_MAN_H
#define CONF_OPTIONS_MAN_H

#include "base/buf.h"

/* Append bacowr-statsd(1) to @out, in the language of man(7). 0 or -ENOMEM. */
int options_man(struct buf *out, const char *version);

#endif
