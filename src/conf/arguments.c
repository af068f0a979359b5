/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments: see arguments.h
 *
 *      argv --@FILE is its lines--> words
 *
 * As kingpin has it: a file has one argument a line, empty lines and those that begin with '#' are
 * none, and a line may name another file.
 *
 * Laws: after a plain "--" there is no @FILE; files are bounded in size and number, so one that
 *       names itself is an error and not a loop.
 */
#include "conf/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

#define MAX_FILE_SIZE (1u << 20)
#define MAX_FILES     16

struct expansion {
    struct options_list *words;
    unsigned n_files;
    bool literal; /* a plain "--" was seen */
    struct err *e;
};

static int read_file(const char *path, struct buf *text, struct err *e)
{
    FILE *f = fopen(path, "re");
    size_t n;

    if (!f) {
        err_set(e, NULL, 0, 0, "cannot read arguments from '%.200s': %s", path, strerror(errno));
        return -EINVAL;
    }
    if (buf_reserve(text, MAX_FILE_SIZE + 1) < 0) {
        fclose(f);
        return -ENOMEM;
    }
    n = fread(text->p, 1, MAX_FILE_SIZE + 1, f);
    text->len = n;
    if (ferror(f) || n > MAX_FILE_SIZE) {
        err_set(e, NULL, 0, 0, "cannot read arguments from '%.200s': %s", path,
                ferror(f) ? strerror(errno) : "it is longer than 1 MiB");
        fclose(f);
        return -EINVAL;
    }
    fclose(f);
    return 0;
}

static int expand_file(struct expansion *x, const char *path);

static int expand_word(struct expansion *x, const char *word, size_t len)
{
    char *path;
    int r;

    if (x->literal || len == 0 || word[0] != '@') {
        x->literal |= len == 2 && memcmp(word, "--", 2) == 0;
        return options_list_add(x->words, word, len);
    }
    if (++x->n_files > MAX_FILES) {
        err_set(x->e, NULL, 0, 0, "'%.*s' is one file of arguments too many, one may name itself",
                (int)(len < 200 ? len : 200), word);
        return -EINVAL;
    }
    path = strndup(word + 1, len - 1);
    r = path ? expand_file(x, path) : -ENOMEM;
    free(path);
    return r;
}

/* One argument a line; empty lines and those that begin with '#' are none. */
static int expand_file(struct expansion *x, const char *path)
{
    struct buf text = {0};
    struct slice rest;
    int r = read_file(path, &text, x->e);

    rest = buf_slice(&text);
    while (r == 0 && rest.len > 0) {
        struct slice line = {rest.p, slice_find(rest, '\n')};

        rest = slice_from(rest, line.len < rest.len ? line.len + 1 : line.len);
        if (line.len > 0 && line.p[line.len - 1] == '\r')
            line.len--;
        if (line.len > 0 && line.p[0] != '#')
            r = expand_word(x, line.p, line.len);
    }
    buf_release(&text);
    return r;
}

int arguments_expand(struct options_list *words, char *const *argv, struct err *e)
{
    struct expansion x = {.words = words, .e = e};
    int r = 0;

    for (size_t i = 1; argv[0] && argv[i] && r == 0; i++)
        r = expand_word(&x, argv[i], strlen(argv[i]));
    return r;
}
