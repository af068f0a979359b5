/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: what becomes of a line, without doing it
 *
 * A line goes through the very functions that feed it - split, identify, mapping, labels, route -
 * and what each step found is handed to a form, which tells it. Nothing is counted and no series is
 * made. Whether another family is in the way, and whether a limit is met, is asked of the engine as
 * it is.
 *
 * Laws: what is told is what feeding the line does. Samples that share a suffix, as packed ones do,
 *       are looked up once, and one sample at a time is held: a line of many costs no more memory
 *       than its telling. Where others wait, work is bounded: a line's first sample is always
 *       explained, what comes past the bound is counted.
 */
#include "engine/explain.h"

#include <errno.h>
#include <math.h>

#include "base/num.h"

/* What work is counted in: a glob that is tried. To try a regex, to tell of a sample cost more. */
#define WORK_REGEX  10
#define WORK_SAMPLE 100

static const char sample_errors[] = "statsd_exporter_sample_errors_total";
static const char event_errors[] = "statsd_exporter_events_error_total";

struct explainer {
    struct bacowr *b;
    const struct mapping *mapping;
    const struct explain_form *form;
    struct explain_teller teller;
    struct buf check;  /* a service check as the line of a gauge */
    struct buf holder; /* the name of a family that is in the way */
    size_t max_work;   /* a line */
    size_t rules_work;

    /* Of the identity last looked up. The scratch is apart from the resolver's, whose texts the
     * labels point into. */
    bool has_identity;
    struct slice suffix;
    struct resolution res;
    double divisor, scale;
    int64_t times;
    bool has_candidates;
    struct mapping_candidates candidates;
    struct mapping_scratch *scratch;
};

static struct explain_refusal refused_sample(enum statsd_reason reason)
{
    return (struct explain_refusal){sample_errors, statsd_reason_name(reason)};
}

static void refuse_event(struct explain_sample *sample, const char *reason)
{
    sample->outcome = EXPLAIN_REFUSED;
    sample->refusal = (struct explain_refusal){event_errors, reason};
}

/* ---- a sample ---- */

static enum explain_op op_of(enum statsd_type type, enum op op, struct slice value)
{
    static const enum explain_op ops[STATSD_N_TYPES] = {
        [STATSD_TYPE_COUNTER] = EXPLAIN_ADD,          [STATSD_TYPE_GAUGE] = EXPLAIN_SET,
        [STATSD_TYPE_TIMER] = EXPLAIN_OBSERVE,        [STATSD_TYPE_HISTOGRAM] = EXPLAIN_OBSERVE,
        [STATSD_TYPE_DISTRIBUTION] = EXPLAIN_OBSERVE, [STATSD_TYPE_SET] = EXPLAIN_MEMBER,
    };
    bool has_sign = value.len > 0 && (value.p[0] == '+' || value.p[0] == '-');

    return ops[type] == EXPLAIN_SET && op != OP_GAUGE_SET && has_sign ? EXPLAIN_CHANGE : ops[type];
}

/* What the sample does to its series, if it gets there. */
static void find_effect(const struct explainer *x, struct explain_sample *sample, double v)
{
    bool is_gauge = x->res.kind == MAPPING_GAUGE;

    sample->op = op_of(x->b->resolver.identity.type, x->res.op, sample->value);
    sample->effect = (is_gauge ? v : v / x->divisor) * x->scale;
    sample->times = x->times;
}

/* What becomes of a sample whose identity is well formed, in the order in which feeding asks. */
static void find_outcome(const struct explainer *x, struct explain_sample *sample)
{
    bool counts = x->res.kind == MAPPING_COUNTER;

    if (x->res.op == OP_DROP)
        sample->outcome = EXPLAIN_DROPPED;
    else if (sample->times == 0)
        sample->outcome = EXPLAIN_NOTHING;
    else if (x->res.op == OP_EMPTY_NAME)
        refuse_event(sample, "empty_metric_name");
    else if (counts && !isfinite(sample->effect))
        refuse_event(sample, "illegal_non_finite_counter");
    else if (counts && sample->effect < 0)
        refuse_event(sample, "illegal_negative_counter");
    else if (x->res.op == OP_TOO_LONG)
        refuse_event(sample, "series_too_long");
    else
        sample->outcome = EXPLAIN_SERIES;
}

