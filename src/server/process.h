/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process: what the kernel tells of this process, under the names that dashboards know
 */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

struct process_stats {
    double cpu_seconds; /* user and system */
    double open_fds;
    double max_fds;
    double virtual_bytes;
    double virtual_max_bytes;
    double resident_bytes;
};

/* What cannot be read is 0. Opens a few files under /proc; a page's worth of work. */
void process_read(struct process_stats *out);

/* When the process began, since 1970. To be asked once: two clocks are read, which never agree. */
double process_start_seconds(void);
double process_now_seconds(void); /* since 1970 */

#endif
