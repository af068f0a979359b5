/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load, texts: may these names and labels stand on a page?
 *
 * What comes from a file or a socket is believed no more than what comes from a sender. The engine
 * makes labels of one form only (engine/labels.c):
 *
 *      name="value",other="value"     names ascend, values escape \ " and LF as \\ \" \n
 *
 * and text of any other form would break a page, or be another series of the same labels. The names
 * say which vector a series belongs to.
 *
 * Laws: what passes is text that the engine could have made.
 */
#include "state/load.h"

#include "base/name.h"

bool load_name_is_good(struct slice name)
{
    return name.len > 0 && name.len <= STATE_MAX_TEXT && name_is_plain(name);
}

/* The bytes of an escaped value up to its closing quote, or SIZE_MAX. */
static size_t value_len(struct slice rest)
{
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.p[i];

        if (c == '"')
            return i;
        if (c == '\n')
            return SIZE_MAX;
        if (c != '\\')
            continue;
        if (++i == rest.len || (rest.p[i] != '\\' && rest.p[i] != '"' && rest.p[i] != 'n'))
            return SIZE_MAX;
    }
    return SIZE_MAX;
}

/* Cut name="value" off @rest. */
static bool cut_label(struct slice *rest, struct slice *name)
{
    const char *equals = rest->len > 0 ? memchr(rest->p, '=', rest->len) : NULL;
    size_t len;

    if (equals == NULL)
        return false;
    *name = slice_of(rest->p, (size_t)(equals - rest->p));
    *rest = slice_from(*rest, name->len + 1);
    if (!name_is_plain(*name) || name->len == 0 || slice_starts(*name, SLICE_LIT("__")) ||
        rest->len == 0 || rest->p[0] != '"')
        return false;
    *rest = slice_from(*rest, 1);
    len = value_len(*rest);
    if (len == SIZE_MAX || !utf8_valid(slice_of(rest->p, len)))
        return false;
    *rest = slice_from(*rest, len + 1);
    return true;
}

bool load_label_names(struct slice labels, struct buf *names)
{
    struct slice last = {NULL, 0}, name;

    if (labels.len > STATE_MAX_TEXT)
        return false;
    while (labels.len > 0) {
        if (!cut_label(&labels, &name) || (last.p != NULL && slice_cmp(last, name) >= 0))
            return false;
        buf_add_slice(names, name);
        buf_add_byte(names, ',');
        last = name;
        if (labels.len == 0)
            return true;
        if (labels.p[0] != ',' || labels.len == 1)
            return false;
        labels = slice_from(labels, 1);
    }
    return true;
}