/* Is there a family in the way of the sample's series? 0 or -ENOMEM. */
static int find_clash(struct explainer *x, struct explain_sample *sample)
{
    const struct shape_spec spec = {.type = x->res.type};
    const struct series_birth birth = {
        .key = series_key(&x->b->registry, x->res.name, x->res.labels),
        .label_names = x->res.label_names,
        .spec = &spec,
        .gen = atomic_load_explicit(&x->b->rules, memory_order_relaxed)->gen,
    };
    int rc;

    buf_clear(&x->holder);
    rc = series_clash(&x->b->registry, &birth, &x->holder, &sample->holder_type);
    if (rc <= 0)
        return rc;
    sample->outcome = EXPLAIN_REFUSED;
    sample->refusal = (struct explain_refusal){OWN_CONFLICTS, "conflict"};
    sample->clash = rc;
    sample->holder = buf_slice(&x->holder);
    return 0;
}

static int find_candidates(struct explainer *x)
{
    const struct statsd_identity *id = &x->b->resolver.identity;
    int rc = 0;

    if (!x->has_candidates)
        rc = mapping_explain(x->mapping,
                             &(struct mapping_query){x->res.kind, id->name, identity_tag, id},
                             x->scratch, &x->candidates);
    x->has_candidates = rc == 0;
    return rc;
}

/* The numbers of the plan that feeding would make. */
static void find_plan(struct explainer *x)
{
    struct route_plan plan;

    plan_from_identity(&plan, &x->b->resolver.identity, &x->res, 0);
    x->divisor = plan.divisor;
    x->scale = plan.scale;
    x->times = plan.weight > 0 ? plan.weight : 0;
}

/* Look up (@name, @suffix), if it is not the one that was looked up last. */
static int find_identity(struct explainer *x, struct slice name, struct slice suffix)
{
    if (x->has_identity && x->suffix.p == suffix.p && x->suffix.len == suffix.len)
        return 0;
    x->has_identity = false;
    x->has_candidates = false;
    if (resolve(&x->b->resolver, x->mapping, &x->b->config, name, suffix, &x->res) != 0)
        return -ENOMEM;
    find_plan(x);
    x->suffix = suffix;
    x->has_identity = true;
    return 0;
}

static int find_sample(struct explainer *x, struct slice name, struct explain_sample *sample)
{
    const struct statsd_identity *id = &x->b->resolver.identity;
    double v;
    bool well_formed = feed_read_value(sample->suffix, sample->value, &v);

    if (find_identity(x, name, sample->suffix) != 0)
        return -ENOMEM;
    if (!well_formed || x->res.op == OP_REFUSE) {
        bool value_first = !well_formed && !(x->res.op == OP_REFUSE && id->reason_precedes_value);

        sample->outcome = EXPLAIN_REFUSED;
        sample->refusal = refused_sample(value_first ? STATSD_E_VALUE : id->reason);
        return 0;
    }
    sample->read = true;
    sample->mapping = x->mapping;
    sample->resolver = &x->b->resolver;
    sample->res = &x->res;
    sample->candidates = &x->candidates;
    find_effect(x, sample, v);
    find_outcome(x, sample);
    if (sample->outcome == EXPLAIN_SERIES && find_clash(x, sample) != 0)
        return -ENOMEM;
    if (sample->outcome == EXPLAIN_SERIES)
        sample->limit = overflow_ask(x->b, &x->res, &sample->folds);
    return x->form->candidates ? find_candidates(x) : 0;
}

/* ---- a line ---- */

/* Cut @text; a service check that is to be a gauge is cut as the line of that. */
static enum statsd_reason split(struct explainer *x, struct slice text, struct statsd_parts *parts)
{
    enum statsd_reason reason = statsd_split(text, &x->b->config.statsd, parts);
    size_t len;

    if (reason != STATSD_E_CHECK || x->b->config.service_checks == STATSD_CHECKS_COUNT)
        return reason;
    buf_clear(&x->check);
    if (buf_reserve(&x->check, STATSD_CHECK_SIZE(text.len)) != 0)
        return reason; /* told as one that is only counted; the caller sees the failure */
    reason = statsd_check_to_gauge(text, x->check.p, &len);
    if (reason != STATSD_OK)
        return reason;
    return statsd_split(slice_of(x->check.p, len), &x->b->config.statsd, parts);
}

