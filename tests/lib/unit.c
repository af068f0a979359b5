/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main function of every check program: see unit.h
 */
#include "lib/unit.h"

#include <stdlib.h>

int unit_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int n_run, n_failed;

    srunner_run_all(runner, CK_ENV);
    n_run = srunner_ntests_run(runner);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_run > 0 && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
