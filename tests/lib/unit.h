/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main function of every check program
 *
 * One program per module, one suite per program. The last line that check prints says how many
 * checks ran; a program that ran none fails.
 */
#ifndef TESTS_LIB_UNIT_H
#define TESTS_LIB_UNIT_H

#include <check.h>

/*
 * check writes the place of every assertion that holds to a file and reads it back in the end, in
 * quadratic time: with a loop of ten thousand a test takes a minute. It serves to tell where a test
 * died, which the sanitizers tell better.
 */
#define _mark_point(file, line) ((void)0)

/* Takes @suite and runs it. The exit status: 0 when at least one check ran and none failed. */
int unit_main(Suite *suite);

#endif
