/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: service checks as lines of gauges
 */
#include <stdlib.h>
#include <string.h>

#include "bacowr/statsd.h"
#include "base/slice.h"
#include "lib/guard.h"
#include "lib/unit.h"

#define N(cases) (sizeof(cases) / sizeof(cases)[0])

static enum statsd_reason rewrite(const char *text, char *out, size_t *len)
{
    size_t n = strlen(text);
    const char *line = guard_copy(text, n);
    char *room = malloc(STATSD_CHECK_SIZE(n));
    enum statsd_reason reason;

    ck_assert_ptr_nonnull(room);
    *len = 0;
    reason = statsd_check_to_gauge(slice_of(line, n), room, len);
    ck_assert_uint_le(*len, STATSD_CHECK_SIZE(n));
    memcpy(out, room, *len);
    free(room);
    guard_free(line, n);
    return reason;
}

/* Name, status, host, tags and container go on; times, messages and what no gauge has do not. */
START_TEST(test_check_becomes_a_gauge)
{
    static const struct {
        const char *line;
        const char *gauge;
    } cases[] = {
        {"_sc|a|0", "a.status:0|g|#"},
        {"_sc|db.up|3|d:1700000000|h:web1|#env:prod,x|c:ci-1|m:no: answer",
         "db.up.status:3|g|#host:web1|#env:prod,x|c:ci-1"},
        {"_sc|a|1|m:#x:y|#k:v", "a.status:1|g|#|#k:v"},
        {"_sc|a|1|#host:own|h:web1", "a.status:1|g|#host:web1|#host:own"},
        {"_sc|a|1|h:a,b:c|h:d,e:f", "a.status:1|g|#host:d_e:f"},
        {"_sc|a|1|h:web1|h:", "a.status:1|g|#"},
        {"_sc|a|2|e:it-x|card:low|new:x|T5|@0.5|junk|", "a.status:2|g|#|e:it-x|card:low|new:x"},
        {"_sc|a:1|2|c:", "a_1.status:2|g|#|c:"},
        {"_sc|a,b#c;d[e]f:g{h|2", "a_b_c_d_e_f_g_h.status:2|g|#"},
        {"_sc|_e{1,1}|0", "_e_1_1}.status:0|g|#"},
    };

    for (size_t i = 0; i < N(cases); i++) {
        char out[128];
        size_t len;

        ck_assert_msg(rewrite(cases[i].line, out, &len) == STATSD_OK, "%s", cases[i].line);
        ck_assert_msg(slice_eq_str(slice_of(out, len), cases[i].gauge), "%s: %.*s", cases[i].line,
                      (int)len, out);
    }
}
END_TEST

/* No name, or a status that is not one digit from 0 to 3. */
START_TEST(test_check_malformed)
{
    static const char *const lines[] = {
        "_sc|",    "_sc||0",   "_sc|a",    "_sc|a|",   "_sc|a|4",
        "_sc|a|/", "_sc|a|00", "_sc|a| 1", "_sc|a|ok", "_sc|a|-1|h:x",
    };

    for (size_t i = 0; i < N(lines); i++) {
        char out[128];
        size_t len;

        ck_assert_msg(rewrite(lines[i], out, &len) == STATSD_E_BAD_CHECK, "%s", lines[i]);
        ck_assert_uint_eq(len, 0);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("check");
    TCase *check = tcase_create("check");

    tcase_add_test(check, test_check_becomes_a_gauge);
    tcase_add_test(check, test_check_malformed);
    suite_add_tcase(s, check);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
