/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: the long way told in words
 *
 * A line goes through the very functions that feed it - split, identify, mapping, labels - and each
 * step says what it found. Nothing is counted and no series is made, so a clash with what other
 * senders sent cannot be seen here.
 *
 *      line     api.requests.jobs.GET.200:1|c|@0.5
 *      sample 1 value "1" suffix "|c|@0.5"
 *        reads  counter "api.requests.jobs.GET.200", adds 2
 *        rules  rule 3 (line 12) ... <- wins
 *        series api_requests_total{endpoint="jobs",method="GET",status="200"} counter
 *
 * Laws: nothing that came from the wire moves a terminal's cursor: in all that is told, control
 * characters are escaped, and so is every byte beyond ASCII of a line that is not UTF-8.
 */
#include "engine/engine.h"

#include <errno.h>
#include <math.h>

#include "base/name.h"
#include "base/num.h"
#include "mapping/explain.h"

/* Text from the wire between double quotes. add_harmless() does the rest. */
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

static void add_harmless(struct buf *out, struct slice told)
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

/* What one sample does to its series. */
static void add_effect(struct buf *out, const struct statsd_identity *id,
                       const struct mapping_rule *rule, struct slice value)
{
    double scale = rule != NULL && rule->has_scale ? rule->scale : 1;
    double v = 0;

    (void)num_parse(value, &v);
    switch (id->type) {
    case STATSD_TYPE_COUNTER:
        buf_add_str(out, "adds ");
        buf_add_double(out, v / id->divisor * scale);
        return;
    case STATSD_TYPE_GAUGE:
        buf_add_str(out, value.len > 0 && (value.p[0] == '+' || value.p[0] == '-') ? "changes by "
                                                                                   : "sets ");
        buf_add_double(out, v * scale);
        return;
    case STATSD_TYPE_TIMER:
    case STATSD_TYPE_HISTOGRAM:
    case STATSD_TYPE_DISTRIBUTION:
        buf_add_str(out, "observes ");
        buf_add_double(out, (id->type == STATSD_TYPE_TIMER ? v / 1000 : v) * scale);
        buf_addf(out, ", counted %lld times", (long long)(id->repeat > 0 ? id->repeat : 0));
        return;
    case STATSD_TYPE_SET:
        buf_add_str(out, "holds the member ");
        add_quoted(out, value);
        return;
    }
}

static void add_series(struct buf *out, const struct resolver *r, const struct resolution *res)
{
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
    if (r->n_renamed > 0)
        buf_add_str(out, ", reserved labels renamed to exported_...");
    buf_add_byte(out, '\n');
}

static void add_reading(struct buf *out, const struct statsd_identity *id,
                        const struct resolution *res, struct slice value)
{
    buf_addf(out, "  reads  %s ", statsd_type_name(id->type));
    add_quoted(out, id->name);
    for (unsigned i = 0; i < id->n_labels; i++) {
        buf_add_str(out, i == 0 ? " tags " : ", ");
        buf_add_slice(out, id->labels[i].key);
        buf_add_byte(out, '=');
        add_quoted(out, id->labels[i].value);
    }
    buf_add_str(out, ", ");
    add_effect(out, id, res->match.rule, value);
    if (id->n_tag_errors > 0)
        buf_addf(out, ", %u malformed tags left out", id->n_tag_errors);
    if (id->n_rate_errors > 0)
        buf_add_str(out, ", unreadable sample rate ignored");
    buf_add_byte(out, '\n');
}

static void add_refusal(struct buf *out, const char *counter, const char *reason)
{
    buf_addf(out, "  refused, counted in %s{reason=\"%s\"}\n", counter, reason);
}

/* What becomes of a sample whose identity is well formed. */
static void add_outcome(struct buf *out, const struct resolver *r, const struct resolution *res,
                        double v)
{
    const struct statsd_identity *id = &r->identity;
    const struct mapping_rule *rule = res->match.rule;
    double added = v / id->divisor * (rule != NULL && rule->has_scale ? rule->scale : 1);
    const char *const counter = "statsd_exporter_events_error_total";

    if (res->op == OP_EMPTY_NAME)
        add_refusal(out, counter, "empty_metric_name");
    else if (res->op == OP_DROP)
        buf_add_str(out, "  dropped, as its rule says\n");
    else if (res->op == OP_COUNT && !isfinite(added))
        add_refusal(out, counter, "illegal_non_finite_counter");
    else if (res->op == OP_COUNT && added < 0)
        add_refusal(out, counter, "illegal_negative_counter");
    else if (res->kind == MAPPING_OBSERVER && id->repeat <= 0)
        buf_add_str(out, "  counts nothing, so makes no series\n");
    else
        add_series(out, r, res);
}

