/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guard: see guard.h
 *
 *      | page | page .......input | forbidden page |
 */
#include "lib/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t body_size(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (len + page - 1) / page * page;
}

const char *guard_copy(const void *p, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = body_size(len);
    char *map = mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *start;

    if (map == MAP_FAILED)
        abort();
    start = map + body - len;
    if (len > 0)
        memcpy(start, p, len);
    if (body > 0 && mprotect(map, body, PROT_READ) != 0)
        abort();
    if (mprotect(map + body, page, PROT_NONE) != 0)
        abort();
    return start;
}

void guard_free(const char *p, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = body_size(len);

    munmap((void *)(p + len - body), body + page);
}
