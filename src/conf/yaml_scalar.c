/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML scalars: what a written value means
 *
 * The rules are those of the Go decoder that statsd_exporter uses, YAML 1.1 with Go's integers:
 *
 *      bool       y n yes no on off true false, in lower case, Capitalised or UPPER
 *      integer    42 -7 1_000 0x1F 0o17 017 0b101
 *      float      1.5 .5 1e-6 .inf -.Inf .nan
 *      duration   300ms 1h30m -1s, or a number, which counts nanoseconds
 *      text       any scalar as it was written
 *
 * Only a plain scalar can be a bool, a number or null; a quoted one is text and nothing else.
 *
 * Laws: each reader says what was found, what was expected and what to write. Nothing here rounds
 *       in silence: a fraction is no whole number.
 */
#include "conf/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/num.h"

#define NUMBER_MAX 512 /* no longer text is taken for a number */

struct number {
    bool whole;
    bool negative;
    uint64_t magnitude; /* when whole */
    double value;
};

bool yaml_node_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (node == NULL)
        return true;
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_eq_str(node->text, words[i]))
            return true;
    }
    return false;
}

const char *yaml_node_kind_name(const struct yaml_node *node)
{
    if (yaml_node_is_null(node))
        return "nothing";
    switch (node->kind) {
    case YAML_MAP:
        return "a mapping";
    case YAML_LIST:
        return "a list";
    default:
        return "a single value";
    }
}

#define SHOWN_MAX 50

/* The value as a message shows it: quoted, on one line, cut when long; a list by its kind. */
static const char *shown(const struct yaml_node *node, char out[SHOWN_MAX + 8])
{
    size_t n = node->text.len, i;

    if (node->kind != YAML_SCALAR || yaml_node_is_null(node))
        return yaml_node_kind_name(node);
    /* Never cut inside a character. */
    for (i = n > SHOWN_MAX ? SHOWN_MAX : n; i > 0 && i < n; i--) {
        if (((unsigned char)node->text.p[i] & 0xC0) != 0x80)
            break;
    }
    snprintf(out, SHOWN_MAX + 8, "\"%.*s\"%s", (int)i, node->text.p, i < n ? "..." : "");
    for (char *p = out; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    }
    return out;
}

int yaml_node_expect(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                     enum yaml_kind kind, struct err *e)
{
    static const char *const wanted[] = {
        [YAML_SCALAR] = "a single value",
        [YAML_LIST] = "a list, one `- item` a line or [a, b]",
        [YAML_MAP] = "a mapping, one `key: value` a line, indented, or {key: value}",
    };
    char seen[SHOWN_MAX + 8];

    if (node->kind == kind)
        return 0;
    return yaml_doc_refuse(doc, node, e, "%s must be %s, not %s", what, wanted[kind],
                           shown(node, seen));
}

int yaml_node_text(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                   const char **out, struct err *e)
{
    int r = yaml_node_expect(doc, node, what, YAML_SCALAR, e);

    if (r < 0)
        return r;
    if (slice_find(node->text, '\0') < node->text.len)
        return yaml_doc_refuse(doc, node, e, "%s holds a NUL character; remove the \\0", what);
    *out = yaml_node_is_null(node) ? "" : node->text.p;
    return 0;
}

/* ---- bool ---- */

int yaml_node_bool(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                   bool *out, struct err *e)
{
    static const char *const words[2][12] = {
        {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ""},
        {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", ""},
    };
    char seen[SHOWN_MAX + 8];

    for (int value = 0; value < 2 && node->kind == YAML_SCALAR && node->plain; value++) {
        for (size_t i = 0; words[value][i][0] != '\0'; i++) {
            if (slice_eq_str(node->text, words[value][i])) {
                *out = value == 1;
                return 0;
            }
        }
    }
    return yaml_doc_refuse(doc, node, e, "%s must be true or false, without quotes, not %s", what,
                           shown(node, seen));
}

/* ---- numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static unsigned digit_value(char c)
{
    if (is_digit(c))
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 99;
}

/* Cut Go's prefix off @s: the base that follows. A lone 0 is decimal. */
static unsigned cut_base(struct slice *s)
{
    static const struct {
        char letter;
        unsigned base;
    } prefixes[] = {{'x', 16}, {'o', 8}, {'b', 2}};

    if (s->len < 2 || s->p[0] != '0')
        return 10;
    *s = slice_from(*s, 1);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if ((s->p[0] | 0x20) == prefixes[i].letter) {
            *s = slice_from(*s, 1);
            return prefixes[i].base;
        }
    }
    return 8;
}

static bool read_whole(struct slice s, struct number *out)
{
    uint64_t v = 0;
    unsigned base;

    out->negative = s.len > 0 && s.p[0] == '-';
    if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = slice_from(s, 1);
    base = cut_base(&s);
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = digit_value(s.p[i]);

        if (digit >= base || v > (UINT64_MAX - digit) / base)
            return false;
        v = v * base + digit;
    }
    if (s.len == 0 || (out->negative && v > (uint64_t)INT64_MAX + 1))
        return false;
    out->whole = true;
    out->magnitude = v;
    out->value = out->negative ? -(double)v : (double)v;
    return true;
}

