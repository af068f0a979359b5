/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: text to double, durations (num_print.c is the way back)
 *
 * Nearly every number on the wire is a plain decimal of at most 19 digits: read_plain() takes it,
 * as a whole number divided by a power of ten. All else - exponents, underscores, hexadecimal, more
 * digits - goes through scan_number(), which checks Go's grammar and reduces the number to
 *
 *      digits e exponent            0x digits p exponent
 *
 * on the stack, for strtod to round. That text has no decimal point, so the locale has no say. No
 * double needs more than 768 decimal digits to be decided; of those behind, only whether they are
 * all zero matters, and a last digit 1 stands for "they are not".
 *
 * Laws: work is linear in the input's length, whatever it is; nothing is allocated; the result is
 *       the double nearest to the text, the even one on a tie.
 */
#include "base/num.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_DIGITS 19           /* as many always fit 64 bits */
#define DIGITS_MAX   800          /* see above: 768 is enough */
#define EXPONENT_MAX 1000000000   /* far beyond what any digits could bring back into range */
#define WHOLE_MAX    (1ULL << 53) /* up to it every whole number is a double */

__extension__ typedef unsigned __int128 u128;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* All of them exact: 10^22 would be the last. */
static const double powers_of_ten[PLAIN_DIGITS + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
};

/*
 * @m / 10^@k, correctly rounded. Up to 2^53 both are doubles, and so one division rounds once.
 * Above, the quotient is taken to 64 bits and more; that a remainder is left goes into its last
 * bit, far below the place where the conversion rounds.
 */
static double divide(uint64_t m, size_t k)
{
    uint64_t power = (uint64_t)powers_of_ten[k];
    unsigned shift;
    u128 n, q;

    if (m <= WHOLE_MAX || k == 0)
        return (double)m / powers_of_ten[k];
    shift = (unsigned)__builtin_clzll(m);
    n = (u128)(m << shift) << 64;
    q = n / power;
    if (n % power != 0)
        q |= 1;
    return ldexp((double)q, -64 - (int)shift);
}

/* The short way: [sign] digits [. digits], at most PLAIN_DIGITS of them. False: not so plain. */
static bool read_plain(struct slice s, double *out)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    size_t i = negative || (s.len > 0 && s.p[0] == '+');
    size_t first = i, point = s.len, n_digits;
    uint64_t m = 0;
    double v;

    if (s.len - i > PLAIN_DIGITS + 1)
        return false;
    for (; i < s.len; i++) {
        if (is_digit(s.p[i]))
            m = m * 10 + (uint64_t)(s.p[i] - '0');
        else if (s.p[i] == '.' && point == s.len)
            point = i;
        else
            return false;
    }
    n_digits = s.len - first - (point < s.len);
    if (n_digits == 0 || n_digits > PLAIN_DIGITS)
        return false;
    v = divide(m, point < s.len ? s.len - point - 1 : 0);
    *out = negative ? -v : v;
    return true;
}

static bool equals_lower(struct slice s, const char *word)
{
    size_t len = strlen(word);

    if (s.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(s.p[i]) != word[i])
            return false;
    }
    return true;
}

