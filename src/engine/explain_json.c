/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain, JSON: the long way told to programs
 *
 * One object a line, one line each. Every key is always there, null or empty where it has nothing
 * to say, so that a reader need not ask; docs/commands.md lists them.
 *
 * Laws: keys are only added, never renamed or taken away. What came from the wire stands in strings
 *       only, and json.h keeps those valid.
 */
#include "engine/explain.h"

static void put_refusal(struct json *j, const struct explain_refusal *refusal)
{
    json_str(j, "reason", refusal->reason);
    json_str(j, "counter", refusal->counter);
}

void explain_put_rule(struct json *j, const struct mapping *m, uint32_t index)
{
    const struct mapping_rule *rule = mapping_rule(m, index);
    bool drops = rule->action == MAPPING_DROP;

    json_u64(j, "number", (uint64_t)index + 1);
    json_str(j, "file", rule->file);
    json_u64(j, "line", rule->line);
    json_str(j, "match", rule->match);
    json_str(j, "match_type", rule->match_type == MAPPING_GLOB ? "glob" : "regex");
    json_str(j, "action", drops ? "drop" : "map");
    json_str(j, "name", drops ? NULL : rule->name);
}

static void put_rule(struct json *j, const struct mapping *m, uint32_t index)
{
    json_object(j, "rule");
    explain_put_rule(j, m, index);
    json_end_object(j);
}

static void put_winner(struct json *j, const struct explain_sample *sample)
{
    const struct mapping_rule *rule = sample->read ? sample->res->match.rule : NULL;

    if (rule != NULL)
        put_rule(j, sample->mapping, (uint32_t)(rule - mapping_rule(sample->mapping, 0)));
    else
        json_null(j, "rule");
}

static void put_effect(struct json *j, const struct explain_sample *sample)
{
    static const char *const ops[] = {
        [EXPLAIN_ADD] = "add",         [EXPLAIN_SET] = "set",       [EXPLAIN_CHANGE] = "change",
        [EXPLAIN_OBSERVE] = "observe", [EXPLAIN_MEMBER] = "member",
    };

    json_object(j, "effect");
    json_str(j, "op", ops[sample->op]);
    if (sample->op == EXPLAIN_MEMBER)
        json_slice(j, "value", sample->value);
    else
        json_double(j, "value", sample->effect);
    json_u64(j, "times", (uint64_t)sample->times);
    json_end_object(j);
}

static void put_tags(struct json *j, const struct statsd_identity *id)
{
    json_object(j, "tags");
    for (unsigned i = 0; i < id->n_labels; i++) {
        json_key(j, id->labels[i].key);
        json_slice(j, NULL, id->labels[i].value);
    }
    json_end_object(j);
}

static void put_reading(struct json *j, const struct explain_sample *sample)
{
    const struct statsd_identity *id = &sample->resolver->identity;

    json_str(j, "type", statsd_type_name(id->type));
    json_str(j, "kind", mapping_kind_name(sample->res->kind));
    json_slice(j, "name", id->name);
    put_tags(j, id);
    json_u64(j, "tag_errors", id->n_tag_errors);
    json_u64(j, "rate_errors", id->n_rate_errors);
    put_effect(j, sample);
}

static void put_no_reading(struct json *j)
{
    json_null(j, "type");
    json_null(j, "kind");
    json_null(j, "name");
    json_object(j, "tags");
    json_end_object(j);
    json_u64(j, "tag_errors", 0);
    json_u64(j, "rate_errors", 0);
    json_null(j, "effect");
}

/* As on the page: the text that names the series there. */
static void put_series_text(struct json *j, const struct resolution *res, struct buf *text)
{
    buf_clear(text);
    buf_add_slice(text, res->name);
    if (res->labels.len > 0) {
        buf_add_byte(text, '{');
        buf_add_slice(text, res->labels);
        buf_add_byte(text, '}');
    }
    if (text->failed)
        j->out->failed = true;
    json_slice(j, "text", buf_slice(text));
}

