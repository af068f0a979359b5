/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML: from the bytes of a file to a tree of nodes
 *
 * The only file that knows libyaml. It hands libyaml's events one by one to the builder, stops at
 * the end of the first document, and puts what libyaml complains about into words that say where
 * the trouble began and what mostly lies behind it.
 *
 * Laws: libyaml sees the text as UTF-8 and nothing else, so its first complaint about a byte is
 *       ours too. Nothing is left unread without a word but what stands behind `---` or `...`.
 *       libyaml's own memory never leaves this file.
 */
#include "conf/yaml.h"

#include "conf/yaml_build.h"

#include <yaml.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Words of libyaml, and what mostly lies behind them. */
static const struct {
    const char *part;
    const char *hint;
    bool tell_start; /* of what was opened and not closed */
} hints[] = {
    {"mapping values are not allowed",
     "indent the key like its neighbours, or quote the value if it contains a colon and a space",
     false},
    {"tab character", "indent with spaces, not tabs", false},
    {"',' or '}'", "close the brace, or quote a value that contains one of { } [ ] ,", true},
    {"',' or ']'", "close the bracket, or quote a value that contains one of { } [ ] ,", true},
    {"end of stream", "close the quote", true},
    {"document indicator", "close the quote", true},
    {"expected key", "indent the line like its neighbours", false},
    {"expected ':'", "write `key: value`, with a space after the colon", false},
    {"expected '-' indicator", "begin the item with `- `, or indent the line like its neighbours",
     false},
    {"node content", "write a value there, or close the brackets before it", false},
    {"alphabetic or numeric", "quote a value that begins with * or &", false},
    {"escape", "use single quotes for a literal backslash", false},
    {"hexdecimal", "use single quotes for a literal backslash", false},
    {"", "check quotes, brackets and indentation there", false},
};

/* The row for @problem; the last one is for all. */
static size_t hint_for(const char *problem)
{
    size_t i = 0;

    while (strstr(problem, hints[i].part) == NULL)
        i++;
    return i;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* libyaml refused a character and knows its offset only: find line and column. */
static int refuse_character(const struct yaml_doc *doc, const yaml_parser_t *parser,
                            struct slice text, struct err *e)
{
    struct yaml_node here = {.line = 1, .column = 1};
    size_t end = parser->problem_offset < text.len ? parser->problem_offset : text.len;

    /* A sequence that breaks off is blamed on the byte that breaks it; step back to its start. */
    if (strstr(parser->problem, "trailing") != NULL) {
        end -= end > 0;
        while (end > 0 && continues(text.p[end]))
            end--;
    }
    for (size_t i = 0; i < end; i++) {
        if (text.p[i] == '\n') {
            here.line++;
            here.column = 1;
        } else if (!continues(text.p[i])) {
            here.column++;
        }
    }
    if (strstr(parser->problem, "control") != NULL)
        return yaml_doc_refuse(doc, &here, e,
                               "the control character U+%04X is not allowed in YAML; remove it",
                               (unsigned)parser->problem_value);
    return yaml_doc_refuse(doc, &here, e, "this is not UTF-8 (byte 0x%02x); save the file as UTF-8",
                           end < text.len ? (unsigned char)text.p[end] : 0);
}

/* The byte that begins character number @index. */
static char character_at(struct slice text, size_t index)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!continues(text.p[i]) && index-- == 0)
            return text.p[i];
    }
    return '\0';
}

static int refuse_token(const struct yaml_doc *doc, const struct yaml_node *here, char c,
                        struct err *e)
{
    if (c == '\t')
        return yaml_doc_refuse(doc, here, e,
                               "a tab is not allowed here; indent with spaces, not tabs");
    return yaml_doc_refuse(doc, here, e, "no key or value can begin with %c; quote the value", c);
}

/*
 * Something follows the first document that begins no other. Mostly the first line of the file is
 * indented by mistake, so the second one ends what it began.
 */
static int refuse_rest(const struct yaml_doc *doc, const struct yaml_node *here, struct err *e)
{
    const struct yaml_node *root = doc->root;

    if (root != NULL && here->column < root->column)
        return yaml_doc_refuse(doc, here, e,
                               "this line begins left of line %u, where the file begins at column "
                               "%u, and would be ignored; indent both equally",
                               root->line, root->column);
    return yaml_doc_refuse(doc, here, e,
                           "nothing can follow here, the file's only value is complete; remove "
                           "what follows, or make it part of that value");
}

static int refuse_syntax(const struct yaml_doc *doc, const yaml_parser_t *parser, struct slice text,
                         struct err *e)
{
    const char *problem = parser->problem ? parser->problem : "not readable";
    size_t row = hint_for(problem);
    char start[64] = "";
    struct yaml_node here = {
        .line = (unsigned)parser->problem_mark.line + 1,
        .column = (unsigned)parser->problem_mark.column + 1,
    };

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR)
        return refuse_character(doc, parser, text, e);
    if (strstr(problem, "cannot start any token") != NULL)
        return refuse_token(doc, &here, character_at(text, parser->problem_mark.index), e);
    if (strstr(problem, "<document start>") != NULL)
        return refuse_rest(doc, &here, e);
    if (hints[row].tell_start && parser->context != NULL)
        snprintf(start, sizeof(start), " (it begins at line %zu)", parser->context_mark.line + 1);
    return yaml_doc_refuse(doc, &here, e, "not YAML: %s; %s%s", problem, hints[row].hint, start);
}