/* inf and infinity with or without a sign, nan only without. */
static bool read_special(struct slice s, double *out)
{
    bool sign = s.len > 0 && (s.p[0] == '-' || s.p[0] == '+');
    struct slice word = slice_from(s, sign);

    if (equals_lower(word, "inf") || equals_lower(word, "infinity")) {
        *out = s.p[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (!sign && equals_lower(word, "nan")) {
        *out = NAN;
        return true;
    }
    return false;
}

struct scan {
    struct slice rest; /* what is not read yet */
    bool negative;
    bool hex;
    bool after_digit; /* the byte before `rest` was a digit or ended the prefix 0x */
    bool any_digits;
    bool dropped;     /* a digit other than 0 did not fit */
    int64_t exponent; /* of ten, or of two */
    unsigned n_digits;
    char text[DIGITS_MAX + 32]; /* significant digits; later all that strtod reads */
};

static bool at_digit(const struct scan *n, size_t i)
{
    char c;

    if (i >= n->rest.len)
        return false;
    c = n->rest.p[i];
    return is_digit(c) || (n->hex && lower(c) >= 'a' && lower(c) <= 'f');
}

static bool at(const struct scan *n, char c)
{
    return n->rest.len > 0 && lower(n->rest.p[0]) == c;
}

static void skip(struct scan *n, size_t len)
{
    n->rest = slice_from(n->rest, len);
}

/* An underscore stands after a digit or the prefix, and before a digit. */
static bool skip_underscore(struct scan *n)
{
    if (!n->after_digit || !at_digit(n, 1))
        return false;
    skip(n, 1);
    return true;
}

static void take_digit(struct scan *n, char c, bool fraction)
{
    int weight = n->hex ? 4 : 1;

    n->any_digits = true;
    n->after_digit = true;
    if (fraction)
        n->exponent -= weight;
    if (c == '0' && n->n_digits == 0)
        return; /* leading zeros only move the point */
    if (n->n_digits < DIGITS_MAX) {
        n->text[n->n_digits++] = c;
        return;
    }
    n->exponent += weight;
    n->dropped |= c != '0';
}

/* digits [. digits] */
static bool scan_digits(struct scan *n)
{
    bool fraction = false;

    for (; n->rest.len > 0; skip(n, 1)) {
        if (at(n, '_') && !skip_underscore(n))
            return false;
        if (at_digit(n, 0)) {
            take_digit(n, n->rest.p[0], fraction);
        } else if (at(n, '.') && !fraction) {
            fraction = true;
            n->after_digit = false;
        } else {
            break;
        }
    }
    return n->any_digits;
}

static bool skip_sign(struct scan *n)
{
    bool negative = at(n, '-');

    if (negative || at(n, '+'))
        skip(n, 1);
    return negative;
}

/* What follows the letter e or p; always decimal, to the end of the number. */
static bool scan_exponent(struct scan *n)
{
    int64_t e = 0;
    bool negative;

    skip(n, 1);
    negative = skip_sign(n);
    n->hex = false;
    n->after_digit = false;
    if (!at_digit(n, 0))
        return false;
    for (; n->rest.len > 0; skip(n, 1)) {
        if (at(n, '_') && !skip_underscore(n))
            return false;
        if (!at_digit(n, 0))
            return false;
        n->after_digit = true;
        if (e < EXPONENT_MAX)
            e = e * 10 + (n->rest.p[0] - '0');
    }
    n->exponent += negative ? -e : e;
    return true;
}

/* Check the grammar and collect digits and exponent. */
static bool scan_number(struct slice s, struct scan *n)
{
    bool hex;

    n->rest = s;
    n->negative = skip_sign(n);
    hex = n->rest.len >= 2 && n->rest.p[0] == '0' && lower(n->rest.p[1]) == 'x';
    if (hex) {
        skip(n, 2);
        n->hex = true;
        n->after_digit = true;
    }
    if (!scan_digits(n))
        return false;
    if (at(n, hex ? 'p' : 'e')) {
        if (!scan_exponent(n))
            return false;
    } else if (hex) {
        return false; /* the exponent is mandatory */
    }
    n->hex = hex;
    return n->rest.len == 0;
}

/* Let strtod round "digits e exponent": no point, no locale. */
static double round_scan(struct scan *n)
{
    char text[sizeof n->text + 2];
    int64_t exponent = n->exponent;
    double v;

    if (n->n_digits == 0)
        return n->negative ? -0.0 : 0.0;
    if (n->dropped) {
        n->text[n->n_digits++] = '1';
        exponent -= n->hex ? 4 : 1;
    }
    snprintf(text, sizeof text, "%s%.*s%c%lld", n->hex ? "0x" : "", (int)n->n_digits, n->text,
             n->hex ? 'p' : 'e', (long long)exponent);
    v = strtod(text, NULL);
    return n->negative ? -v : v;
}

int num_parse(struct slice s, double *out)
{
    struct scan n;

    if (s.len > 0 && read_plain(s, out))
        return 0;
    if (read_special(s, out))
        return 0;
    memset(&n, 0, offsetof(struct scan, text));
    if (!scan_number(s, &n)) {
        *out = 0;
        return NUM_E_SYNTAX;
    }
    *out = round_scan(&n);
    return isinf(*out) ? NUM_E_RANGE : 0;
}

int num_parse_u64(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    bool beyond = false;

    if (s.len == 0)
        return NUM_E_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit = (uint64_t)(s.p[i] - '0');

        if (!is_digit(s.p[i]))
            return NUM_E_SYNTAX;
        if (digit > max || v > (max - digit) / 10)
            beyond = true;
        else
            v = v * 10 + digit;
    }
    if (beyond)
        return NUM_E_RANGE;
    *out = v;
    return 0;
}

/* ---- durations ---- */

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* micro sign */
    {"\xce\xbcs", 1000}, /* Greek mu */
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", UINT64_C(60000000000)},
    {"h", UINT64_C(3600000000000)},
};