static void put_series(struct json *j, const struct explain_sample *sample)
{
    const struct resolution *res = sample->res;
    const struct resolver *r = sample->resolver;
    struct buf text = {0};

    json_object(j, "series");
    json_slice(j, "name", res->name);
    json_object(j, "labels");
    for (unsigned i = 0; i < r->n_pairs; i++) {
        json_key(j, r->pairs[i].key);
        json_slice(j, NULL, r->pairs[i].value);
    }
    json_end_object(j);
    json_u64(j, "renamed_labels", r->n_renamed);
    json_str(j, "type", metric_type_name(res->type));
    json_double(j, "ttl_seconds", (double)res->ttl_ns / 1e9);
    put_series_text(j, res, &text);
    json_str(j, "over_limit", sample->folds ? "folded" : "refused");
    json_str(j, "limit_met", sample->limit);
    json_end_object(j);
    buf_release(&text);
}

static void put_conflict(struct json *j, const struct explain_sample *sample)
{
    if (sample->clash == 0) {
        json_null(j, "conflict");
        return;
    }
    json_object(j, "conflict");
    json_str(j, "about",
             sample->clash == SERIES_E_TYPE     ? "type"
             : sample->clash == SERIES_E_SUFFIX ? "suffix"
                                                : "reserved");
    json_slice(j, "with", sample->holder);
    json_str(j, "type",
             sample->clash == SERIES_E_RESERVED ? NULL : metric_type_name(sample->holder_type));
    json_end_object(j);
}

static void put_candidates(struct json *j, const struct explain_sample *sample)
{
    const struct mapping_candidates *c = sample->read ? sample->candidates : NULL;

    json_array(j, "candidates");
    for (size_t i = 0; c != NULL && i < c->n; i++) {
        json_object(j, NULL);
        put_rule(j, sample->mapping, c->best[i].rule);
        json_str(j, "verdict", mapping_verdict_name(c->best[i].verdict));
        json_slice(j, "why", mapping_why(c, i));
        json_end_object(j);
    }
    json_end_array(j);
    json_u64(j, "more_candidates", c != NULL ? c->n_more : 0);
}

static void json_form_sample(struct explain_teller *t, const struct explain_sample *sample)
{
    static const char *const outcomes[] = {
        [EXPLAIN_SERIES] = "series",
        [EXPLAIN_REFUSED] = "refused",
        [EXPLAIN_DROPPED] = "dropped",
        [EXPLAIN_NOTHING] = "nothing",
    };
    struct json *j = &t->json;

    json_object(j, NULL);
    json_slice(j, "value", sample->value);
    json_slice(j, "suffix", sample->suffix);
    if (sample->read)
        put_reading(j, sample);
    else
        put_no_reading(j);
    json_str(j, "outcome", outcomes[sample->outcome]);
    put_refusal(j, &sample->refusal);
    put_conflict(j, sample);
    put_winner(j, sample);
    if (sample->outcome == EXPLAIN_SERIES)
        put_series(j, sample);
    else
        json_null(j, "series");
    put_candidates(j, sample);
    json_end_object(j);
}

static void json_form_line(struct explain_teller *t, const struct explain_line *line)
{
    static const char *const outcomes[] = {
        [EXPLAIN_SAMPLES] = "samples", [EXPLAIN_LINE_REFUSED] = "refused",
        [EXPLAIN_EVENT] = "event",     [EXPLAIN_CHECK] = "service_check",
        [EXPLAIN_EMPTY] = "empty",
    };
    struct json *j = &t->json;

    *j = json_writer(&t->told);
    json_object(j, NULL);
    json_slice(j, "line", line->text);
    json_str(j, "outcome", outcomes[line->outcome]);
    put_refusal(j, &line->refusal);
    json_u64(j, "tag_errors", line->n_tag_errors);
    json_array(j, "samples");
}

static void json_form_end(struct explain_teller *t, size_t n_more, struct buf *out)
{
    json_end_array(&t->json);
    json_u64(&t->json, "more_samples", n_more);
    json_end_object(&t->json);
    buf_add_byte(&t->told, '\n');
    buf_add_slice(out, buf_slice(&t->told));
}

const struct explain_form explain_json = {true, json_form_line, json_form_sample, json_form_end};
