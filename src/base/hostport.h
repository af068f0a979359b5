/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host and port: an address to listen on, as an operator writes it
 *
 * Contract: nothing is resolved here, only cut and checked.
 */
#ifndef BASE_HOSTPORT_H
#define BASE_HOSTPORT_H

#include <stdint.h>

#include "base/slice.h"

/*
 * Cut "host:port", "[v6]:port" or ":port" (an empty host). NULL, with @host (borrowed from @text,
 * without brackets) and @port written; or what is wrong and what to write instead, static, to stand
 * behind the address: "has no port, ...".
 */
const char *hostport_split(struct slice text, struct slice *host, uint16_t *port);

#endif
