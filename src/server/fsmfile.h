/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FSM file: the picture of the globs, written once where the operator asked for it
 */
#ifndef SERVER_FSMFILE_H
#define SERVER_FSMFILE_H

#include "bacowr/aggregator.h"
#include "base/err.h"

/* Write @b's globs to @path, in place of what is there. 0, or a negative errno with @e filled. */
int fsmfile_write(struct bacowr *b, const char *path, struct err *e);

#endif
