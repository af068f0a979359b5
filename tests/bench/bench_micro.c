/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bench: the steps that a line and a page consist of, one by one
 *
 * Each step is a function that does it N_OPS times to inputs that differ and stand ready. Nothing
 * else runs meanwhile, so all that it touches is in the nearest cache: a line cannot be had for the
 * sum of its steps, but a step that becomes dearer is seen here. There are no goals.
 *
 * micro.py has the program run twice: for ns, and by callgrind for instructions, which counts what
 * micro_run() executes and writes down its sum at each micro_mark(), as budget.c's are counted.
 *
 * Laws: what a step makes is added up and printed nowhere, but asked for: a compiler cannot leave
 *       it out.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/num_short.h"
#include "bench/bench.h"
#include "expo/encoder.h"
#include "mapping/mapping.h"
#include "mapping/regex.h"
#include "statsd/plain.h"
#include "store/cell_write.h"
#include "store/route_find.h"

#define N_OPS     1000u
#define N_KEYS    100000u
#define N_BOUNDS  11u
#define MIN_NS    2e6 /* of a round */
#define TEXT_ROOM 160u

struct input {
    char text[TEXT_ROOM];
    size_t len, name_len; /* padded, all of them */
};

struct world {
    struct statsd_options options;
    struct input inputs[N_OPS]; /* as the step wants them */
    struct route_key *keys;     /* N_KEYS */
    struct input *names;        /* theirs */
    struct routes *few, *many;
    struct mapping *mapping;
    struct mapping_scratch *scratch;
    struct regex *regex;
    struct regex_scratch *regex_scratch;
    struct shape *shapes[METRIC_N_TYPES + 1];
    struct cell *cells[METRIC_N_TYPES + 1];
    struct buf page;
    double values[N_OPS];
    struct cell_time now;
    uint64_t sum;
};

#define NATIVE METRIC_N_TYPES

static void out_of_memory(void)
{
    bench_die("out of memory");
}

/* ---- inputs ---- */

typedef void (*input_fn)(struct buf *out, unsigned i);

static unsigned value_of(unsigned i)
{
    return 1 + i * 7919 % 997;
}

#define INPUT(name, format, ...)                  \
    static void name(struct buf *out, unsigned i) \
    {                                             \
        buf_addf(out, format, __VA_ARGS__);       \
    }

INPUT(plain_text, "app.web.requests.of%04u:%u|c\nx", i, value_of(i))
INPUT(packed_text, "app.web.duration.of%04u:%u:%u:%u:%u|ms\nx", i, value_of(i), value_of(i + 1),
      value_of(i + 2), value_of(i + 3))
INPUT(set_text, "app.web.users.of%04u:u%u|s", i, value_of(i))
INPUT(long_text, "app.web.requests.of%04u:%u|c|@0.1|T16%u", i, value_of(i), i)
INPUT(tagged_text, "app.web.requests|c|#host:web-%04u,route:/r/%05u,env:prod1", i, i)
INPUT(glob_text, "svc%03u.requests.a%u.b%u", i, i % 7, i % 3)
INPUT(regex_text, "job%03u.nightly.run-%u", i % 100, i)
INPUT(miss_text, "app.web.c.metric%07u", i)
INPUT(member_text, "member-%u", i % 50)
INPUT(whole_text, "%u", value_of(i))
INPUT(point_text, "%u.%03u", value_of(i), i)
INPUT(digits_text, "0.%u%u%u", 100 + value_of(i), 12345u + i, 99000u + i)

/* Each name's end is at the first colon, or bar, or where the text ends. */
static void fill(struct input *inputs, unsigned n, input_fn fn)
{
    struct buf text = {0};

    for (unsigned i = 0; i < n; i++) {
        buf_clear(&text);
        fn(&text, i);
        if (text.failed || text.len + PLAIN_PADDING > TEXT_ROOM)
            bench_die("an input does not fit");
        memcpy(inputs[i].text, text.p, text.len);
        inputs[i].len = text.len;
        inputs[i].name_len = strcspn(inputs[i].text, ":|");
    }
    buf_release(&text);
}

