/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: what a rule, or none, says of the samples that it takes, and how an engine reads lines
 *
 * Contract: told as JSON by the document of identities, and by the comparison of two mappings, so
 * that both speak of the same things in the same words. Keys are only added.
 */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include "base/json.h"
#include "engine/engine.h"

/* The number of what takes @res, of an identity that @r looked up: below (rules + 1) times
 * STATSD_N_TYPES. */
size_t settings_number(const struct mapping *m, const struct resolver *r,
                       const struct resolution *res);

/* Members of the object that is open in @j: type, help, ttl_seconds, ... */
void settings_tell(const struct resolution *res, struct json *j);

/* How identities are read: an object under "reading". */
void reading_tell(const struct bacowr_config *config, struct json *j);

/* A member of that object: false, and nothing is done, if it has no such meaning here. */
bool reading_take(struct bacowr_config *config, struct slice key, struct slice value);

#endif
