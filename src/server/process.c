/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process: see process.h
 *
 * The values are those of Prometheus' own client libraries, so that one dashboard serves all
 * programs. The start time comes from the kernel, in ticks after boot, and not from the moment when
 * we first looked: a process that exec'd into us keeps its age.
 *
 * Law: what cannot be read is shown as 0, and a scrape never fails for it.
 */
#include "server/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The beginning of a small file, NUL-terminated; "" when it cannot be read. */
static void read_text(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd >= 0) {
        n = read(fd, out, cap - 1);
        close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec t = {0};

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double limit(int resource)
{
    struct rlimit l = {0};

    getrlimit(resource, &l);
    return (double)l.rlim_cur; /* unlimited is 2^64 - 1, as the client libraries show it */
}

/* Newer kernels give the number of descriptors as the directory's size; else they are counted. */
static double count_fds(void)
{
    struct stat st;
    DIR *dir;
    double n = 0;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (double)st.st_size;
    dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        n += d->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* the directory itself */
}

/* Field 22 of /proc/self/stat. The second may hold blanks and brackets: count from its end. */
double process_start_seconds(void)
{
    char text[1024];
    char *at;
    uint64_t ticks = 0;

    read_text("/proc/self/stat", text, sizeof text);
    at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at, ' ');
        if (at != NULL)
            at++;
    }
    if (at == NULL)
        return 0;
    ticks = strtoull(at, NULL, 10);
    return clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) +
           (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

double process_now_seconds(void)
{
    return clock_seconds(CLOCK_REALTIME);
}

void process_read(struct process_stats *out)
{
    unsigned long pages = 0, resident = 0;
    double page_size = (double)sysconf(_SC_PAGESIZE);
    struct rusage usage = {0};
    char text[256];

    getrusage(RUSAGE_SELF, &usage);
    read_text("/proc/self/statm", text, sizeof text);
    if (sscanf(text, "%lu %lu", &pages, &resident) != 2)
        pages = resident = 0;
    *out = (struct process_stats){
        .cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime),
        .open_fds = count_fds(),
        .max_fds = limit(RLIMIT_NOFILE),
        .virtual_bytes = (double)pages * page_size,
        .virtual_max_bytes = limit(RLIMIT_AS),
        .resident_bytes = (double)resident * page_size,
    };
}
