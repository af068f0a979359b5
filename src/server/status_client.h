/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status client: a number of /api/v1/status of a running server, for commands that would like to
 * say more
 */
#ifndef SERVER_STATUS_CLIENT_H
#define SERVER_STATUS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/client.h"

/*
 * Ask for the number of this name. False when the server does not tell it, whatever the reason: who
 * asks does without. Waits for two seconds at most.
 */
bool status_client_number(const struct client_url *url, const struct client_identity *identity,
                          const char *name, uint64_t *out);

#endif
