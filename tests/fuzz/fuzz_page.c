/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what goes into a page is what comes out of it
 *
 * The input is records: how it is kept, a label's value of any bytes, a number of any bits. They
 * are fed as lines; then the page is made as text, in OpenMetrics and in protobuf, and each is read
 * back by a reader of its own, written from the formats and sharing nothing with the encoders. The
 * laws: all say the same of every sample (but for what OpenMetrics has no room for: sums and
 * quantiles below zero); and the gauges among them are, bit by bit, the labels and numbers that
 * were sent last. A broken law aborts with its sentence.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bacowr/aggregator.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define MAX_RECORDS 24
#define MAX_VALUE   64 /* bytes of a label's */
#define MAX_SAMPLES 4096
#define MAX_KEY     400
#define OPENMETRICS "application/openmetrics-text;version=1.0.0"
#define PROTOBUF \
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sample: its name and labels in one spelling, and its value. */
struct sample {
    char key[MAX_KEY];
    double value;
};

struct samples {
    struct sample *items;
    size_t n;
};

static void insist(bool holds, const char *law)
{
    if (holds)
        return;
    fprintf(stderr, "broken law: %s\n", law);
    abort();
}

static void add_sample(struct samples *list, const char *key, double value)
{
    insist(list->n < MAX_SAMPLES, "a page has what was sent, not more");
    insist(strlen(key) < MAX_KEY, "a label is as long as it was sent");
    strcpy(list->items[list->n].key, key);
    list->items[list->n++].value = value;
}

static void append(char *key, size_t *n, const char *p, size_t len)
{
    insist(*n + len + 1 < MAX_KEY, "names and labels are as long as they were sent");
    memcpy(key + *n, p, len);
    *n += len;
    key[*n] = '\0';
}

/* Bounds are numbers, however they are spelled. */
static void append_label(char *key, size_t *n, struct slice name, struct slice value)
{
    bool is_bound = (name.len == 2 && memcmp(name.p, "le", 2) == 0) ||
                    (name.len == 8 && memcmp(name.p, "quantile", 8) == 0);
    char text[64];

    append(key, n, "\1", 1);
    append(key, n, name.p, name.len);
    append(key, n, "\2", 1);
    if (is_bound && value.len < sizeof text) {
        memcpy(text, value.p, value.len);
        text[value.len] = '\0';
        snprintf(text, sizeof text, "%.17g", strtod(text, NULL));
        value = slice_of(text, strlen(text));
    }
    append(key, n, value.p, value.len);
}

/* ---- text ---- */

static const char *read_label(const char *p, char *key, size_t *n)
{
    const char *name = p;
    char value[2 * MAX_VALUE + 64];
    size_t len = 0, name_len;

    while (*p != '=')
        p++;
    name_len = (size_t)(p - name);
    insist(p[1] == '"', "a label's value stands in quotes");
    for (p += 2; *p != '"'; p++) {
        char c = *p;

        insist(c != '\n' && c != '\0', "a label's value ends on its line");
        if (c == '\\') {
            p++;
            insist(*p == '\\' || *p == 'n' || *p == '"', "an escape is one of three");
            c = *p == 'n' ? '\n' : *p;
        }
        insist(len < sizeof value, "a label's value is as long as it was sent");
        value[len++] = c;
    }
    append_label(key, n, slice_of(name, name_len), slice_of(value, len));
    return p + 1;
}

static void read_text(const struct buf *page, struct samples *out)
{
    const char *p = page->p, *end = page->p + page->len;

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        char key[MAX_KEY];
        size_t n = 0;

        insist(lf != NULL, "each line has an end");
        if (*p != '#') {
            size_t name = strcspn(p, "{ ");

            append(key, &n, p, name);
            p += name;
            while (*p == '{' || *p == ',')
                p = read_label(p + 1, key, &n);
            p += *p == '}';
            insist(*p == ' ', "a space stands before the value");
            add_sample(out, key, strtod(p + 1, NULL));
        }
        p = lf + 1;
    }
}

