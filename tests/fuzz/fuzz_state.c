/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz: a state from a file or another process, any bytes
 *
 * The first byte says how the others are given. As they are: chunks hold checksums, so that few
 * inputs get past them. Or as payloads of chunks, one for each run of bytes between two 0xff, whose
 * header, lengths and checksums are made here: these get to the records.
 *
 * Laws: what check_only lets pass is taken without a fault, and it is the same in pieces of any
 * size. What was taken makes a page that the strict reader accepts, and is saved as a state that
 * makes the same page.
 */
#include "bacowr/aggregator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "lib/page.h"
#include "state/format.h"
#include "state/wire.h"

static const struct bacowr_config config = {
    .n_workers = 2,
    .hash_seed = 0x5eed,
    .max_series = 1000,
    .unix_ms_at_zero = 1700000000000,
    .openmetrics = true,
};
#define NOW_MS 5000000
#define PROTOBUF \
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* ---- input ---- */

static void put_chunk(struct buf *out, const uint8_t *p, size_t n, uint64_t *check)
{
    *check = hash_bytes(slice_of((const char *)p, n), *check);
    wire_put_fixed(out, n, STATE_LENGTH_LEN);
    buf_add(out, p, n);
    wire_put_fixed(out, *check, STATE_CHECK_LEN);
}

static void wrap(struct buf *out, const uint8_t *p, size_t n)
{
    uint64_t check;

    buf_add(out, STATE_MAGIC, STATE_MAGIC_LEN);
    wire_put_fixed(out, STATE_VERSION, 4);
    check = hash_bytes(buf_slice(out), 0);
    while (n > 0) {
        const uint8_t *end = memchr(p, 0xff, n);
        size_t len = end != NULL ? (size_t)(end - p) : n;

        if (len > 0)
            put_chunk(out, p, len, &check);
        n -= end != NULL ? len + 1 : len;
        p += end != NULL ? len + 1 : len;
    }
}

/* ---- engines ---- */

static struct bacowr *engine_new(void)
{
    struct bacowr *b;

    demand(bacowr_new(&b, &config) == 0);
    return b;
}

static int load(struct bacowr *b, bool check_only, struct slice state, size_t step)
{
    const struct bacowr_state_load_config c = {
        .check_only = check_only, .counts = true, .max_age_ms = -1};
    struct bacowr_state_report report;
    struct bacowr_state_load *l;
    int more = 1;

    demand(bacowr_state_load_new(&l, b, &c, NOW_MS) == 0);
    for (size_t at = 0; at < state.len && more >= 0; at += step)
        more =
            bacowr_state_load_next(l, state.p + at, state.len - at < step ? state.len - at : step);
    bacowr_state_load_report(l, &report);
    demand((more == -EINVAL) == (report.fault != BACOWR_STATE_WELL));
    demand((more == -EINVAL) == (report.why[0] != '\0'));
    bacowr_state_load_free(l);
    return more;
}

static void save(struct bacowr *b, struct buf *out)
{
    struct bacowr_state_save *s;
    int more = 1;

    demand(bacowr_state_save_new(&s, b, true, NOW_MS) == 0);
    while (more == 1)
        more = bacowr_state_save_next(s, out, 100);
    demand(more == 0);
    bacowr_state_save_free(s);
}

static void scrape(struct bacowr *b, const char *accept, struct buf *out)
{
    struct bacowr_scrape *s;
    int more = 1;

    demand(bacowr_scrape_new(&s, b, bacowr_format_for(b, slice_str(accept)), NULL, 0, NOW_MS) == 0);
    while (more == 1)
        more = bacowr_scrape_next(s, out, 4096);
    demand(more == 0);
    bacowr_scrape_free(s);
}

/* All pages; the text is left in @page, and no law of the format is broken in it. */
static void scrape_all(struct bacowr *b, struct buf *page)
{
    static const char *const formats[] = {"application/openmetrics-text;version=1.0.0", PROTOBUF,
                                          ""};
    unsigned line;

    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        buf_clear(page);
        scrape(b, formats[i], page);
    }
    demand(page_broken(buf_slice(page), &line) == NULL);
}

static void check_taken(struct slice state)
{
    struct bacowr *b = engine_new(), *next = engine_new();
    struct buf page = {0}, again = {0}, other = {0};

    demand(load(b, false, state, 1000) == 0);
    scrape_all(b, &page);
    save(b, &again);
    demand(load(next, true, buf_slice(&again), again.len) == 0);
    demand(load(next, false, buf_slice(&again), again.len) == 0);
    scrape_all(next, &other);
    demand(slice_eq(buf_slice(&page), buf_slice(&other)));
    bacowr_tick(b, NOW_MS);
    bacowr_tick(b, NOW_MS + 100);
    bacowr_free(b);
    bacowr_free(next);
    buf_release(&page);
    buf_release(&again);
    buf_release(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf state = {0};
    int whole, pieces;

    if (size == 0)
        return 0;
    if (data[0] & 1)
        wrap(&state, data + 1, size - 1);
    else
        buf_add(&state, data + 1, size - 1);
    whole = load(NULL, true, buf_slice(&state), state.len > 0 ? state.len : 1);
    pieces = load(NULL, true, buf_slice(&state), (size_t)data[0] + 1);
    demand(whole == pieces);
    if (whole == 0)
        check_taken(buf_slice(&state));
    buf_release(&state);
    return 0;
}
