/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local: the names of Unix sockets, in the file system or abstract
 *
 * Contract: runs on the control thread, before and after the others. A zeroed struct is no name.
 */
#ifndef SERVER_LOCAL_H
#define SERVER_LOCAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"

#define LOCAL_MODE_UMASK (-1) /* leave the file's mode to the process's umask */

struct local {
    struct sockaddr_un sa;
    socklen_t sa_len;
    char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* as the operator wrote it */

    /* The file that local_open() made; none for an abstract name. */
    bool has_file;
    dev_t dev;
    ino_t ino;
    int mode_error; /* why its mode could not be set; 0: it was */
};

/* Octal digits, as for chmod(1), to a mode. False: @text (NULL: empty) is none. */
bool local_parse_mode(const char *text, int *mode);

/* @text begins with '@' for an abstract name. 0; -EINVAL with @e filled: it is too long. */
int local_resolve(struct local *out, const char *text, struct err *e);

/*
 * A socket of @type (SOCK_DGRAM; SOCK_STREAM and SOCK_SEQPACKET, which listen), bound to @l, with
 * @mode on its file. A socket file that nobody answers on is replaced. 0, and the caller owns *@fd;
 * or a negative errno with @e filled: somebody answers, it is no socket, or the system refuses.
 */
int local_open(int *fd, struct local *l, int type, int mode, struct err *e);

/* The name that a bound socket has. False: it has none that can be written. */
bool local_from_socket(struct local *out, const struct sockaddr *sa, socklen_t len);

/* The file at the name, made by a server before this one, is ours to remove. */
void local_adopt(struct local *l);

/* Remove the file if it is still the one that local_open() made. Accepts a zeroed one. */
void local_remove(struct local *l);

#endif
