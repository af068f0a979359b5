/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: the exact bytes of a line, through a pipe; the time is checked for its shape only
 */
#include "base/log.h"

#include "lib/unit.h"

#include <ctype.h>
#include <math.h>
#include <unistd.h>

static char line[8192];

/* Log one event with one field and keep the line in `line`, terminated. */
static void write_one(enum log_format format, struct log_field field)
{
    struct log log = {.level = LOG_LEVEL_INFO, .format = format};
    int fds[2];
    ssize_t n;

    ck_assert_int_eq(pipe(fds), 0);
    log.fd = fds[1];
    log_event(&log, LOG_LEVEL_WARN, "test", field);
    close(fds[1]);
    n = read(fds[0], line, sizeof line - 1);
    ck_assert_int_gt(n, 0);
    line[n] = '\0';
    close(fds[0]);
}

/* What follows the event in `line`, without the line feed; checks what stands before. */
static const char *after_event(enum log_format format)
{
    const char *shape = format == LOG_FORMAT_JSON
                            ? "{\"ts\":\"dddd-dd-ddTdd:dd:dd.dddZ\",\"level\":\"warn\","
                              "\"event\":\"test\","
                            : "ts=dddd-dd-ddTdd:dd:dd.dddZ level=warn event=test ";
    size_t len = strlen(line), start = 0;
    bool in_time = true;

    ck_assert_uint_gt(len, strlen(shape));
    for (; shape[start]; start++) {
        if (shape[start] == 'Z')
            in_time = false;
        if (in_time && shape[start] == 'd')
            ck_assert(isdigit((unsigned char)line[start]));
        else
            ck_assert_msg(line[start] == shape[start], "at %zu of %s", start, line);
    }
    ck_assert_int_eq(line[len - 1], '\n');
    ck_assert_ptr_eq(strchr(line, '\n'), line + len - 1);
    line[len - 1] = '\0';
    return line + start;
}

static const struct {
    struct slice value;
    const char *logfmt;
    const char *json;
} texts[] = {
    {{"udp", 3}, "k=udp", "\"k\":\"udp\"}"},
    {{"", 0}, "k=\"\"", "\"k\":\"\"}"},
    {{NULL, 0}, "k=\"\"", "\"k\":\"\"}"},
    {{"127.0.0.1:8125", 14}, "k=127.0.0.1:8125", "\"k\":\"127.0.0.1:8125\"}"},
    {{"two words", 9}, "k=\"two words\"", "\"k\":\"two words\"}"},
    {{"a=b", 3}, "k=\"a=b\"", "\"k\":\"a=b\"}"},
    {{"q\"\\", 3}, "k=\"q\\\"\\\\\"", "\"k\":\"q\\\"\\\\\"}"},
    {{"a\nb\r\t", 5}, "k=\"a\\nb\\r\\t\"", "\"k\":\"a\\nb\\r\\t\"}"},
    {{"\0\033[2J\177", 6}, "k=\"\\u0000\\u001b[2J\\u007f\"", "\"k\":\"\\u0000\\u001b[2J\\u007f\"}"},
    {{"\xc2\x9b"
      "2J",
      4},
     "k=\"\\u009b2J\"",
     "\"k\":\"\\u009b2J\"}"},
    {{"\xc3\xa9", 2}, "k=\"\xc3\xa9\"", "\"k\":\"\xc3\xa9\"}"},
    {{"\xc2\xa0", 2}, "k=\"\xc2\xa0\"", "\"k\":\"\xc2\xa0\"}"},
    {{"x\xff\xc3", 3}, "k=\"x\\xff\\xc3\"", "\"k\":\"x\\ufffd\\ufffd\"}"},
    {{"\xed\xa0\x80", 3}, "k=\"\\xed\\xa0\\x80\"", "\"k\":\"\\ufffd\\ufffd\\ufffd\"}"},
};

/* No text can end a line, begin a field or reach a terminal as a command. */
START_TEST(test_log_escapes_text)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_one(LOG_FORMAT_LOGFMT, log_slice("k", texts[i].value));
        ck_assert_str_eq(after_event(LOG_FORMAT_LOGFMT), texts[i].logfmt);
        write_one(LOG_FORMAT_JSON, log_slice("k", texts[i].value));
        ck_assert_str_eq(after_event(LOG_FORMAT_JSON), texts[i].json);
    }
}
END_TEST

