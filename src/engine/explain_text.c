/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain, text: the long way told in words
 *
 *      line     api.requests.jobs.GET.200:1|c|@0.5
 *      sample 1 value "1" suffix "|c|@0.5"
 *        parsed c "api.requests.jobs.GET.200", adds 2
 *        series api_requests_total{endpoint="jobs",method="GET",status="200"} counter
 *        rules
 *        rule 3 (line 12) ... <- wins
 *
 * Laws: nothing that came from the wire moves a terminal's cursor: in all that is told, control
 * characters are escaped, and so is every byte beyond ASCII of a line that is not UTF-8.
 */
#include "engine/explain.h"

#include "base/name.h"

/* Text from the wire between double quotes. explain_add_harmless() does the rest. */
static void add_quoted(struct buf *out, struct slice text)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.p[i]);
    }
    buf_add_byte(out, '"');
}

/* How many bytes at @told are a control character: C0 but LF, DEL, or C1 in UTF-8 (0xc2 and
 * one). */
static size_t control_len(struct slice told)
{
    unsigned char c = (unsigned char)told.p[0];

    if ((c < 0x20 && c != '\n') || c == 0x7f)
        return 1;
    return c == 0xc2 && told.len > 1 && (unsigned char)told.p[1] < 0xa0 ? 2 : 0;
}

void explain_add_harmless(struct buf *out, struct slice told)
{
    bool is_text = utf8_valid(told);

    while (told.len > 0) {
        size_t n = is_text || (unsigned char)told.p[0] < 0x80 ? control_len(told) : 1;

        for (size_t i = 0; i < n; i++)
            buf_addf(out, "\\x%02x", (unsigned char)told.p[i]);
        if (n == 0)
            buf_add_byte(out, told.p[n++]);
        told = slice_from(told, n);
    }
}

static void add_refusal(struct buf *out, const struct explain_refusal *refusal)
{
    buf_addf(out, "  refused, counted in %s{reason=\"%s\"}\n", refusal->counter, refusal->reason);
}

/* What is in the way. */
static void add_clash(struct buf *out, const struct explain_sample *sample)
{
    const char *type = metric_type_name(sample->holder_type);

    if (sample->clash == SERIES_E_RESERVED) {
        buf_add_str(out, "the name is reserved for this server's own metrics");
        return;
    }
    if (sample->clash == SERIES_E_SUFFIX)
        buf_add_str(out, "sample names conflict with those of ");
    buf_add_slice(out, sample->holder);
    buf_addf(out, sample->clash == SERIES_E_TYPE ? " is already a %s" : ", a %s", type);
}

/* As its counter has it. */
static void add_conflict(struct buf *out, const struct explain_sample *sample)
{
    buf_add_str(out, "  refused, ");
    add_clash(out, sample);
    buf_addf(out, "; counted in %s{metric_name=\"", sample->refusal.counter);
    buf_add_slice(out, sample->res->name);
    buf_addf(out, "\",type=\"%s\"}\n", mapping_kind_name(sample->res->kind));
}

static void add_effect(struct buf *out, const struct explain_sample *sample)
{
    static const char *const words[] = {
        [EXPLAIN_ADD] = "adds ",
        [EXPLAIN_SET] = "sets ",
        [EXPLAIN_CHANGE] = "changes by ",
        [EXPLAIN_OBSERVE] = "observes ",
        [EXPLAIN_MEMBER] = "adds the member ",
    };

    buf_add_str(out, words[sample->op]);
    if (sample->op == EXPLAIN_MEMBER)
        add_quoted(out, sample->value);
    else
        buf_add_double(out, sample->effect);
    if (sample->op == EXPLAIN_OBSERVE && sample->times != 1)
        buf_addf(out, ", %lld times", (long long)sample->times);
}

static const char *tags(unsigned n)
{
    return n == 1 ? "tag" : "tags";
}

static void add_reading(struct buf *out, const struct explain_sample *sample)
{
    const struct statsd_identity *id = &sample->resolver->identity;

    buf_addf(out, "  parsed %s ", statsd_type_name(id->type));
    add_quoted(out, id->name);
    for (unsigned i = 0; i < id->n_labels; i++) {
        buf_add_str(out, i == 0 ? " tags " : ", ");
        buf_add_slice(out, id->labels[i].key);
        buf_add_byte(out, '=');
        add_quoted(out, id->labels[i].value);
    }
    buf_add_str(out, ", ");
    add_effect(out, sample);
    if (id->n_tag_errors > 0)
        buf_addf(out, ", %u malformed %s ignored", id->n_tag_errors, tags(id->n_tag_errors));
    if (id->n_rate_errors > 0)
        buf_add_str(out, ", invalid sample rate ignored");
    buf_add_byte(out, '\n');
}

static void add_series(struct buf *out, const struct explain_sample *sample)
{
    const struct resolution *res = sample->res;

    buf_add_str(out, "  series ");
    buf_add_slice(out, res->name);
    if (res->labels.len > 0) {
        buf_add_byte(out, '{');
        buf_add_slice(out, res->labels);
        buf_add_byte(out, '}');
    }
    buf_addf(out, " %s", metric_type_name(res->type));
    if (res->ttl_ns != 0) {
        buf_add_str(out, ", expires after ");
        buf_add_double(out, (double)res->ttl_ns / 1e9);
        buf_add_str(out, " s without samples");
    }
    if (sample->resolver->n_renamed > 0)
        buf_add_str(out, ", reserved labels renamed to exported_...");
    buf_add_byte(out, '\n');
}

