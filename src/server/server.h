/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server: the running whole
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/log.h"
#include "conf/options.h"

/*
 * Serve until a signal or /-/quit ends it. The exit status: 0 after an orderly end, 1 when it could
 * not start, the reason logged. Both arguments are borrowed. Changes the process: SIGPIPE is
 * ignored, the soft limit of descriptors is raised to the hard one.
 */
int server_run(const struct options *o, const struct log *log);

#endif
