/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setters: text of a flag, checked and stored
 *
 * Contract: each is what struct setting says of its `set`. The kind of @field is in the comment;
 * NULL for a value that is only checked.
 */
#ifndef CONF_SETTERS_H
#define CONF_SETTERS_H

#include "conf/settings.h"

#define SETTER_NO_LIMIT UINT64_MAX /* of a number */

/* bool: true or false. */
int setter_switch(const struct setting *s, const char *value, void *field, struct err *e);

/* char *, owned; an empty text is NULL. */
int setter_text(const struct setting *s, const char *value, void *field, struct err *e);
int setter_path(const struct setting *s, const char *value, void *field, struct err *e);
int setter_mode(const struct setting *s, const char *value, void *field, struct err *e);

/* uint64_t, within the row's bounds. */
int setter_number(const struct setting *s, const char *value, void *field, struct err *e);

/* int64_t of milliseconds, above 0; or 0, which switches off. */
int setter_duration(const struct setting *s, const char *value, void *field, struct err *e);
int setter_duration_or_off(const struct setting *s, const char *value, void *field, struct err *e);

/* One of the row's choices: nowhere; enum log_level; any enum that counts them. */
int setter_choice(const struct setting *s, const char *value, void *field, struct err *e);
int setter_level(const struct setting *s, const char *value, void *field, struct err *e);
int setter_word(const struct setting *s, const char *value, void *field, struct err *e);

/* struct options_list, one more each time; an empty text is none. */
int setter_exemplar_tag(const struct setting *s, const char *value, void *field, struct err *e);
int setter_address(const struct setting *s, const char *value, void *field, struct err *e);
int setter_web_address(const struct setting *s, const char *value, void *field, struct err *e);
int setter_host(const struct setting *s, const char *value, void *field, struct err *e);
int setter_network(const struct setting *s, const char *value, void *field, struct err *e);
int setter_file(const struct setting *s, const char *value, void *field, struct err *e);

#endif
