/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: one row for everything that can be set
 *
 * Contract: the tables are constant and end with a row whose name is NULL. A row's setter is the
 * one place that knows which values are legal: defaults go through it as the command line does.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/options.h"

enum setting_kind {
    SETTING_VALUE,  /* --name=value, once */
    SETTING_LIST,   /* --name=value, repeatable */
    SETTING_SWITCH, /* --name, --no-name */
};

struct setting {
    const char *name; /* without the dashes */
    enum setting_kind kind;

    /*
     * Check @value and store it in @field, which is NULL for a setting that is only checked. 0;
     * -EINVAL with @e filled; -ENOMEM.
     */
    int (*set)(const struct setting *s, const char *value, void *field, struct err *e);
    size_t offset; /* of the field in struct options; SETTING_NOWHERE */
    bool ignored;  /* accepted for statsd_exporter's sake, without effect */

    const char *fallback[2];    /* the defaults; more than one for a list only */
    const char *metavar;        /* NULL for a switch */
    uint64_t min, max;          /* of a number */
    const char *const *choices; /* of a word; NULL ends them */
    const char *help;
    const char *command; /* those that it has a meaning for, "tap or record"; NULL: all */
    const char *group;   /* of this row and those below, as the manual heads it; NULL: as above */
};

#define SETTING_NOWHERE SIZE_MAX

extern const struct setting settings[];

/* The field of @s in @o, or NULL. */
void *setting_field(const struct setting *s, struct options *o);

/* Has @s a meaning for @command? */
bool setting_is_for(const struct setting *s, const char *command);

/* The row named by the @len bytes of @name, or NULL. */
const struct setting *setting_find(const char *name, size_t len);

/* Set every field of @o, which is zeroed, to its default. 0 or -ENOMEM. */
int settings_defaults(struct options *o);

/* Flags that print something and end the program, and the words before other arguments. */
struct setting_word {
    const char *name;
    const char *arguments; /* "FILE..."; "" for none */
    const char *help;
};

extern const struct setting_word settings_print_flags[];
extern const struct setting_word settings_commands[];

#endif
