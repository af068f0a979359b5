/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wire: a reader of protobuf's bytes
 *
 * Contract: each function takes what it names from the front of @s, and fails the test where it is
 * not there, or not as short as it can be.
 */
#ifndef TESTS_LIB_WIRE_H
#define TESTS_LIB_WIRE_H

#include <stdint.h>

#include "base/slice.h"

uint64_t wire_varint(struct slice *s);

/* A message behind its length. */
struct slice wire_message(struct slice *s);

/* The field of bytes that has the number @field. */
struct slice wire_bytes(struct slice *s, unsigned field);

#endif
