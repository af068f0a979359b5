/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers: double to the shortest text that reads back (num.c is the other way)
 *
 * First the digits, then their layout. Whole numbers below 2^53 are their own shortest digits.
 * Others between 2^-70 and 2^53 are written digit by digit in 128-bit fixed point, until what is
 * left is below half of the distance to the next double (Steele and White's way):
 *
 *      v = mantissa / 2^bits        value  .    rest / 2^bits        <- times ten, take a digit
 *                                   whole         +- half a step     <- times ten as well
 *
 * What is larger or smaller is rare: printf is asked for more and more digits until they read back.
 *
 * Laws: the digits read back as the same double, no fewer do, and of those as few the nearest are
 *       taken (the even one on a tie). The locale's decimal point is never looked at.
 */
#include "base/num.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WHOLE_MAX       (1ULL << 53) /* below it every whole number is a double */
#define PLAIN_WHOLE_MAX 1e6          /* from it on whole numbers have an exponent */
#define SMALL_DIGITS    6

__extension__ typedef unsigned __int128 u128;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* A positive number as 0.d1d2d3... times 10^point. */
struct decimal {
    char digits[24];
    unsigned n;
    int point;
};

static size_t write_u64(char *out, uint64_t v)
{
    char reversed[20];
    size_t n = 0;

    do {
        reversed[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

/* A whole number from 1 to 999999, which is most of what a page shows. Two copies of a fixed length
 * that overlap cost less than one of any length. */
static size_t write_small(char *out, uint32_t v)
{
    unsigned n = 1 + (v >= 10) + (v >= 100) + (v >= 1000) + (v >= 10000) + (v >= 100000);
    char text[SMALL_DIGITS];
    const char *digits = text + SMALL_DIGITS - n;

    if (n == 1) {
        out[0] = (char)('0' + v);
        return 1;
    }
    memcpy(text, &pairs[v / 10000 * 2], 2);
    memcpy(text + 2, &pairs[v / 100 % 100 * 2], 2);
    memcpy(text + 4, &pairs[v % 100 * 2], 2);
    if (n < 4) {
        memcpy(out, digits, 2);
        memcpy(out + n - 2, digits + n - 2, 2);
    } else {
        memcpy(out, digits, 4);
        memcpy(out + n - 4, digits + n - 4, 4);
    }
    return n;
}

static void strip_zeros(struct decimal *d)
{
    while (d->n > 1 && d->digits[d->n - 1] == '0')
        d->n--;
}

static void whole_digits(uint64_t v, struct decimal *d)
{
    d->n = v > 0 ? (unsigned)write_u64(d->digits, v) : 0;
    d->point = (int)d->n;
}

/*
 * Digits of the fraction @r / 2^@bits until the rest cannot matter: closer than @below to the text
 * so far, or than @above to the text with its last digit one up. Both are half distances to the
 * neighbouring doubles in units of 2^-bits, and grow with @r by ten a step. Exactly as close never
 * happens: such a text would have as many digits as the number itself, which ends before it.
 */
static void fraction_digits(u128 r, unsigned bits, u128 below, u128 above, struct decimal *d)
{
    const u128 one = (u128)1 << bits;

    for (;;) {
        bool low, high;
        unsigned digit;

        r *= 10;
        below *= 10;
        above *= 10;
        digit = (unsigned)(r >> bits);
        r &= one - 1;
        low = r < below;
        high = r + above > one;
        if (high && (!low || r * 2 > one || (r * 2 == one && digit % 2 == 1)))
            digit++;
        assert(digit <= 9 && d->n < sizeof d->digits);
        if (d->n == 0 && digit == 0)
            d->point--;
        else
            d->digits[d->n++] = (char)('0' + digit);
        if (low || high)
            return;
    }
}

/* The digits of @mantissa / 2^@bits, not a whole number; 2^52 <= mantissa < 2^53, bits <= 122. */
static void fixed_digits(uint64_t mantissa, unsigned bits, struct decimal *d)
{
    uint64_t whole = bits < 64 ? mantissa >> bits : 0;
    u128 rest = mantissa - (bits < 64 ? whole << bits : 0);
    /* Below a power of two the doubles lie twice as close: quarters make both halves whole. */
    bool power = mantissa == WHOLE_MAX / 2;

    whole_digits(whole, d);
    fraction_digits(rest << 2, bits + 2, power ? 1 : 2, 2, d);
}

/* @v to @n digits, as printf rounds them; the point, whatever the locale made of it, is skipped. */
static void rounded_digits(double v, unsigned n, struct decimal *d)
{
    char text[40];
    const char *e;

    snprintf(text, sizeof text, "%.*e", (int)n - 1, v);
    e = strchr(text, 'e');
    d->n = 0;
    for (const char *p = text; p < e; p++) {
        if (is_digit(*p))
            d->digits[d->n++] = *p;
    }
    d->point = atoi(e + 1) + 1;
}

static bool reads_back(const struct decimal *d, double v)
{
    char text[40];

    snprintf(text, sizeof text, "%.*se%d", (int)d->n, d->digits, d->point - (int)d->n);
    return strtod(text, NULL) == v;
}

/*
 * More and more digits until they read back. A normal double has at most one text of 15 digits, so
 * there the search may begin. At a power of two, whose lower neighbour is nearer, the nearest text
 * of n digits may fail where the next one up does not.
 */
static void search_digits(double v, struct decimal *d)
{
    int exponent;
    bool power = frexp(v, &exponent) == 0.5;

    for (unsigned n = power || !isnormal(v) ? 1 : 15; n < 17; n++) {
        rounded_digits(v, n, d);
        if (reads_back(d, v))
            return;
        if (power && d->digits[n - 1] < '9') {
            d->digits[n - 1]++;
            if (reads_back(d, v))
                return;
        }
    }
    rounded_digits(v, 17, d);
}

/* The shortest digits of @v, positive and finite. */
static void shortest_digits(double v, struct decimal *d)
{
    int exponent;
    uint64_t mantissa;

    if (v < (double)WHOLE_MAX && v == (double)(uint64_t)v) {
        whole_digits((uint64_t)v, d);
    } else if (v < (double)WHOLE_MAX && v >= 0x1p-70) {
        mantissa = (uint64_t)(frexp(v, &exponent) * (double)WHOLE_MAX);
        fixed_digits(mantissa, (unsigned)(53 - exponent), d);
    } else {
        search_digits(v, d);
    }
    strip_zeros(d);
}

/* d.ddde+xx */
static size_t write_exponent(char *out, const struct decimal *d)
{
    int exponent = d->point - 1;
    unsigned size = (unsigned)abs(exponent);
    size_t n = 0;

    out[n++] = d->digits[0];
    if (d->n > 1) {
        out[n++] = '.';
        memcpy(out + n, d->digits + 1, d->n - 1);
        n += d->n - 1;
    }
    out[n++] = 'e';
    out[n++] = exponent < 0 ? '-' : '+';
    if (size < 10)
        out[n++] = '0';
    return n + write_u64(out + n, size);
}

/* ddd.ddd, with the zeros that are needed before or behind; -3 <= point <= 6. */
static size_t write_plain(char *out, const struct decimal *d)
{
    unsigned whole = d->point > 0 ? (unsigned)d->point : 0;
    size_t n = 0;

    for (unsigned i = 0; i < whole; i++)
        out[n++] = i < d->n ? d->digits[i] : '0';
    if (whole == 0)
        out[n++] = '0';
    if (whole >= d->n)
        return n;
    out[n++] = '.';
    for (int zeros = d->point; zeros < 0; zeros++)
        out[n++] = '0';
    memcpy(out + n, d->digits + whole, d->n - whole);
    return n + d->n - whole;
}

static size_t write_word(char *out, const char *word)
{
    size_t len = strlen(word);

    memcpy(out, word, len);
    return len;
}

size_t num_print(char out[NUM_TEXT_MAX], double v)
{
    struct decimal d;
    size_t n = 0;

    if (v >= 1 && v < PLAIN_WHOLE_MAX && v == (double)(uint32_t)v)
        return write_small(out, (uint32_t)v);
    if (isnan(v))
        return write_word(out, "NaN");
    if (isinf(v))
        return write_word(out, v < 0 ? "-Inf" : "+Inf");
    if (v == 0)
        return write_word(out, "0");
    if (v < 0)
        out[n++] = '-';
    shortest_digits(fabs(v), &d);
    if (d.point < -3 || d.point > 6)
        return n + write_exponent(out + n, &d);
    return n + write_plain(out + n, &d);
}

size_t num_print_u64(char out[NUM_TEXT_MAX], uint64_t v)
{
    return write_u64(out, v);
}