/* Numbers stand bare; JSON, which lacks words for what is not finite, has them as text. */
START_TEST(test_log_writes_numbers)
{
    static const struct {
        struct log_field field;
        const char *logfmt;
        const char *json;
    } cases[] = {
        {{"n", LOG_FIELD_INT, {0}, INT64_MIN, 0},
         "n=-9223372036854775808",
         "\"n\":-9223372036854775808}"},
        {{"d", LOG_FIELD_DOUBLE, {0}, 0, 0.25}, "d=0.25", "\"d\":0.25}"},
        {{"d", LOG_FIELD_DOUBLE, {0}, 0, 1e6}, "d=1e+06", "\"d\":1e+06}"},
        {{"d", LOG_FIELD_DOUBLE, {0}, 0, INFINITY}, "d=+Inf", "\"d\":\"+Inf\"}"},
        {{"d", LOG_FIELD_DOUBLE, {0}, 0, NAN}, "d=NaN", "\"d\":\"NaN\"}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_one(LOG_FORMAT_LOGFMT, cases[i].field);
        ck_assert_str_eq(after_event(LOG_FORMAT_LOGFMT), cases[i].logfmt);
        write_one(LOG_FORMAT_JSON, cases[i].field);
        ck_assert_str_eq(after_event(LOG_FORMAT_JSON), cases[i].json);
    }
}
END_TEST

/* A line stays bounded and well formed whatever is put into it, and says that it was cut. */
START_TEST(test_log_cuts_long_lines)
{
    static char many[100000];
    struct log log = {.level = LOG_LEVEL_DEBUG, .format = LOG_FORMAT_JSON};
    const char *text;
    int fds[2];
    ssize_t n;

    memset(many, 'x', sizeof many);
    write_one(LOG_FORMAT_LOGFMT, log_slice("k", slice_of(many, sizeof many)));
    text = after_event(LOG_FORMAT_LOGFMT);
    ck_assert_uint_eq(strlen(text), strlen("k=\"\"...") + 1024);
    ck_assert_str_eq(text + strlen(text) - 6, "xx...\"");

    ck_assert_int_eq(pipe(fds), 0);
    log.fd = fds[1];
    log_event(&log, LOG_LEVEL_DEBUG, "long", log_slice("a", slice_of(many, 1000)),
              log_slice("b", slice_of(many, 1000)), log_slice("c", slice_of(many, 1000)),
              log_slice("d", slice_of(many, 1000)), log_int("e", 1));
    n = read(fds[0], line, sizeof line - 1);
    ck_assert_int_gt(n, 3000);
    ck_assert_int_le(n, 4096);
    line[n] = '\0';
    ck_assert_str_eq(line + n - 15, "x\",\"cut\":true}\n");
    ck_assert_ptr_null(strstr(line, "\"d\""));
    ck_assert_ptr_null(strstr(line, "\"e\""));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* What is below the level is not written; a descriptor that takes nothing is no failure. */
START_TEST(test_log_keeps_to_its_level)
{
    struct log log = {.level = LOG_LEVEL_ERROR};
    int fds[2];
    char byte;

    ck_assert_int_eq(pipe(fds), 0);
    log.fd = fds[1];
    log_event(&log, LOG_LEVEL_WARN, "quiet", log_int("n", 1));
    close(fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    log.fd = -1;
    log_event(&log, LOG_LEVEL_ERROR, "nowhere", log_int("n", 1));
}
END_TEST

/* Of more lines than a second may have the rest is counted and not written. */
START_TEST(test_log_keeps_to_its_rate)
{
    struct log_rate rate = {.max = 5};
    struct log log = {.level = LOG_LEVEL_INFO, .rate = &rate};
    char text[65536];
    unsigned n_written = 0;
    ssize_t len;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    log.fd = fds[1];
    for (unsigned i = 0; i < 100; i++) {
        log_event(&log, LOG_LEVEL_ERROR, "loud", log_int("n", i));
        log_event(&log, LOG_LEVEL_DEBUG, "quiet", log_int("n", i)); /* not even counted */
    }
    close(fds[1]);
    len = read(fds[0], text, sizeof text);
    for (ssize_t i = 0; i < len; i++)
        n_written += text[i] == '\n';
    ck_assert_uint_ge(n_written, 5);
    ck_assert_uint_le(n_written, 10); /* a second may end in between */
    ck_assert_uint_eq(relaxed_load(&rate.dropped), 100 - n_written);
    relaxed_store(&rate.second, 0); /* the next one */
    log.fd = -1;
    log_event(&log, LOG_LEVEL_ERROR, "later", log_int("n", 1));
    ck_assert_uint_eq(relaxed_load(&rate.dropped), 100 - n_written);
    close(fds[0]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("log");
    TCase *write_case = tcase_create("log_write");

    tcase_add_test(write_case, test_log_escapes_text);
    tcase_add_test(write_case, test_log_writes_numbers);
    tcase_add_test(write_case, test_log_cuts_long_lines);
    tcase_add_test(write_case, test_log_keeps_to_its_level);
    tcase_add_test(write_case, test_log_keeps_to_its_rate);
    suite_add_tcase(s, write_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
