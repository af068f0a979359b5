/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roff: pieces of a manual page
 *
 * The language of man(7), so much of it as both groff and mandoc read alike: heads, paragraphs,
 * tagged paragraphs, bold, examples. What means something to them is written as the escape of that
 * very character, wherever it stands; so no text has to be looked at for what surrounds it.
 *
 * Hyphenation and justification are off: a name that is parted or stretched cannot be copied. The
 * end of an example turns hyphenation on again in groff.
 *
 * Laws: no line but an example's is longer than WIDTH bytes, if its words are not. Bold ends with
 *       its paragraph. A line begins with a dot only if it is a request of ours.
 */
#include "base/roff.h"

#include <errno.h>
#include <string.h>

#define WIDTH 80

/* ---- text ---- */

/* Of the characters that are not themselves everywhere. */
static const char *const escapes[128] = {
    ['\\'] = "\\e",  ['-'] = "\\-",   ['\''] = "\\(aq", ['`'] = "\\(ga",
    ['"'] = "\\(dq", ['^'] = "\\(ha", ['~'] = "\\(ti",
};

static void add_char(struct buf *out, char c)
{
    unsigned char i = (unsigned char)c;
    const char *escape = i < sizeof escapes / sizeof escapes[0] ? escapes[i] : NULL;

    if (escape != NULL)
        buf_add_str(out, escape);
    else
        buf_add_byte(out, c);
}

/* A word, or with @bold a word of prose, where backticks turn it over. */
static void add_word(struct buf *out, const char *word, size_t len, bool *bold)
{
    if (len > 0 && word[0] == '.')
        buf_add_str(out, "\\&");
    for (size_t i = 0; i < len; i++) {
        if (bold == NULL || word[i] != '`') {
            add_char(out, word[i]);
        } else {
            *bold = !*bold;
            buf_add_str(out, *bold ? "\\fB" : "\\fR");
        }
    }
}

/* Fill lines up to WIDTH with the words of @text, and end the last one. */
static void add_words(struct buf *out, const char *text, bool *bold)
{
    size_t line = out->len;
    const char *blanks = " \n";

    for (text += strspn(text, blanks); *text != '\0'; text += strspn(text, blanks)) {
        size_t len = strcspn(text, blanks), gap = out->len;

        if (gap > line)
            buf_add_byte(out, ' ');
        add_word(out, text, len, bold);
        if (gap > line && out->len - line > WIDTH && !out->failed) {
            out->p[gap] = '\n';
            line = gap + 1;
        }
        text += len;
    }
    if (bold != NULL && *bold)
        buf_add_str(out, "\\fR");
    buf_add_byte(out, '\n');
}

static void add_plain(struct buf *out, const char *text)
{
    add_words(out, text, NULL);
}

static void add_prose(struct buf *out, const char *prose)
{
    bool bold = false;

    add_words(out, prose, &bold);
}

/* ---- pieces ---- */

static void add_head(struct roff *r, const char *request, const char *text)
{
    buf_add_str(r->out, request);
    add_plain(r->out, text);
    r->headed = true;
}

void roff_head(struct roff *r, const char *text)
{
    add_head(r, ".SH ", text);
}

void roff_subhead(struct roff *r, const char *text)
{
    add_head(r, ".SS ", text);
}

static void add_paragraph(struct roff *r)
{
    if (!r->headed)
        buf_add_str(r->out, ".PP\n");
    r->headed = false;
}

void roff_paragraph(struct roff *r, const char *prose)
{
    add_paragraph(r);
    add_prose(r->out, prose);
}

void roff_indented(struct roff *r, const char *prose)
{
    buf_add_str(r->out, ".IP\n");
    add_prose(r->out, prose);
    r->headed = false;
}

static void add_tag(struct roff *r, const char *tag)
{
    buf_add_str(r->out, ".TP\n\\fB");
    add_word(r->out, tag, strlen(tag), NULL);
    buf_add_str(r->out, "\\fR\n");
    r->headed = false;
}

void roff_item(struct roff *r, const char *tag, const char *text)
{
    add_tag(r, tag);
    add_plain(r->out, text);
}

void roff_example(struct roff *r, const char *lines)
{
    add_paragraph(r);
    buf_add_str(r->out, ".RS 4\n.EX\n");
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");

        add_word(r->out, lines, len, NULL);
        buf_add_byte(r->out, '\n');
        lines += len + (lines[len] == '\n');
    }
    buf_add_str(r->out, ".EE\n.nh\n.RE\n");
}

/* ---- pages ---- */

static void add_title(struct buf *out, const struct roff_page *page, const char *version)
{
    buf_add_str(out, ".TH \"");
    add_word(out, page->name, strlen(page->name), NULL);
    buf_addf(out, "\" %u \"%s\" \"", page->section, page->date);
    add_word(out, page->program, strlen(page->program), NULL);
    buf_add_byte(out, ' ');
    add_word(out, version, strlen(version), NULL);
    buf_add_str(out, "\"\n.nh\n.ad l\n");
}

static void add_item(struct roff *r, const struct roff_part *part)
{
    add_tag(r, part->tag);
    add_prose(r->out, part->text);
}

static void add_parts(struct roff *r, const struct roff_part *parts)
{
    static void (*const pieces[])(struct roff *, const char *) = {
        [ROFF_HEAD] = roff_head,
        [ROFF_SUBHEAD] = roff_subhead,
        [ROFF_TEXT] = roff_paragraph,
        [ROFF_LINES] = roff_example,
    };

    for (; parts->kind != ROFF_END; parts++) {
        if (parts->kind == ROFF_ITEM)
            add_item(r, parts);
        else
            pieces[parts->kind](r, parts->text);
    }
}

int roff_page(struct buf *out, const struct roff_page *page, const char *version)
{
    struct roff r = {.out = out};

    add_title(out, page, version);
    add_parts(&r, page->before);
    page->tables(&r);
    add_parts(&r, page->after);
    return out->failed ? -ENOMEM : 0;
}