static struct slice text_of(const struct input *input)
{
    return slice_of(input->text, input->len);
}

/* ---- parse ---- */

static void parse_plain(struct world *w)
{
    struct plain_line cut;

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum += plain_cut(text_of(&w->inputs[i]), true, &cut) ? cut.taken : 0;
}

static void parse_packed(struct world *w)
{
    struct plain_line cut;
    double values[8];

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum += plain_cut_packed(text_of(&w->inputs[i]), true, &cut, values, 8);
}

static void parse_scan(struct world *w)
{
    struct statsd_scan scan;

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum += statsd_scan(text_of(&w->inputs[i]), &w->options, &scan) ? scan.name.len : 0;
}

static void parse_long(struct world *w)
{
    struct statsd_parts parts;
    struct statsd_sample sample;

    for (unsigned i = 0; i < N_OPS; i++) {
        w->sum += statsd_split(text_of(&w->inputs[i]), &w->options, &parts);
        while (statsd_next_sample(&parts, &sample))
            w->sum += sample.suffix.len;
    }
}

static void parse_identity(struct world *w)
{
    static struct statsd_identity identity;
    char scratch[STATSD_SCRATCH_SIZE(TEXT_ROOM, TEXT_ROOM)];

    for (unsigned i = 0; i < N_OPS; i++) {
        struct slice text = text_of(&w->inputs[i]);

        statsd_identify(slice_of(text.p, w->inputs[i].name_len),
                        slice_from(text, w->inputs[i].name_len), &w->options, scratch, &identity);
        w->sum += identity.n_labels;
    }
}

/* ---- route ---- */

static void find_routes(struct world *w, struct routes *t, unsigned n)
{
    for (unsigned i = 0; i < N_OPS; i++) {
        const struct route_key *known = &w->keys[(uint64_t)i * 7919 % n];
        struct route_key key = route_key(t, known->name, known->suffix);

        w->sum += route_find(t, &key) != NULL;
    }
}

static void route_few(struct world *w)
{
    find_routes(w, w->few, N_OPS);
}

static void route_many(struct world *w)
{
    find_routes(w, w->many, N_KEYS);
}

static void remember(struct world *w, struct routes *t, unsigned n)
{
    struct route_plan plan = {.scale = 1, .divisor = 1, .weight = 1};
    struct route what = {.cell = &route_nowhere, .plan = &plan};

    for (unsigned i = 0; i < n; i++) {
        struct route_key key = route_key(t, w->keys[i].name, w->keys[i].suffix);

        if (route_put(t, &key, &what) == NULL)
            out_of_memory();
    }
    route_flush(t);
    w->sum += route_stats(t).n;
}

static void route_new(struct world *w)
{
    struct routes *t;

    if (routes_new(&t, 1, N_KEYS) != 0)
        out_of_memory();
    remember(w, t, N_OPS);
    routes_free(t);
}

/* ---- cell ---- */

static void cell_counter(struct world *w)
{
    for (unsigned i = 0; i < N_OPS; i++)
        cell_add(w->cells[METRIC_COUNTER], w->values[i], w->now);
}

static void cell_gauge(struct world *w)
{
    for (unsigned i = 0; i < N_OPS; i++)
        cell_gauge_set(w->cells[METRIC_GAUGE], w->values[i], w->now);
}

static void observe(struct world *w, unsigned which)
{
    struct cell_outgrown *outgrown;

    for (unsigned i = 0; i < N_OPS; i++) {
        w->sum += (unsigned)cell_observe_buckets(w->cells[which], w->shapes[which], w->values[i], 1,
                                                 w->now, &outgrown);
        free(outgrown);
    }
}

static void cell_histogram(struct world *w)
{
    observe(w, METRIC_HISTOGRAM);
}

static void cell_native(struct world *w)
{
    observe(w, NATIVE);
}

static void cell_summary(struct world *w)
{
    for (unsigned i = 0; i < N_OPS; i++)
        cell_observe_sketch(w->cells[METRIC_SUMMARY], w->shapes[METRIC_SUMMARY], w->values[i], 1,
                            w->now);
}