/* ---- protobuf ---- */

struct field {
    unsigned number;
    uint64_t whole;     /* of a varint */
    double real;        /* of 64 bits */
    struct slice bytes; /* of a length and so many */
};

static uint64_t read_varint(struct slice *rest)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        insist(rest->len > 0, "a varint has an end");
        byte = (uint8_t)rest->p[0];
        *rest = slice_from(*rest, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    insist(false, "a varint has ten bytes at most");
    return 0;
}

static bool next_field(struct slice *rest, struct field *out)
{
    uint64_t tag, len;

    if (rest->len == 0)
        return false;
    tag = read_varint(rest);
    *out = (struct field){.number = (unsigned)(tag >> 3)};
    if ((tag & 7) == 0) {
        out->whole = read_varint(rest);
        return true;
    }
    insist((tag & 7) == 1 || (tag & 7) == 2, "a field is a varint, 64 bits, or bytes");
    len = (tag & 7) == 1 ? 8 : read_varint(rest);
    insist(len <= rest->len, "a field ends within its message");
    out->bytes = slice_of(rest->p, len);
    if ((tag & 7) == 1)
        memcpy(&out->real, rest->p, 8);
    *rest = slice_from(*rest, len);
    return true;
}

/* The key of @labels behind @name and @suffix, with a bound or without. */
static void put(struct samples *out, struct slice name, const char *suffix, const char *labels,
                const char *bound_name, double bound, double value)
{
    char key[MAX_KEY], text[64];
    size_t n = 0;

    append(key, &n, name.p, name.len);
    append(key, &n, suffix, strlen(suffix));
    append(key, &n, labels, strlen(labels));
    if (bound_name != NULL) {
        snprintf(text, sizeof text, "%.17g", bound);
        append_label(key, &n, slice_str(bound_name), slice_str(text));
    }
    add_sample(out, key, value);
}

/* A summary's quantile or a histogram's bucket: field 1 and 2. */
static void read_point(struct slice message, struct field point[3])
{
    struct field f;

    memset(point, 0, 3 * sizeof point[0]);
    while (next_field(&message, &f))
        if (f.number < 3)
            point[f.number] = f;
}

static void read_value(struct samples *out, struct slice name, const char *labels, unsigned kind,
                       struct slice message)
{
    double sum = 0;
    uint64_t count = 0;
    struct field f, point[3];

    while (next_field(&message, &f)) {
        if (kind == 2 || kind == 3) {
            if (f.number == 1)
                put(out, name, "", labels, NULL, 0, f.real);
        } else if (f.number == 1) {
            count = f.whole;
        } else if (f.number == 2) {
            sum = f.real;
        } else if (f.number == 3) {
            read_point(f.bytes, point);
            if (kind == 4)
                put(out, name, "", labels, "quantile", point[1].real, point[2].real);
            else if (!isinf(point[2].real))
                put(out, name, "_bucket", labels, "le", point[2].real, (double)point[1].whole);
        }
    }
    if (kind == 2 || kind == 3)
        return;
    put(out, name, "_sum", labels, NULL, 0, sum);
    put(out, name, "_count", labels, NULL, 0, (double)count);
    if (kind == 7)
        put(out, name, "_bucket", labels, "le", (double)INFINITY, (double)count);
}

static void read_metric(struct samples *out, struct slice name, struct slice message)
{
    char labels[MAX_KEY] = "";
    size_t n = 0;
    struct field f, pair[3];

    while (next_field(&message, &f)) {
        if (f.number == 1) {
            read_point(f.bytes, pair);
            append_label(labels, &n, pair[1].bytes, pair[2].bytes);
        } else if (f.number == 2 || f.number == 3 || f.number == 4 || f.number == 7) {
            read_value(out, name, labels, f.number, f.bytes);
        }
    }
}

