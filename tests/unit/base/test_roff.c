/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roff: the exact lines of each piece
 */
#include "base/roff.h"

#include "lib/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* What was written, as a string; the next call frees it. */
static const char *written(struct buf *out)
{
    static struct buf last;

    buf_add_byte(out, '\0');
    ck_assert(!out->failed);
    buf_release(&last);
    last = *out;
    *out = (struct buf){0};
    return last.p;
}

static const struct {
    const char *text, *roff;
} plain[] = {
    {"", "\n"},
    {"a b", "a b\n"},
    {"  a \n b ", "a b\n"},
    {"--flag", "\\-\\-flag\n"},
    {"a\\b", "a\\eb\n"},
    {"'a' `b` \"c\"", "\\(aqa\\(aq \\(gab\\(ga \\(dqc\\(dq\n"},
    {"^~", "\\(ha\\(ti\n"},
    {".5 a.b ... .", "\\&.5 a.b \\&... \\&.\n"},
};

/* Each character that means something to roff is written as its escape. */
START_TEST(test_roff_escapes)
{
    struct buf out = {0};
    struct roff r = {.out = &out};
    char want[256];

    snprintf(want, sizeof want, ".TP\n\\fBt\\fR\n%s", plain[_i].roff);
    roff_item(&r, "t", plain[_i].text);
    ck_assert_str_eq(written(&out), want);
}
END_TEST

static const struct {
    const char *prose, *roff;
} prose[] = {
    {"a `b` c", "a \\fBb\\fR c\n"},
    {"`a-b c`, `.d`.", "\\fBa\\-b c\\fR, \\fB.d\\fR.\n"},
    {"``", "\\fB\\fR\n"},
    {"an open `end", "an open \\fBend\\fR\n"},
};

/* Backticks turn bold on and off, and it never outlives its paragraph. */
START_TEST(test_roff_marks_prose)
{
    struct buf out = {0};
    struct roff r = {.out = &out};
    char want[256];

    snprintf(want, sizeof want, ".PP\n%s", prose[_i].roff);
    roff_paragraph(&r, prose[_i].prose);
    ck_assert_str_eq(written(&out), want);
    snprintf(want, sizeof want, ".IP\n%s", prose[_i].roff);
    roff_indented(&r, prose[_i].prose);
    ck_assert_str_eq(written(&out), want);
}
END_TEST

/* Lines are filled up to 80 bytes; only a word that is longer stands alone in a longer one. */
START_TEST(test_roff_fills_lines)
{
    char text[2000] = "", word[200];
    struct buf out = {0};
    struct roff r = {.out = &out};
    size_t n_words = 0;
    const char *line;

    for (size_t len = 1; len < 60; len += 7) {
        memset(word, '.', len);
        memcpy(word + len, " ", 2);
        strcat(text, word);
    }
    memset(word, '-', 150);
    word[150] = '\0';
    strcat(text, word);
    roff_paragraph(&r, text);
    line = strchr(written(&out), '\n') + 1;
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");

        ck_assert(strncmp(line, "\\&.", 3) == 0 || strncmp(line, "\\-", 2) == 0);
        ck_assert_msg(len <= 80 || memchr(line, ' ', len) == NULL, "%.*s", (int)len, line);
        for (size_t i = 0; i < len; i++)
            n_words += line[i] == ' ';
        n_words++;
        line += len + 1;
    }
    ck_assert_uint_eq(n_words, 10);
}
END_TEST

/* An example keeps its lines, its blanks and its dots. */
START_TEST(test_roff_keeps_examples)
{
    struct buf out = {0};
    struct roff r = {.out = &out};

    roff_example(&r, ".a  'b'\n\n  - c\\d `e`\nlast");
    ck_assert_str_eq(written(&out), ".PP\n.RS 4\n.EX\n"
                                    "\\&.a  \\(aqb\\(aq\n\n  \\- c\\ed \\(gae\\(ga\nlast\n"
                                    ".EE\n.nh\n.RE\n");
}
END_TEST

static void tell(struct roff *r)
{
    roff_item(r, "-v", "w");
}

/* A page has its pieces in order. */
START_TEST(test_roff_makes_pages)
{
    static const struct roff_part parts[] = {
        {ROFF_HEAD, "A HEAD", NULL}, {ROFF_LINES, "l", NULL},        {ROFF_TEXT, "text", NULL},
        {ROFF_SUBHEAD, "b", NULL},   {ROFF_ITEM, "`c` d", "-t `u`"}, {ROFF_LINES, "line\n", NULL},
        {ROFF_END, NULL, NULL},
    };
    static const struct roff_part after[] = {{ROFF_TEXT, "end", NULL}, {ROFF_END, NULL, NULL}};
    static const struct roff_page page = {"A-B", 5, "2000-01-31", "prog", parts, tell, after};
    struct buf out = {0};

    ck_assert_int_eq(roff_page(&out, &page, "1.0-rc"), 0);
    ck_assert_str_eq(written(&out),
                     ".TH \"A\\-B\" 5 \"2000-01-31\" \"prog 1.0\\-rc\"\n"
                     ".nh\n.ad l\n.SH A HEAD\n.RS 4\n.EX\nl\n.EE\n.nh\n.RE\n.PP\ntext\n.SS b\n"
                     ".TP\n\\fB\\-t \\(gau\\(ga\\fR\n\\fBc\\fR d\n"
                     ".PP\n.RS 4\n.EX\nline\n.EE\n.nh\n.RE\n"
                     ".TP\n\\fB\\-v\\fR\nw\n.PP\nend\n");
    out.failed = true;
    ck_assert_int_eq(roff_page(&out, &page, "1.0-rc"), -ENOMEM);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("roff");
    TCase *roff = tcase_create("roff");

    tcase_add_loop_test(roff, test_roff_escapes, 0, N(plain));
    tcase_add_loop_test(roff, test_roff_marks_prose, 0, N(prose));
    tcase_add_test(roff, test_roff_fills_lines);
    tcase_add_test(roff, test_roff_keeps_examples);
    tcase_add_test(roff, test_roff_makes_pages);
    suite_add_tcase(s, roff);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
