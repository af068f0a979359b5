/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identify: what a (name, suffix) measures
 *
 * Reads the type, the sections and the tags in both. The result depends on these bytes alone, so it
 * can be remembered for them; the value is somebody else's. A refusal therefore says whether it
 * counts before or after a malformed value does. The order is statsd_exporter's:
 *
 *      1. value, type and sections are 2 to max_pieces       malformed_component, before the value
 *         (a timestamp counts, e:, card: and other fields do not)
 *      -  the value, elsewhere
 *      2. no section is empty                                malformed_component
 *      3. the sections, one after the other                  invalid_sample_factor,
 *                                                            malformed_container_id
 *      4. the type is one of the six                         illegal_event
 *      5. there is a name left without its tags (ours)       empty_metric_name
 *
 * Laws: a factor that cannot be read is an error and goes on as 1, or as infinity if it was too
 *       large; zero goes on as 1. Factors of a counter multiply, of an observation the last one
 *       counts. An observation whose factor is above 1, negative or not a number counts 0 times;
 *       more than 2^53 times is refused (ours): a double could not count them one by one.
 *       Labels past STATSD_MAX_LABELS are tag errors, wherever they stood.
 */
#include "bacowr/statsd.h"

#include "base/num.h"
#include "statsd/section.h"
#include "statsd/tags.h"

static const char *const type_names[STATSD_N_TYPES] = {
    [STATSD_TYPE_COUNTER] = "c",   [STATSD_TYPE_GAUGE] = "g",        [STATSD_TYPE_TIMER] = "ms",
    [STATSD_TYPE_HISTOGRAM] = "h", [STATSD_TYPE_DISTRIBUTION] = "d", [STATSD_TYPE_SET] = "s",
};

const char *statsd_type_name(enum statsd_type type)
{
    return type_names[type];
}

bool section_read_type(struct slice text, enum statsd_type *out)
{
    for (int type = 0; type < STATSD_N_TYPES; type++) {
        if (slice_eq_str(text, type_names[type])) {
            *out = (enum statsd_type)type;
            return true;
        }
    }
    return false;
}

/* ---- the pieces ---- */

/* How many pieces a sample with this suffix has, and whether one of its sections is empty. */
static unsigned count_pieces(struct slice suffix, bool *has_empty_section)
{
    struct slice piece;
    unsigned n = 1; /* the value */

    *has_empty_section = false;
    while (section_next(&suffix, &piece)) {
        bool is_type = n == 1;

        if (is_type || !section_is_field(piece))
            n++;
        if (!is_type && piece.len == 0)
            *has_empty_section = true;
    }
    return n;
}

/* ---- the sections ---- */

struct reading {
    const struct statsd_options *options;
    struct tags_sink *sink;
    struct statsd_identity *out;
    bool type_known;
    double repeat; /* as the last factor says, unbounded */
};

static bool is_observation(enum statsd_type type)
{
    return type == STATSD_TYPE_TIMER || type == STATSD_TYPE_HISTOGRAM ||
           type == STATSD_TYPE_DISTRIBUTION;
}

static enum statsd_reason read_factor(struct reading *r, struct slice section)
{
    double factor;

    if (num_parse(slice_from(section, 1), &factor) != 0)
        r->out->n_rate_errors++;
    if (factor == 0)
        factor = 1;
    if (r->out->type == STATSD_TYPE_COUNTER)
        r->out->divisor *= factor;
    if (is_observation(r->out->type))
        r->repeat = 1 / factor;
    return STATSD_OK;
}

static enum statsd_reason read_tags(struct reading *r, struct slice section)
{
    if (r->options->dogstatsd_tags)
        tags_read_dogstatsd(slice_from(section, 1), r->sink);
    return STATSD_OK;
}

/*
 * The key goes to the scratch like any that is not in the input. There are at most four such
 * sections of four bytes or more, so its twelve bytes fit in twice the suffix and 16.
 */
static enum statsd_reason read_container(struct reading *r, struct slice section)
{
    static const struct slice key = {"container_id", 12};
    struct slice id = slice_from(section, 2);
    struct slice copy = slice_of(r->sink->scratch, key.len);

    if (id.len == 0)
        return STATSD_E_CONTAINER;
    if (!r->options->container_id_label)
        return STATSD_OK;
    memcpy(r->sink->scratch, key.p, key.len);
    r->sink->scratch += key.len;
    tags_add(r->sink, copy, id);
    return STATSD_OK;
}

static enum statsd_reason ignore_section(struct reading *r, struct slice section)
{
    (void)r;
    (void)section;
    return STATSD_OK;
}

/* Sections that are known by how they begin. */
static const struct {
    struct slice prefix;
    enum statsd_reason (*read)(struct reading *r, struct slice section);
} readers[] = {
    {{"@", 1}, read_factor},
    {{"#", 1}, read_tags},
    {{"c:", 2}, read_container},
    {{"T", 1}, ignore_section},
};

static enum statsd_reason read_section(struct reading *r, struct slice section)
{
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (slice_starts(section, readers[i].prefix))
            return readers[i].read(r, section);
    if (section_is_field(section))
        return STATSD_OK;
    return slice_starts(section, SLICE_LIT("c")) ? STATSD_E_CONTAINER : STATSD_E_RATE;
}

/* ---- the whole ---- */

#define MAX_REPEAT 9007199254740992.0 /* 2^53 */

static enum statsd_reason bound_repeat(double repeat, int64_t *out)
{
    *out = 0;
    if (repeat > MAX_REPEAT)
        return STATSD_E_RATE;
    if (repeat >= 1)
        *out = (int64_t)repeat;
    return STATSD_OK;
}

static enum statsd_reason read_suffix(struct reading *r, struct slice suffix)
{
    struct slice piece;
    bool has_empty_section;
    unsigned n_pieces = count_pieces(suffix, &has_empty_section);
    enum statsd_reason reason;

    if (n_pieces < 2 || section_is_beyond(n_pieces, r->options)) {
        r->out->reason_precedes_value = true;
        return STATSD_E_COMPONENT;
    }
    /* Before the next refusal: whoever judges the value wants to know of a set. */
    section_next(&suffix, &piece);
    r->type_known = section_read_type(piece, &r->out->type);
    if (has_empty_section)
        return STATSD_E_COMPONENT;
    while (section_next(&suffix, &piece)) {
        reason = read_section(r, piece);
        if (reason != STATSD_OK)
            return reason;
    }
    if (!r->type_known)
        return STATSD_E_TYPE;
    reason = bound_repeat(r->repeat, &r->out->repeat);
    if (reason != STATSD_OK)
        return reason;
    return r->out->name.len > 0 ? STATSD_OK : STATSD_E_NAME;
}

void statsd_identify(struct slice name, struct slice suffix, const struct statsd_options *options,
                     char *scratch, struct statsd_identity *out)
{
    struct tags_sink sink = {.labels = out->labels, .options = options, .scratch = scratch};
    struct reading r = {.options = options, .sink = &sink, .out = out, .repeat = 1};

    out->type = STATSD_TYPE_COUNTER;
    out->reason_precedes_value = false;
    out->divisor = 1;
    out->repeat = 1;
    out->n_rate_errors = 0;
    out->name = tags_cut_name(name, options, &sink);
    sink.n_errors = 0; /* the name's are counted once a line, by statsd_split() */
    out->reason = read_suffix(&r, suffix);
    out->n_tag_errors = sink.n_errors + sink.n_surplus;
    out->n_labels = sink.n_labels;
}