static int add_rules(const struct mapping *mapping, enum mapping_kind kind, struct resolver *r,
                     struct buf *out)
{
    struct mapping_candidates candidates = {0};
    int rc = mapping_explain(mapping, kind, r->identity.name, r->mapping_scratch, &candidates);

    if (rc == 0)
        mapping_tell(mapping, &candidates, out);
    mapping_candidates_release(&candidates);
    return rc;
}

static int explain_sample(struct bacowr *b, struct slice name, const struct statsd_sample *sample,
                          struct buf *out)
{
    const struct mapping *mapping = atomic_load_explicit(&b->rules, memory_order_relaxed)->mapping;
    const char *const counter = "statsd_exporter_sample_errors_total";
    struct resolver *r = &b->resolver;
    const struct statsd_identity *id = &r->identity;
    struct resolution res;
    double v;
    bool well_formed = feed_read_value(sample->suffix, sample->value, &v);

    if (resolve(r, mapping, &b->config.statsd, name, sample->suffix, &res) != 0)
        return -ENOMEM;
    if (!well_formed && !(res.op == OP_REFUSE && id->reason_precedes_value)) {
        add_refusal(out, counter, statsd_reason_name(STATSD_E_VALUE));
        return 0;
    }
    if (res.op == OP_REFUSE) {
        add_refusal(out, counter, statsd_reason_name(id->reason));
        return 0;
    }
    add_reading(out, id, &res, sample->value);
    add_outcome(out, r, &res, v);
    buf_add_str(out, res.match.rule != NULL ? "  rules\n" : "  rules  none takes it\n");
    return add_rules(mapping, res.kind, r, out);
}

static int explain_line(struct bacowr *b, struct slice line, struct buf *out)
{
    struct statsd_parts parts;
    struct statsd_sample sample;
    enum statsd_reason reason;
    int n = 0, rc = 0;

    buf_add_str(out, "line     ");
    add_quoted(out, line);
    buf_add_byte(out, '\n');
    if (line.len == 0) {
        buf_add_str(out, "  empty, counted as a line and nothing else\n");
        return 0;
    }
    reason = statsd_split(line, &b->config.statsd, &parts);
    if (parts.n_tag_errors > 0)
        buf_addf(out, "  %u malformed tags in the name left out\n", parts.n_tag_errors);
    if (reason == STATSD_E_EVENT || reason == STATSD_E_CHECK) {
        buf_addf(out, "  a %s: recognised, counted, left out\n",
                 reason == STATSD_E_EVENT ? "DogStatsD event" : "DogStatsD service check");
        return 0;
    }
    if (reason != STATSD_OK) {
        add_refusal(out, "statsd_exporter_sample_errors_total", statsd_reason_name(reason));
        return 0;
    }
    while (rc == 0 && statsd_next_sample(&parts, &sample)) {
        buf_addf(out, "sample %d value ", ++n);
        add_quoted(out, sample.value);
        buf_add_str(out, " suffix ");
        add_quoted(out, sample.suffix);
        buf_add_byte(out, '\n');
        rc = explain_sample(b, parts.name, &sample, out);
    }
    return rc;
}

int bacowr_explain(struct bacowr *b, struct slice line, struct buf *out)
{
    struct statsd_cursor cursor = statsd_cursor(line, line.len > 0);
    struct buf told = {0};
    struct slice one;
    int rc = 0;

    while (rc == 0 && statsd_next_line(&cursor, &one)) {
        buf_clear(&told);
        rc = explain_line(b, one, &told);
        if (told.failed)
            rc = -ENOMEM;
        add_harmless(out, buf_slice(&told));
    }
    buf_release(&told);
    return rc != 0 || out->failed ? -ENOMEM : 0;
}
