/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Note of what is opened: the linker does not know of libraries that the program opens by itself,
 * so it is written into it where packagers' tools read it (ELF dlopen metadata:
 * https://uapi-group.org/specifications/specs/elf_dlopen_metadata/).
 *
 * Contract: DLOPEN_NOTE(name, json) at file level, @json a string literal.
 */
#ifndef SERVER_DLOPEN_NOTE_H
#define SERVER_DLOPEN_NOTE_H

#include <stdint.h>

#define DLOPEN_NOTE_OWNER "FDO"
#define DLOPEN_NOTE_TYPE  0x407c0c0au

#define DLOPEN_NOTE(name, json)                                                            \
    static const struct {                                                                  \
        uint32_t n_owner, n_text, type;                                                    \
        char owner[sizeof DLOPEN_NOTE_OWNER];                                              \
        char text[(sizeof(json) + 3) / 4 * 4];                                             \
    } name __attribute__((section(".note.dlopen"), aligned(4), used)) = {                  \
        sizeof DLOPEN_NOTE_OWNER, sizeof(json), DLOPEN_NOTE_TYPE, DLOPEN_NOTE_OWNER, json, \
    }

#endif