static struct explain_line find_line(struct explainer *x, struct slice text,
                                     struct statsd_parts *parts)
{
    struct explain_line line = {.text = text, .outcome = EXPLAIN_EMPTY};
    enum statsd_reason reason;

    if (text.len == 0)
        return line;
    reason = split(x, text, parts);
    line.n_tag_errors = parts->n_tag_errors;
    line.outcome = reason == STATSD_OK        ? EXPLAIN_SAMPLES
                   : reason == STATSD_E_EVENT ? EXPLAIN_EVENT
                   : reason == STATSD_E_CHECK ? EXPLAIN_CHECK
                                              : EXPLAIN_LINE_REFUSED;
    if (line.outcome == EXPLAIN_LINE_REFUSED)
        line.refusal = refused_sample(reason);
    return line;
}

/* What trying all rules costs. */
static size_t work_of_rules(const struct mapping *m)
{
    size_t work = 0;

    for (size_t i = 0; i < mapping_n_rules(m); i++) {
        const struct mapping_rule *rule = mapping_rule(m, i);

        work += (rule->match_type == MAPPING_GLOB ? 1 : WORK_REGEX) + rule->except.n;
    }
    return work;
}

/* Take what the next sample costs from @left. False: it costs more than that. */
static bool may_work(const struct explainer *x, struct slice suffix, size_t *left)
{
    bool known = x->has_identity && x->suffix.p == suffix.p;
    size_t work = WORK_SAMPLE + (known ? 0 : x->rules_work);

    if (work > *left)
        return false;
    *left -= work;
    return true;
}

/* @n_more: samples that the bound left out. */
static int explain_samples(struct explainer *x, struct statsd_parts *parts, size_t *n_more)
{
    size_t left = x->max_work;
    struct statsd_sample cut;
    unsigned n = 0;

    x->has_identity = false;
    while (statsd_next_sample(parts, &cut)) {
        struct explain_sample sample = {.n = ++n, .value = cut.value, .suffix = cut.suffix};
        int rc;

        if (*n_more > 0 || (!may_work(x, cut.suffix, &left) && n > 1)) {
            ++*n_more;
            continue;
        }
        rc = find_sample(x, parts->name, &sample);
        if (rc != 0)
            return rc;
        x->form->sample(&x->teller, &sample);
    }
    return 0;
}

static int explain_line(struct explainer *x, struct slice text, struct buf *out)
{
    struct statsd_parts parts;
    struct explain_line line = find_line(x, text, &parts);
    size_t n_more = 0;
    int rc = 0;

    buf_clear(&x->teller.told);
    x->form->line(&x->teller, &line);
    if (line.outcome == EXPLAIN_SAMPLES)
        rc = explain_samples(x, &parts, &n_more);
    if (rc == 0)
        x->form->end(&x->teller, n_more, out);
    return rc != 0 || x->teller.told.failed || x->check.failed || x->holder.failed ? -ENOMEM : 0;
}

int bacowr_explain(struct bacowr *b, struct slice text, enum bacowr_explain_form form,
                   struct buf *out)
{
    return bacowr_explain_within(b, text, form, SIZE_MAX, out);
}

int bacowr_explain_within(struct bacowr *b, struct slice text, enum bacowr_explain_form form,
                          size_t max_work, struct buf *out)
{
    static const struct explain_form *const forms[] = {
        [BACOWR_EXPLAIN_TEXT] = &explain_text,
        [BACOWR_EXPLAIN_JSON] = &explain_json,
        [BACOWR_EXPLAIN_BRIEF] = &explain_brief,
    };
    struct explainer x = {
        .b = b,
        .mapping = atomic_load_explicit(&b->rules, memory_order_relaxed)->mapping,
        .form = forms[form],
        .max_work = max_work,
    };
    struct statsd_cursor cursor = statsd_cursor(text, text.len > 0);
    struct slice line;
    int rc = mapping_scratch_new(&x.scratch, b->config.regex_max_steps);

    x.rules_work = x.form->candidates ? work_of_rules(x.mapping) : 0;
    while (rc == 0 && statsd_next_line(&cursor, &line))
        rc = explain_line(&x, line, out);
    mapping_scratch_free(x.scratch);
    mapping_candidates_release(&x.candidates);
    buf_release(&x.teller.told);
    buf_release(&x.check);
    buf_release(&x.holder);
    return rc != 0 || out->failed ? -ENOMEM : 0;
}