static struct yaml_head head_of(const yaml_event_t *event, const yaml_char_t *anchor,
                                const yaml_char_t *tag)
{
    return (struct yaml_head){
        .line = (unsigned)event->start_mark.line + 1,
        .column = (unsigned)event->start_mark.column + 1,
        .anchor = (const char *)anchor,
        .tag = (const char *)tag,
    };
}

static int on_scalar(struct yaml_builder *b, const yaml_event_t *event)
{
    struct yaml_head head = head_of(event, event->data.scalar.anchor, event->data.scalar.tag);
    struct slice text = slice_of((const char *)event->data.scalar.value, event->data.scalar.length);

    return yaml_builder_scalar(b, &head, text, event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

/* 0 or -ENOMEM. */
static int note_rest(struct yaml_doc *doc, const yaml_event_t *event)
{
    struct yaml_node *place;

    if (event->type != YAML_DOCUMENT_START_EVENT)
        return 0;
    place = yaml_doc_alloc(doc, sizeof(*place));
    if (place == NULL)
        return -ENOMEM;
    place->line = (unsigned)event->start_mark.line + 1;
    place->column = (unsigned)event->start_mark.column + 1;
    doc->ignored = place;
    return 0;
}

enum event_outcome {
    EVENT_END = 1,  /* of the first document */
    EVENT_END_BARE, /* the same, and no "..." says so: another document may follow, or nothing */
};

/* One event. 0; an outcome; -ENOMEM; -EINVAL with the error filled. */
static int on_event(struct yaml_builder *b, const yaml_event_t *event)
{
    struct yaml_head head;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_ALIAS_EVENT:
        head = head_of(event, event->data.alias.anchor, NULL);
        return yaml_builder_alias(b, &head);
    case YAML_SEQUENCE_START_EVENT:
        head = head_of(event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return yaml_builder_start(b, &head, YAML_LIST);
    case YAML_MAPPING_START_EVENT:
        head = head_of(event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return yaml_builder_start(b, &head, YAML_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return yaml_builder_end(b);
    case YAML_DOCUMENT_END_EVENT:
        return event->data.document_end.implicit ? EVENT_END_BARE : EVENT_END;
    case YAML_STREAM_END_EVENT:
        return EVENT_END;
    default:
        return 0;
    }
}

/* The next event to @b, NULL behind the first document; as on_event(). */
static int read_event(struct yaml_doc *doc, yaml_parser_t *parser, struct slice text,
                      struct yaml_builder *b, struct err *e)
{
    yaml_event_t event;
    int r;

    if (!yaml_parser_parse(parser, &event))
        return refuse_syntax(doc, parser, text, e);
    r = b != NULL ? on_event(b, &event) : note_rest(doc, &event);
    yaml_event_delete(&event);
    return r;
}

static int read_events(struct yaml_doc *doc, yaml_parser_t *parser, struct slice text,
                       struct err *e)
{
    struct yaml_builder *b;
    int r = yaml_builder_new(&b, doc, e);

    if (r < 0)
        return r;
    while (r == 0)
        r = read_event(doc, parser, text, b, e);
    yaml_builder_free(b);
    if (r == EVENT_END_BARE)
        r = read_event(doc, parser, text, NULL, e);
    return r < 0 ? r : 0;
}

static int read_text(struct yaml_doc *doc, struct slice text, struct err *e)
{
    static const struct yaml_node start = {.line = 1, .column = 1};
    yaml_parser_t parser;
    int r;

    if (text.len > YAML_MAX_BYTES)
        return yaml_doc_refuse(doc, &start, e, "the file is larger than %u MiB; split it",
                               YAML_MAX_BYTES >> 20);
    /* To libyaml, told that this is UTF-8, it would be a blank: the first key would be indented. */
    if (slice_starts(text, SLICE_LIT("\xEF\xBB\xBF")))
        text = slice_from(text, 3);
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len > 0 ? text.p : ""),
                                 text.len);
    r = read_events(doc, &parser, text, e);
    yaml_parser_delete(&parser);
    return r;
}

int yaml_doc_new(struct yaml_doc **out, const char *file, struct slice text, struct err *e)
{
    struct yaml_doc *doc = calloc(1, sizeof(*doc));
    int r = -ENOMEM;

    if (doc == NULL)
        return -ENOMEM;
    if (file != NULL) {
        doc->file = strdup(file);
        if (doc->file == NULL)
            goto fail;
    }
    r = read_text(doc, text, e);
    if (r < 0)
        goto fail;
    *out = doc;
    return 0;

fail:
    yaml_doc_free(doc);
    return r;
}
