/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: lines of the command line, of the standard input, of a capture
 *
 * A capture tells itself by its first line; of its records only what was received is explained, and
 * its remarks are passed over. Anything else is a line as a sender would send it, whatever bytes
 * it has, and one without end is cut with a word.
 *
 * Laws: no socket is opened. Each explanation leaves at once, so that lines may come from a pipe
 *       that stays open.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bacowr/aggregator.h"
#include "base/buf.h"
#include "command/command.h"
#include "server/capture.h"

/* More than any datagram holds. */
#define MAX_LINE 65536

struct explainer {
    struct bacowr *b;
    enum bacowr_explain_form form;
    struct buf line, told;
    bool told_one;
};

static int explain_one(struct explainer *x, struct slice line)
{
    int r;

    buf_clear(&x->told);
    if (x->told_one && x->form == BACOWR_EXPLAIN_TEXT)
        buf_add_byte(&x->told, '\n');
    r = bacowr_explain(x->b, line, x->form, &x->told);
    if (r == 0)
        fwrite(x->told.p, 1, x->told.len, stdout);
    fflush(stdout);
    x->told_one = true;
    return r;
}

/* Read a line with its LF, whatever bytes it has. False at the end. */
static bool read_input_line(struct buf *line, bool *cut)
{
    bool any = false;
    int c;

    buf_clear(line);
    *cut = false;
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
        any = true;
        if (line->len < MAX_LINE)
            buf_add_byte(line, (char)c);
        else
            *cut = true;
    }
    if (c == '\n')
        buf_add_byte(line, '\n');
    return any || c == '\n';
}

/* A line of a capture, without its LF. Remarks are passed over. */
static int explain_record(struct explainer *x, struct slice line, unsigned long long n)
{
    struct capture_record record;
    int r;

    if (line.len > 0 && line.p[line.len - 1] == '\n')
        line.len--;
    r = capture_read(line, &record);
    if (r < 0)
        fprintf(stderr, "bacowr-statsd: line %llu of the capture is invalid\n", n);
    return r > 0 ? explain_one(x, record.text) : r;
}

/* The first line of the input: 1, and it is used up, if a capture begins with it. */
static int begin_capture(struct slice line)
{
    int r;

    if (line.len > 0 && line.p[line.len - 1] == '\n')
        line.len--;
    r = capture_begins(line);
    if (r < 0)
        fprintf(stderr,
                "bacowr-statsd: unsupported capture version, this program reads version 1\n");
    return r;
}

static int explain_input(struct explainer *x)
{
    unsigned long long n = 0;
    bool cut;
    int r = 0, capture = 0;

    while (r == 0 && !ferror(stdout) && read_input_line(&x->line, &cut)) {
        n++;
        if (cut)
            fprintf(stderr, "bacowr-statsd: line %llu of the input is truncated after %d bytes\n",
                    n, MAX_LINE);
        r = x->line.failed ? -ENOMEM : 0;
        if (r == 0 && n == 1)
            r = capture = begin_capture(buf_slice(&x->line));
        if (r == 0)
            r = capture > 0 ? explain_record(x, buf_slice(&x->line), n)
                            : explain_one(x, buf_slice(&x->line));
        else if (r > 0)
            r = 0;
    }
    return r == 0 && ferror(stdin) ? -EIO : r;
}

static int explain_all(struct explainer *x, const struct options_list *lines)
{
    int r = lines->n == 0 ? explain_input(x) : 0;

    for (size_t i = 0; i < lines->n && r == 0; i++) {
        if (strcmp(lines->items[i], "-") == 0)
            r = explain_input(x);
        else
            r = explain_one(x, slice_str(lines->items[i]));
    }
    if (r < 0 && r != -EPROTONOSUPPORT && r != -EBADMSG) /* told already */
        fprintf(stderr, "bacowr-statsd: %s\n",
                r == -EIO ? "cannot read the standard input" : strerror(-r));
    return r;
}

int command_explain(const struct options *o)
{
    struct explainer x = {.form = o->explain_json ? BACOWR_EXPLAIN_JSON : BACOWR_EXPLAIN_TEXT};
    int r = command_new_engine(&x.b, o);

    if (r == 0 && o->mapping_config.n > 0)
        r = command_load_mapping(x.b, &o->mapping_config);
    if (r == 0)
        r = explain_all(&x, &o->arguments);
    buf_release(&x.line);
    buf_release(&x.told);
    bacowr_free(x.b);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