static void add_limit(struct buf *out, const struct explain_sample *sample)
{
    static const struct {
        const char *limit, *words;
    } limits[] = {{"series", "the series limit is reached"},
                  {"family", "the series limit of the family is reached"},
                  {"label", "the limit of label values is reached"}};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (strcmp(limits[i].limit, sample->limit) == 0)
            buf_addf(out, "  limit  %s: ", limits[i].words);
    if (sample->folds) {
        buf_add_str(out, "counted in ");
        buf_add_slice(out, sample->res->name);
        buf_add_str(out, "{" OVERFLOW_LABELS "}\n");
    } else {
        buf_add_str(out, "refused\n");
    }
}

static void add_outcome(struct buf *out, const struct explain_sample *sample)
{
    switch (sample->outcome) {
    case EXPLAIN_SERIES:
        add_series(out, sample);
        if (sample->limit != NULL)
            add_limit(out, sample);
        return;
    case EXPLAIN_REFUSED:
        if (sample->clash != 0)
            add_conflict(out, sample);
        else
            add_refusal(out, &sample->refusal);
        return;
    case EXPLAIN_DROPPED:
        buf_add_str(out, sample->res->match.rule != NULL ? "  dropped by its rule\n"
                                                         : "  dropped by the defaults\n");
        return;
    case EXPLAIN_NOTHING:
        buf_add_str(out, "  counts nothing, so creates no series\n");
        return;
    }
}

static void text_sample(struct explain_teller *t, const struct explain_sample *sample)
{
    struct buf *out = &t->told;

    buf_addf(out, "sample %u value ", sample->n);
    add_quoted(out, sample->value);
    buf_add_str(out, " suffix ");
    add_quoted(out, sample->suffix);
    buf_add_byte(out, '\n');
    if (sample->read)
        add_reading(out, sample);
    add_outcome(out, sample);
    if (!sample->read)
        return;
    buf_add_str(out, sample->res->match.rule != NULL ? "  rules\n" : "  rules  none matches\n");
    mapping_tell(sample->mapping, sample->candidates, out);
}

static void text_line(struct explain_teller *t, const struct explain_line *line)
{
    struct buf *out = &t->told;

    buf_add_str(out, "line     ");
    add_quoted(out, line->text);
    buf_add_byte(out, '\n');
    if (line->n_tag_errors > 0)
        buf_addf(out, "  %u malformed %s in the name ignored\n", line->n_tag_errors,
                 tags(line->n_tag_errors));
    if (line->outcome == EXPLAIN_EMPTY)
        buf_add_str(out, "  empty, counted as a line only\n");
    else if (line->outcome == EXPLAIN_EVENT)
        buf_add_str(out, "  a DogStatsD event: counted, otherwise ignored\n");
    else if (line->outcome == EXPLAIN_CHECK)
        buf_add_str(out, "  a DogStatsD service check: counted, otherwise ignored\n");
    else if (line->outcome == EXPLAIN_LINE_REFUSED)
        add_refusal(out, &line->refusal);
}

static void text_end(struct explain_teller *t, size_t n_more, struct buf *out)
{
    if (n_more > 0)
        buf_addf(&t->told, "and %zu more samples, not shown\n", n_more);
    explain_add_harmless(out, buf_slice(&t->told));
}

const struct explain_form explain_text = {true, text_line, text_sample, text_end};

/* ---- one line for each: "LINE" -> SERIES adds 1 ---- */

static void brief_line(struct explain_teller *t, const struct explain_line *line)
{
    struct buf *out = &t->told;

    add_quoted(out, line->text);
    if (line->outcome == EXPLAIN_EMPTY)
        buf_add_str(out, " -> empty");
    else if (line->outcome == EXPLAIN_EVENT)
        buf_add_str(out, " -> event, counted");
    else if (line->outcome == EXPLAIN_CHECK)
        buf_add_str(out, " -> service check, counted");
    else if (line->outcome == EXPLAIN_LINE_REFUSED)
        buf_addf(out, " -> refused: %s", line->refusal.reason);
}

static void add_brief_series(struct buf *out, const struct explain_sample *sample)
{
    const struct resolution *res = sample->res;
    bool folds = sample->limit != NULL && sample->folds;

    if (sample->limit != NULL && !sample->folds) {
        buf_addf(out, "refused: %s limit", sample->limit);
        return;
    }
    buf_add_slice(out, res->name);
    if (folds || res->labels.len > 0) {
        buf_add_byte(out, '{');
        buf_add_slice(out, folds ? SLICE_LIT(OVERFLOW_LABELS) : res->labels);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ' ');
    add_effect(out, sample);
    if (res->match.rule == NULL && mapping_n_rules(sample->mapping) > 0)
        buf_add_str(out, ", no rule matches");
}

static void brief_sample(struct explain_teller *t, const struct explain_sample *sample)
{
    struct buf *out = &t->told;

    buf_add_str(out, " -> ");
    switch (sample->outcome) {
    case EXPLAIN_SERIES:
        add_brief_series(out, sample);
        return;
    case EXPLAIN_REFUSED:
        buf_addf(out, "refused: %s", sample->refusal.reason);
        if (sample->clash != 0) {
            buf_add_str(out, ", ");
            add_clash(out, sample);
        }
        return;
    case EXPLAIN_DROPPED:
        buf_add_str(out, "dropped by its rule");
        return;
    case EXPLAIN_NOTHING:
        buf_add_str(out, "counts nothing");
        return;
    }
}

static void brief_end(struct explain_teller *t, size_t n_more, struct buf *out)
{
    if (n_more > 0)
        buf_addf(&t->told, " -> %zu more samples, not shown", n_more);
    buf_add_byte(&t->told, '\n');
    explain_add_harmless(out, buf_slice(&t->told));
}

const struct explain_form explain_brief = {false, brief_line, brief_sample, brief_end};