static size_t skip_digits(struct slice s, size_t i)
{
    while (i < s.len && is_digit(s.p[i]))
        i++;
    return i;
}

/* [-+]? (.digits | digits [.digits?]) [exponent]: a float as YAML writes it. */
static bool looks_like_float(struct slice s)
{
    size_t i = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');
    size_t start = i, n_digits;

    i = skip_digits(s, i);
    n_digits = i - start;
    if (i < s.len && s.p[i] == '.') {
        size_t dot = i++;

        i = skip_digits(s, i);
        n_digits += i - dot - 1;
    }
    if (n_digits == 0)
        return false;
    if (i < s.len && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        i += i < s.len && (s.p[i] == '-' || s.p[i] == '+');
        start = i;
        i = skip_digits(s, i);
        if (i == start)
            return false;
    }
    return i == s.len;
}

static bool read_special(struct slice s, double *out)
{
    static const struct {
        const char *lower, *capital, *upper;
        double value;
    } specials[] = {
        {".nan", ".NaN", ".NAN", NAN},
        {".inf", ".Inf", ".INF", INFINITY},
        {"+.inf", "+.Inf", "+.INF", INFINITY},
        {"-.inf", "-.Inf", "-.INF", -INFINITY},
    };

    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        if (slice_eq_str(s, specials[i].lower) || slice_eq_str(s, specials[i].capital) ||
            slice_eq_str(s, specials[i].upper)) {
            *out = specials[i].value;
            return true;
        }
    }
    return false;
}

static bool read_number(const struct yaml_node *node, struct number *out)
{
    char digits[NUMBER_MAX];
    struct slice s = {digits, 0};

    *out = (struct number){0};
    if (node->kind != YAML_SCALAR || !node->plain || node->text.len == 0 ||
        node->text.len > sizeof(digits) || node->text.p[0] == '_')
        return false;
    for (size_t i = 0; i < node->text.len; i++) {
        if (node->text.p[i] != '_')
            digits[s.len++] = node->text.p[i];
    }
    if (read_special(node->text, &out->value) || read_whole(s, out))
        return true;
    *out = (struct number){0};
    return looks_like_float(s) && num_parse(s, &out->value) == 0;
}

/* Something that is no number, with the likeliest reason. */
static int refuse_number(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                         const char *wanted, struct err *e)
{
    struct yaml_node bare = *node;
    struct number ignored;
    char seen[SHOWN_MAX + 8];

    bare.plain = true;
    if (!node->plain && read_number(&bare, &ignored))
        return yaml_doc_refuse(doc, node, e,
                               "%s must be %s, but %s is quoted and so a text; "
                               "remove the quotes",
                               what, wanted, shown(node, seen));
    return yaml_doc_refuse(doc, node, e, "%s must be %s, not %s", what, wanted, shown(node, seen));
}

int yaml_node_double(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                     double *out, struct err *e)
{
    struct number number;

    if (!read_number(node, &number))
        return refuse_number(doc, node, what, "a number such as 0.5", e);
    *out = number.value;
    return 0;
}

int yaml_node_u32(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                  uint32_t *out, struct err *e)
{
    struct number number;

    if (!read_number(node, &number) || !(number.value >= 0 && number.value <= UINT32_MAX) ||
        number.value != floor(number.value))
        return refuse_number(doc, node, what, "a whole number from 0 to 4294967295", e);
    *out = (uint32_t)number.value;
    return 0;
}

static int refuse_duration(const struct yaml_doc *doc, const struct yaml_node *node,
                           const char *what, struct err *e)
{
    char seen[SHOWN_MAX + 8];

    return yaml_doc_refuse(doc, node, e,
                           "%s must be a duration such as 300ms, 30s or 1h30m (the units are ns us "
                           "ms s m h), not %s",
                           what, shown(node, seen));
}

/* A number counts nanoseconds; what is beyond 64 bits is refused. */
static bool whole_ns(const struct number *number, int64_t *out)
{
    /* Both bounds are exact doubles; 2^63 itself no longer fits. */
    if (!(number->value >= -0x1p63 && number->value < 0x1p63))
        return false;
    if (!number->whole)
        *out = (int64_t)number->value;
    else
        *out = (int64_t)(number->negative ? 0 - number->magnitude : number->magnitude);
    return true;
}

int yaml_node_duration(const struct yaml_doc *doc, const struct yaml_node *node, const char *what,
                       struct yaml_duration *out, struct err *e)
{
    struct number number;
    int64_t ns;

    if (read_number(node, &number)) {
        if (!whole_ns(&number, &ns))
            return refuse_duration(doc, node, what, e);
        *out = (struct yaml_duration){.ns = ns, .bare = true};
        return 0;
    }
    if (node->kind != YAML_SCALAR || num_parse_duration(node->text, &ns) != 0)
        return refuse_duration(doc, node, what, e);
    *out = (struct yaml_duration){.ns = ns};
    return 0;
}