static void cell_set(struct world *w)
{
    struct cell_outgrown *outgrown;

    for (unsigned i = 0; i < N_OPS; i++) {
        w->sum += (unsigned)cell_set_add(w->cells[METRIC_SET], w->shapes[METRIC_SET],
                                         text_of(&w->inputs[i]), w->now, &outgrown);
        free(outgrown);
    }
}

/* ---- glob, regex ---- */

static void match(struct world *w)
{
    struct mapping_result result;

    for (unsigned i = 0; i < N_OPS; i++) {
        struct mapping_query q = {.kind = MAPPING_COUNTER, .name = text_of(&w->inputs[i])};

        if (mapping_match(w->mapping, &q, w->scratch, &result) != 0)
            out_of_memory();
        w->sum += result.rule != NULL ? result.name.len : 0;
    }
}

static void search(struct world *w)
{
    struct slice captures[3];

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum +=
            (unsigned)regex_match(w->regex, text_of(&w->inputs[i]), w->regex_scratch, captures);
}

/* ---- encode ---- */

static void encode(struct world *w, const struct encoder *encoder, struct snapshot_series *s,
                   enum snapshot_type type)
{
    const struct snapshot_family f = {
        .name = SLICE_LIT("api_requests_total"), .help = SLICE_LIT("Requests."), .type = type};

    buf_clear(&w->page);
    for (unsigned i = 0; i < N_OPS; i++) {
        s->value = w->values[i];
        encoder->series(&w->page, &f, s);
    }
    if (w->page.failed)
        out_of_memory();
    w->sum += w->page.len;
}

static void encode_counter(struct world *w, const struct encoder *encoder)
{
    struct snapshot_series s = {.labels = SLICE_LIT("host=\"web-0001\",route=\"/r/00012\"")};

    encode(w, encoder, &s, SNAPSHOT_COUNTER);
}

static void encode_histogram(struct world *w, const struct encoder *encoder)
{
    const struct shape *shape = w->shapes[METRIC_HISTOGRAM];
    static uint64_t cumulative[N_BOUNDS];
    struct snapshot_series s = {
        .labels = SLICE_LIT("host=\"web-0001\",route=\"/r/00012\""),
        .sum = 1234.5,
        .count = 1000,
        .n_points = N_BOUNDS,
        .points = shape->points,
        .point_texts = shape->texts,
        .cumulative = cumulative,
    };

    for (unsigned i = 0; i < N_BOUNDS; i++)
        cumulative[i] = 90 * (uint64_t)i;
    encode(w, encoder, &s, SNAPSHOT_HISTOGRAM);
}

#define ENCODE(name, what, encoder)   \
    static void name(struct world *w) \
    {                                 \
        what(w, &encoder);            \
    }

ENCODE(text_counter, encode_counter, encoder_text)
ENCODE(text_histogram, encode_histogram, encoder_text)
ENCODE(openmetrics_counter, encode_counter, encoder_openmetrics)
ENCODE(openmetrics_histogram, encode_histogram, encoder_openmetrics)
ENCODE(protobuf_counter, encode_counter, encoder_protobuf)
ENCODE(protobuf_histogram, encode_histogram, encoder_protobuf)

/* ---- numbers ---- */

static void read_short(struct world *w)
{
    double v;

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum += num_short_parse(w->inputs[i].text, (unsigned)w->inputs[i].len, &v) && v > 0;
}

static void read_any(struct world *w)
{
    double v;

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum += num_parse(text_of(&w->inputs[i]), &v) == 0 && v > 0;
}

static void print_times(struct world *w, double factor)
{
    char out[NUM_TEXT_MAX];

    for (unsigned i = 0; i < N_OPS; i++)
        w->sum += num_print(out, w->values[i] * factor);
}

static void print_whole(struct world *w)
{
    print_times(w, 1);
}

static void print_point(struct world *w)
{
    print_times(w, 0.125);
}

static void print_digits(struct world *w)
{
    print_times(w, 0.1);
}