static void read_protobuf(const struct buf *page, struct samples *out)
{
    struct slice rest = buf_slice(page);

    while (rest.len > 0) {
        uint64_t len = read_varint(&rest);
        struct slice message, name = {0};
        struct field f;

        insist(len <= rest.len, "a family ends within the page");
        message = slice_of(rest.p, len);
        rest = slice_from(rest, len);
        while (next_field(&message, &f)) {
            if (f.number == 1)
                name = f.bytes;
            else if (f.number == 4)
                read_metric(out, name, f.bytes);
        }
    }
}

/* ---- what goes in ---- */

static const char *const kinds[] = {"g", "c", "h", "ms"};
static const char *const names[] = {"gauge", "counter_total", "hist", "summary"};
static const char mapping[] = "mappings:\n- {match: hist, name: hist, observer_type: histogram}\n";

/* A label's value of any bytes that a tag may have, the upper half as two bytes of UTF-8. */
static size_t make_value(const uint8_t *data, size_t n, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (data[i] >= 0x80) {
            out[len++] = (char)(0xc0 | data[i] >> 6);
            out[len++] = (char)(0x80 | (data[i] & 0x3f));
        } else {
            out[len++] =
                memchr(",|\n\r\0", data[i], 5) != NULL || data[i] < 3 ? '\\' : (char)data[i];
        }
    }
    return len;
}

static void feed(struct bacowr *b, const char *text, size_t len)
{
    const struct bacowr_datagram datagram = {.p = text, .len = len};

    bacowr_feed(bacowr_worker(b, 0), &datagram, 1, 1000);
}

/* One record; a gauge's is kept in @sent. How many bytes it took; 0: there are no more. */
static size_t take_record(struct bacowr *b, const uint8_t *data, size_t size, struct samples *sent)
{
    char value[2 * MAX_VALUE], line[512], key[MAX_KEY];
    size_t n, len, key_len = 0;
    double number;
    int r;

    if (size < 11)
        return 0;
    n = data[1] % MAX_VALUE + 1;
    if (size < 10 + n)
        return 0;
    memcpy(&number, data + 2, sizeof number);
    len = make_value(data + 10, n, value);
    if (isnan(number))
        number = (double)NAN;
    r = snprintf(line, sizeof line, "%s:%.17g|%s|#k:%.*s", names[data[0] % 4],
                 isnan(number) ? fabs(number) : number, kinds[data[0] % 4], (int)len, value);
    feed(b, line, (size_t)r);
    if (data[0] % 4 == 0) {
        append(key, &key_len, "gauge", 5);
        append_label(key, &key_len, SLICE_LIT("k"), slice_of(value, len));
        add_sample(sent, key, number);
    }
    return 10 + n;
}

/* ---- the laws ---- */

static void make_page(struct bacowr *b, const char *accept, struct buf *page)
{
    struct bacowr_scrape *s;
    int r;

    if (bacowr_scrape_new(&s, b, bacowr_format_for(b, slice_str(accept)), NULL, 0, 1000) != 0)
        abort();
    do {
        r = bacowr_scrape_next(s, page, 4096);
    } while (r == 1);
    insist(r == 0, "a page has an end");
    bacowr_scrape_free(s);
    buf_add_byte(page, '\0'); /* readers of text stop there */
    page->len--;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct sample *)a)->key, ((const struct sample *)b)->key);
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void compare(struct samples *text, struct samples *wire, const struct samples *sent)
{
    qsort(text->items, text->n, sizeof text->items[0], by_key);
    qsort(wire->items, wire->n, sizeof wire->items[0], by_key);
    insist(text->n == wire->n, "both formats have the same samples");
    for (size_t i = 0; i < text->n; i++) {
        insist(strcmp(text->items[i].key, wire->items[i].key) == 0, "both have the same labels");
        insist(same(text->items[i].value, wire->items[i].value), "both have the same values");
        insist(i == 0 || strcmp(text->items[i - 1].key, text->items[i].key) != 0,
               "no series stands twice");
    }
    for (size_t i = sent->n; i-- > 0;) {
        const struct sample *found, *last = &sent->items[i];
        bool is_later = false;

        for (size_t k = i + 1; k < sent->n; k++)
            is_later = is_later || strcmp(sent->items[k].key, last->key) == 0;
        found = bsearch(last, text->items, text->n, sizeof text->items[0], by_key);
        insist(found != NULL, "what was sent is there, label by label");
        insist(is_later || same(found->value, last->value), "a gauge is what was sent last");
    }
}

