/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unixgram: the Unix datagram socket of one worker
 *
 * Contract: opened by control; an inlet from then on.
 */
#ifndef SERVER_UNIXGRAM_H
#define SERVER_UNIXGRAM_H

#include <stdint.h>

#include "base/err.h"
#include "server/inlet.h"

/*
 * Receive from @fd, a bound socket, on @w's loop; @w does not run yet. @read_buffer: bytes of
 * SO_RCVBUF, 0 for what is granted. @fd is taken, also on failure. 0, or a negative errno with @e
 * filled.
 */
int unixgram_open(struct inlet **out, struct worker *w, int fd, uint64_t read_buffer,
                  struct err *e);

#endif