/* ---- the list ---- */

static const struct step {
    const char *name;
    const char *unit;
    input_fn inputs; /* NULL: it has none, or others */
    void (*run)(struct world *w);
} steps[] = {
    {"parse, plain line", "ns/line", plain_text, parse_plain},
    {"parse, four packed values", "ns/line", packed_text, parse_packed},
    {"parse, scan of a set", "ns/line", set_text, parse_scan},
    {"parse, the long way", "ns/line", long_text, parse_long},
    {"parse, identity, three tags", "ns", tagged_text, parse_identity},
    {"route, of 1 000", "ns", NULL, route_few},
    {"route, of 100 000", "ns", NULL, route_many},
    {"route, remembered", "ns", NULL, route_new},
    {"cell, counter", "ns", NULL, cell_counter},
    {"cell, gauge", "ns", NULL, cell_gauge},
    {"cell, histogram, 11 bounds", "ns", NULL, cell_histogram},
    {"cell, native buckets too", "ns", NULL, cell_native},
    {"cell, summary", "ns", NULL, cell_summary},
    {"cell, set", "ns", member_text, cell_set},
    {"glob, one of 1000 takes it", "ns", glob_text, match},
    {"regex, one of 100 takes it", "ns", regex_text, match},
    {"regex, alone", "ns", regex_text, search},
    {"neither takes it", "ns", miss_text, match},
    {"encode, text, counter", "ns/series", NULL, text_counter},
    {"encode, text, histogram", "ns/series", NULL, text_histogram},
    {"encode, openmetrics, counter", "ns/series", NULL, openmetrics_counter},
    {"encode, openm., histogram", "ns/series", NULL, openmetrics_histogram},
    {"encode, protobuf, counter", "ns/series", NULL, protobuf_counter},
    {"encode, protobuf, histogram", "ns/series", NULL, protobuf_histogram},
    {"read, a short number", "ns", whole_text, read_short},
    {"read, a whole number", "ns", whole_text, read_any},
    {"read, with a point", "ns", point_text, read_any},
    {"read, seventeen digits", "ns", digits_text, read_any},
    {"print, a whole number", "ns", NULL, print_whole},
    {"print, eighths", "ns", NULL, print_point},
    {"print, tenths", "ns", NULL, print_digits},
};
#define N_STEPS (sizeof steps / sizeof steps[0])

/* ---- the world ---- */

static void make_shape(struct world *w, unsigned which, const struct shape_spec *spec)
{
    if (shape_new(&w->shapes[which], spec) != 0)
        out_of_memory();
    w->cells[which] = aligned_alloc(64, (w->shapes[which]->cell_size + 63) / 64 * 64);
    if (w->cells[which] == NULL)
        out_of_memory();
    cell_init(w->cells[which], w->shapes[which]);
}

static void make_shapes(struct world *w)
{
    static const double bounds[N_BOUNDS] = {1, 2, 5, 10, 20, 50, 100, 200, 400, 600, 800};
    static const double quantiles[] = {0.5, 0.9, 0.99};
    struct shape_spec histogram = {
        .type = METRIC_HISTOGRAM, .n_bounds = N_BOUNDS, .bounds = bounds};

    make_shape(w, METRIC_COUNTER, &(struct shape_spec){.type = METRIC_COUNTER});
    make_shape(w, METRIC_GAUGE, &(struct shape_spec){.type = METRIC_GAUGE});
    make_shape(w, METRIC_HISTOGRAM, &histogram);
    histogram.native_max = 160;
    histogram.native_schema = 3;
    make_shape(w, NATIVE, &histogram);
    make_shape(w, METRIC_SUMMARY,
               &(struct shape_spec){.type = METRIC_SUMMARY,
                                    .n_quantiles = 3,
                                    .quantiles = quantiles,
                                    .window_ms = 600000,
                                    .n_slots = 5});
    make_shape(w, METRIC_SET,
               &(struct shape_spec){.type = METRIC_SET, .window_ms = 60000, .n_slots = 6});
}