#define DURATION_LIMIT (UINT64_C(1) << 63) /* in ns; itself only legal with a minus */

/* The unit named @s, or 0. */
static uint64_t unit_ns(struct slice s)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_eq_str(s, units[i].name))
            return units[i].ns;
    }
    return 0;
}

/* One piece: "1.5h". Whole and fraction are counted apart, as Go does, to lose no nanosecond. */
struct piece {
    uint64_t whole;
    uint64_t fraction; /* digits behind the point, those beyond 63 bits dropped */
    double scale;      /* what the fraction is to be divided by */
    struct slice unit;
};

static size_t digits_at(struct slice s, size_t i)
{
    size_t n = 0;

    while (i + n < s.len && is_digit(s.p[i + n]))
        n++;
    return n;
}

static int read_whole(struct slice digits, uint64_t *out)
{
    uint64_t v = 0;

    if (digits.len > 0) {
        int r = num_parse_u64(digits, DURATION_LIMIT, &v);

        if (r != 0)
            return r;
    }
    *out = v;
    return 0;
}

static void read_fraction(struct slice digits, struct piece *piece)
{
    piece->fraction = 0;
    piece->scale = 1;
    for (size_t i = 0; i < digits.len; i++) {
        if (piece->fraction > (DURATION_LIMIT - 10) / 10)
            return;
        piece->fraction = piece->fraction * 10 + (uint64_t)(digits.p[i] - '0');
        piece->scale *= 10;
    }
}

/* Cut a piece off the front of @s. */
static int take_piece(struct slice *s, struct piece *out)
{
    size_t n_whole = digits_at(*s, 0), n_fraction = 0, i = n_whole, start;
    int r = read_whole(slice_of(s->p, n_whole), &out->whole);

    if (i < s->len && s->p[i] == '.') {
        n_fraction = digits_at(*s, ++i);
        i += n_fraction;
    }
    if (n_whole + n_fraction == 0)
        return NUM_E_SYNTAX;
    read_fraction(slice_of(s->p + i - n_fraction, n_fraction), out);
    start = i;
    while (i < s->len && s->p[i] != '.' && !is_digit(s->p[i]))
        i++;
    out->unit = slice_of(s->p + start, i - start);
    *s = slice_from(*s, i);
    return r;
}

static int piece_ns(const struct piece *piece, uint64_t *out)
{
    uint64_t unit = unit_ns(piece->unit);

    if (unit == 0)
        return NUM_E_SYNTAX;
    if (piece->whole > DURATION_LIMIT / unit)
        return NUM_E_RANGE;
    *out =
        piece->whole * unit + (uint64_t)((double)piece->fraction * ((double)unit / piece->scale));
    return 0;
}

int num_parse_duration(struct slice s, int64_t *out_ns)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    uint64_t total = 0;

    if (negative || (s.len > 0 && s.p[0] == '+'))
        s = slice_from(s, 1);
    if (s.len == 0)
        return NUM_E_SYNTAX;
    if (slice_eq(s, SLICE_LIT("0"))) {
        *out_ns = 0;
        return 0;
    }
    while (s.len > 0) {
        struct piece piece = {0};
        uint64_t ns = 0;
        int r = take_piece(&s, &piece);

        if (r == 0)
            r = piece_ns(&piece, &ns);
        if (r != 0)
            return r;
        if (ns > DURATION_LIMIT - total)
            return NUM_E_RANGE;
        total += ns;
    }
    if (total == DURATION_LIMIT && !negative)
        return NUM_E_RANGE;
    *out_ns = negative ? (int64_t)(0 - total) : (int64_t)total;
    return 0;
}