/* ---- OpenMetrics ---- */

static bool name_ends(const char *key, const char *suffix)
{
    size_t name = strcspn(key, "\1"), len = strlen(suffix);

    return name > len && memcmp(key + name - len, suffix, len) == 0;
}

/* Its mark stands at the end, and nowhere else; births are samples of their own. */
static void read_openmetrics(const struct buf *page, struct samples *out)
{
    static const char eof[] = "# EOF\n";
    const size_t len = sizeof eof - 1;
    const char *mark = strstr(page->p, "# EOF");
    size_t n = 0;

    insist(page->len >= len && memcmp(page->p + page->len - len, eof, len) == 0, "it has an end");
    while (mark != NULL && mark > page->p && mark[-1] != '\n')
        mark = strstr(mark + 1, "# EOF");
    insist(mark == page->p + page->len - len, "nothing follows its end");
    insist(strstr(page->p, "\n\n") == NULL, "no line is empty");
    read_text(page, out);
    for (size_t i = 0; i < out->n; i++)
        if (!name_ends(out->items[i].key, "_created"))
            out->items[n++] = out->items[i];
    out->n = n;
}

/* Has OpenMetrics no room for it? Of a histogram with a bad sum the count goes too. */
static bool may_be_left_out(const struct sample *s)
{
    bool is_quantile =
        strncmp(s->key, "summary\1", 8) == 0 && strstr(s->key, "\1quantile\2") != NULL;

    return (is_quantile && s->value < 0) || name_ends(s->key, "_sum") ||
           strncmp(s->key, "hist_count", 10) == 0;
}

/* Both sorted; what is @om's is among @text. */
static void compare_openmetrics(const struct samples *text, struct samples *om)
{
    size_t k = 0;

    qsort(om->items, om->n, sizeof om->items[0], by_key);
    for (size_t i = 0; i < text->n; i++) {
        const struct sample *s = &text->items[i];

        if (k < om->n && strcmp(om->items[k].key, s->key) == 0) {
            insist(same(om->items[k].value, s->value), "OpenMetrics has the same values");
            k++;
        } else {
            insist(may_be_left_out(s), "OpenMetrics has the same samples");
        }
    }
    insist(k == om->n, "OpenMetrics has no other samples");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sample rooms[4][MAX_SAMPLES];
    struct samples text = {rooms[0], 0}, wire = {rooms[1], 0}, sent = {rooms[2], 0};
    struct samples om = {rooms[3], 0};
    struct bacowr_config config = {.n_workers = 1,
                                   .hash_seed = 1,
                                   .statsd = statsd_default_options(),
                                   .gauge_mode = STATSD_GAUGE_ABSOLUTE,
                                   .unix_ms_at_zero = 1,
                                   .openmetrics = true};
    struct buf page = {0};
    struct bacowr *b;
    struct err e;

    if (bacowr_new(&b, &config) != 0 ||
        bacowr_load_mapping(b, "m", slice_str(mapping), NULL, NULL, &e) != 0)
        abort();
    for (unsigned i = 0; i < MAX_RECORDS; i++) {
        size_t n = take_record(b, data, size, &sent);

        if (n == 0)
            break;
        data += n;
        size -= n;
    }
    make_page(b, "", &page);
    read_text(&page, &text);
    buf_clear(&page);
    make_page(b, PROTOBUF, &page);
    read_protobuf(&page, &wire);
    buf_clear(&page);
    make_page(b, OPENMETRICS, &page);
    read_openmetrics(&page, &om);
    compare(&text, &wire, &sent);
    compare_openmetrics(&text, &om);
    buf_release(&page);
    bacowr_free(b);
    return 0;
}