static void make_routes(struct world *w)
{
    if (routes_new(&w->few, 1, N_KEYS) != 0 || routes_new(&w->many, 1, 2 * N_KEYS) != 0)
        out_of_memory();
    w->names = calloc(N_KEYS, sizeof *w->names);
    w->keys = calloc(N_KEYS, sizeof *w->keys);
    if (w->names == NULL || w->keys == NULL)
        out_of_memory();
    fill(w->names, N_KEYS, miss_text);
    for (unsigned i = 0; i < N_KEYS; i++)
        w->keys[i] = (struct route_key){.name = text_of(&w->names[i]), .suffix = SLICE_LIT("|c")};
    remember(w, w->few, N_OPS);
    remember(w, w->many, N_KEYS);
}

static void make_mapping(struct world *w)
{
    struct buf text = {0};
    struct bacowr_text file = {.file = "bench.yml"};
    struct err e;

    workload_mapping(&text);
    file.text = buf_slice(&text);
    if (mapping_load(&w->mapping, &file, 1, NULL, NULL, &e) != 0 ||
        regex_new(&w->regex, SLICE_LIT("^job[0-9]+\\.([a-z]+)\\.run-(\\d+)$"), &e) != 0)
        bench_die(e.text);
    if (mapping_scratch_new(&w->scratch, 0) != 0 || regex_scratch_new(&w->regex_scratch, 0) != 0)
        out_of_memory();
    buf_release(&text);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);

    if (w == NULL)
        out_of_memory();
    w->options = statsd_default_options();
    w->now = (struct cell_time){1000, 10};
    for (unsigned i = 0; i < N_OPS; i++)
        w->values[i] = value_of(i);
    make_routes(w);
    make_shapes(w);
    make_mapping(w);
    return w;
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i <= METRIC_N_TYPES; i++) {
        cell_release(w->cells[i], w->shapes[i]);
        free(w->cells[i]);
        shape_free(w->shapes[i]);
    }
    routes_free(w->few);
    routes_free(w->many);
    free(w->keys);
    free(w->names);
    mapping_free(w->mapping);
    mapping_scratch_free(w->scratch);
    regex_free(w->regex);
    regex_scratch_free(w->regex_scratch);
    buf_release(&w->page);
    free(w);
}

/* ---- measuring ---- */

/* Both are looked for by their names, so they must stay functions that are called. */
__attribute__((noinline, noclone)) void micro_mark(void);
void micro_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline, noclone)) void micro_run(const struct step *step, struct world *w);
void micro_run(const struct step *step, struct world *w)
{
    step->run(w);
}

static void prepare(const struct step *step, struct world *w)
{
    if (step->inputs != NULL)
        fill(w->inputs, N_OPS, step->inputs);
    step->run(w);
}

static double ns_of(const struct step *step, struct world *w)
{
    double begin = bench_now_ns(), end = begin;
    unsigned n = 0;

    for (; end - begin < MIN_NS; n++) {
        micro_run(step, w);
        end = bench_now_ns();
    }
    return (end - begin) / n / N_OPS;
}

void bench_micro(struct bench *b)
{
    struct world *w = world_new();
    double ns[N_STEPS][ROUNDS_MAX];

    for (unsigned round = 0; round < b->n_rounds; round++) {
        for (size_t i = 0; i < N_STEPS; i++) {
            prepare(&steps[i], w);
            ns[i][round] = ns_of(&steps[i], w);
        }
    }
    for (size_t i = 0; i < N_STEPS; i++)
        report_rounds(b->report,
                      &(struct row){.group = "micro", .name = steps[i].name, .unit = steps[i].unit},
                      ns[i], NULL, b->n_rounds);
    if (w->sum == 0)
        bench_die("no step did anything");
    world_free(w);
}

void bench_micro_count(void)
{
    struct world *w = world_new();

    for (size_t i = 0; i < N_STEPS; i++) {
        prepare(&steps[i], w);
        micro_mark();
        micro_run(&steps[i], w);
        micro_mark();
        printf("%s\t%u\n", steps[i].name, N_OPS);
    }
    world_free(w);
}
