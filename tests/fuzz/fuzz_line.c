/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a datagram's way through the parser
 *
 * The input is one datagram. It is cut into lines in both modes, and each line is asked for the
 * laws of line_laws.h with every dialect on, with the default, with none, and with
 * tags without values, containers and exemplars treated in other ways. A broken law aborts
 * with its sentence.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/line_laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(const char *broken)
{
    if (!broken)
        return;
    fprintf(stderr, "broken law: %s\n", broken);
    abort();
}

static void try_line(struct slice line)
{
    const struct statsd_options options[] = {
        {.dogstatsd_tags = true,
         .influxdb_tags = true,
         .librato_tags = true,
         .signalfx_tags = true,
         .graphite_tags = true,
         .valueless_tags = STATSD_VALUELESS_TRUE,
         .exemplar_tags = {"trace_id", "k"}},
        statsd_default_options(),
        {.valueless_tags = STATSD_VALUELESS_IGNORE},
        {.dogstatsd_tags = true, .valueless_tags = STATSD_VALUELESS_EMPTY},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        insist(line_laws_broken(line, &options[i]));
}

/* The pieces of @text: they lie in it one after the other, and none holds a LF. */
static unsigned try_text(struct slice text, bool stream)
{
    struct statsd_cursor cursor = statsd_cursor(text, stream);
    const char *at = text.p;
    struct slice line;
    unsigned n = 0;

    while (statsd_next_line(&cursor, &line)) {
        if (line.p != at || !law_inside(line, text) || slice_find(line, '\n') < line.len)
            insist("lines follow each other, a line end between");
        at = line.p + line.len;
        if (at < text.p + text.len)
            at += *at == '\r' ? 2 : 1;
        n++;
        if (!stream && line.len > 0)
            try_line(line);
    }
    if (at != text.p + text.len)
        insist("the last line ends the text");
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    bool ends_with_lf = size > 0 && data[size - 1] == '\n';
    unsigned n_datagram = try_text(text, false);
    unsigned n_stream = try_text(text, true);

    if (n_datagram != n_stream + (size == 0 || ends_with_lf))
        insist("a datagram has an empty line where a stream has none");
    return 0;
}
