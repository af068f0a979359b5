/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Library: one that the program opens when somebody needs it, instead of being linked with it
 *
 * The linker does not know of such a library, so it is written into the program where packagers'
 * tools read it (ELF dlopen metadata:
 * https://uapi-group.org/specifications/specs/elf_dlopen_metadata/): LIBRARY_NOTE(name, json) at
 * file level, @json a string literal.
 *
 * Contract: nothing of a library is called before library_open() has said 0. It is never closed.
 */
#ifndef SERVER_LIBRARY_H
#define SERVER_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LIBRARY_NOTE_OWNER "FDO"
#define LIBRARY_NOTE_TYPE  0x407c0c0au

#define LIBRARY_NOTE(name, json)                                                              \
    static const struct {                                                                     \
        uint32_t n_owner, n_text, type;                                                       \
        char owner[sizeof LIBRARY_NOTE_OWNER];                                                \
        char text[(sizeof(json) + 3) / 4 * 4];                                                \
    } name __attribute__((section(".note.dlopen"), aligned(4), used)) = {                     \
        sizeof LIBRARY_NOTE_OWNER, sizeof(json), LIBRARY_NOTE_TYPE, LIBRARY_NOTE_OWNER, json, \
    }

struct library {
    const char *name, *purpose, *package; /* for people: "<purpose> need <name>" */
    const char *const *sonames;           /* the first that is there is opened; NULL ends them */
    const char *const *functions;         /* what is called of it */
    void *table;                          /* their addresses, in the same order */
    size_t n;

    /* library.c's own */
    bool tried;
    char fault[256]; /* of the linker; "": the table is whole */
};

/*
 * Open @l, once in a process; any thread may. 0; -ENOENT with @e filled: it is not on this machine,
 * or not the one that this was built for. @file asks for it; NULL: none does.
 */
int library_open(struct library *l, const char *file, struct err *e);

#endif
