/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Glob: which pattern takes a name, against tables and against a matcher too simple to be wrong
 */
#include "mapping/glob.h"

#include "lib/guard.h"
#include "lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ALL       ((1u << MAPPING_N_KINDS) - 1)
#define C         (1u << MAPPING_COUNTER)
#define G         (1u << MAPPING_GAUGE)
#define O         (1u << MAPPING_OBSERVER)
#define S         (1u << MAPPING_SET)

#define MAX_RULES 8

struct rule {
    const char *pattern;
    unsigned kinds;
};

static struct glob *build(const struct rule *rules, size_t n, bool ordered)
{
    struct glob_rule list[MAX_RULES];
    struct glob *g = (void *)1;

    for (size_t i = 0; i < n; i++)
        list[i] = (struct glob_rule){slice_str(rules[i].pattern), rules[i].kinds, false};
    ck_assert_int_eq(glob_new(&g, list, n, ordered), 0);
    return g;
}

/* As glob_match(), where no rule has conditions. */
static int find(const struct glob *g, enum mapping_kind kind, struct slice name,
                struct glob_scratch *s, uint32_t *out)
{
    return glob_match(g, &(struct glob_query){.kind = kind, .name = name}, s, out);
}

/* The position of the rule that takes @name, or -1; the name lies against a guard page. */
static int match(const struct glob *g, enum mapping_kind kind, const char *name)
{
    struct glob_scratch s = {0};
    size_t len = strlen(name);
    const char *p = guard_copy(name, len);
    uint32_t out = 12345;

    ck_assert_int_eq(find(g, kind, slice_of(p, len), &s, &out), 0);
    guard_free(p, len);
    glob_scratch_release(&s);
    return out == GLOB_NONE ? -1 : (int)out;
}

struct take {
    struct rule rules[MAX_RULES];
    enum mapping_kind kind;
    const char *name;
    int expected;
};

static void check_take(const struct take *t, bool ordered)
{
    size_t n = 0;
    struct glob *g;
    int got;

    while (n < MAX_RULES && t->rules[n].pattern != NULL)
        n++;
    g = build(t->rules, n, ordered);
    got = match(g, t->kind, t->name);
    ck_assert_msg(got == t->expected, "%s among %s ...: %d, not %d", t->name, t->rules[0].pattern,
                  got, t->expected);
    glob_free(g);
}

static const struct take both_ways[] = {
    /* the same number of segments, each equal or `*` */
    {{{"a.b", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.b", ALL}}, MAPPING_COUNTER, "a.c", -1},
    {{{"a.b", ALL}}, MAPPING_COUNTER, "a", -1},
    {{{"a.b", ALL}}, MAPPING_COUNTER, "a.b.c", -1},
    {{{"a.b", ALL}}, MAPPING_COUNTER, "", -1},
    {{{"a.b", ALL}}, MAPPING_COUNTER, "A.b", -1},
    {{{"a.b", ALL}}, MAPPING_COUNTER, "aa.b", -1},
    {{{"a_b-c", ALL}}, MAPPING_COUNTER, "a_b-c", 0},
    {{{"a.*", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.*", ALL}}, MAPPING_COUNTER, "a.b.c", -1},
    {{{"a.*", ALL}}, MAPPING_COUNTER, "a", -1},
    {{{"*.b.*", ALL}}, MAPPING_COUNTER, "x.b.y", 0},
    {{{"*", ALL}}, MAPPING_COUNTER, "x", 0},
    {{{"*", ALL}}, MAPPING_COUNTER, "x.y", -1},
    /* empty segments count, and `*` takes them */
    {{{"a.*", ALL}}, MAPPING_COUNTER, "a.", 0},
    {{{"a.*.c", ALL}}, MAPPING_COUNTER, "a..c", 0},
    {{{"a.c", ALL}}, MAPPING_COUNTER, "a..c", -1},
    {{{"a", ALL}}, MAPPING_COUNTER, "a.", -1},
    {{{"*", ALL}}, MAPPING_COUNTER, "", 0},
    {{{"*.*", ALL}}, MAPPING_COUNTER, ".", 0},
    /* a name's segment that is literally "*" is like any other */
    {{{"a.*.c", ALL}}, MAPPING_COUNTER, "a.*.c", 0},
    {{{"a.b.c", ALL}}, MAPPING_COUNTER, "a.*.c", -1},
    {{{"a.*.c", ALL}, {"a.b.c", ALL}}, MAPPING_COUNTER, "a.*.c", 0},
    /* kinds: a rule for another one neither takes nor hides */
    {{{"a.b", C}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.b", C}}, MAPPING_GAUGE, "a.b", -1},
    {{{"a.b", C | S}}, MAPPING_SET, "a.b", 0},
    {{{"a.b", ALL}}, MAPPING_SET, "a.b", 0},
    {{{"a.b", C}, {"a.b", G}}, MAPPING_GAUGE, "a.b", 1},
    {{{"a.b", C}, {"a.*", ALL}}, MAPPING_OBSERVER, "a.b", 1},
    {{{"a.b", O}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"a.b", O}, {"a.b", ALL}}, MAPPING_OBSERVER, "a.b", 0},
    {{{"a.b.x", C}, {"a.*.*", G}}, MAPPING_GAUGE, "a.b.x", 1},
    /* a pattern that begins like an earlier, longer one lives (D10) */
    {{{"a.b.c", ALL}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"*.*.x", ALL}, {"*.*", ALL}}, MAPPING_COUNTER, "p.q", 1},
    {{{"a.b.c", C}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"a.b.c", C}, {"a.b", ALL}}, MAPPING_GAUGE, "a.b", 1},
    {{{"a.b", ALL}, {"a.b.c", ALL}}, MAPPING_COUNTER, "a.b.c", 1},
    /* a repeated pattern leaves the first where it is (D10) */
    {{{"a.b", ALL}, {"a.*", ALL}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.b", ALL}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 0},
    /* a dead end on the literal way is backed out of (D11) */
    {{{"a.*.*", ALL}, {"a.b.c", ALL}}, MAPPING_COUNTER, "a.b.x", 0},
    {{{"a.b", ALL}, {"a.b.c.d", ALL}, {"a.*.c", ALL}}, MAPPING_COUNTER, "a.b.c", 2},
    {{{"a.b.*.d", ALL}, {"a.*.c.e", ALL}, {"*.b.c.f", ALL}}, MAPPING_COUNTER, "a.b.c.f", 2},
    /* text and `*` in one segment */
    {{{"a.pre_*", ALL}}, MAPPING_COUNTER, "a.pre_x", 0},
    {{{"a.pre_*", ALL}}, MAPPING_COUNTER, "a.pre_", 0},
    {{{"a.pre_*", ALL}}, MAPPING_COUNTER, "a.pre", -1},
    {{{"a.pre_*", ALL}}, MAPPING_COUNTER, "a.pre_x.y", -1},
    {{{"*_total.x", ALL}}, MAPPING_COUNTER, "a_total.x", 0},
    {{{"*_total.x", ALL}}, MAPPING_COUNTER, "a_total_.x", -1},
    {{{"a*a", ALL}}, MAPPING_COUNTER, "a", -1},
    {{{"a*b*c", ALL}}, MAPPING_COUNTER, "aXbYbZc", 0},
    {{{"a*b*c", ALL}}, MAPPING_COUNTER, "aXcYb", -1},
    {{{"a*", ALL}}, MAPPING_COUNTER, "a*", 0},
    {{{"a*", ALL}}, MAPPING_COUNTER, "*", -1},
    {{{"a*", C}, {"a*", G}}, MAPPING_GAUGE, "ab", 1},
    {{{"x*.y", ALL}, {"*x.z", ALL}}, MAPPING_COUNTER, "xx.z", 1},
    {{{"a.b*.q", ALL}, {"a.*c.r", ALL}, {"a.bc.s", ALL}, {"*.bc.t", ALL}},
     MAPPING_COUNTER,
     "a.bc.t",
     3},
};

/* What order does not decide holds with and without it. */
START_TEST(test_glob_takes)
{
    check_take(&both_ways[_i], true);
    check_take(&both_ways[_i], false);
}
END_TEST

static const struct take in_order[] = {
    {{{"a.*", ALL}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.b", ALL}, {"a.*", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.b", ALL}, {"a.*", ALL}}, MAPPING_COUNTER, "a.c", 1},
    {{{"a.*.*", ALL}, {"a.b.c", ALL}}, MAPPING_COUNTER, "a.b.c", 0},
    {{{"*.b", ALL}, {"a.*", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.*", ALL}, {"*.b", ALL}}, MAPPING_COUNTER, "a.b", 0},
    {{{"*.*.c", ALL}, {"a.*.*", ALL}, {"a.b.c", ALL}}, MAPPING_COUNTER, "a.b.c", 0},
    {{{"a.*", G}, {"a.b", ALL}, {"*.*", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"a.b*", ALL}, {"a.bc", ALL}, {"a.*", ALL}}, MAPPING_COUNTER, "a.bc", 0},
    {{{"a.*", ALL}, {"a.bc", ALL}, {"a.b*", ALL}}, MAPPING_COUNTER, "a.bc", 0},
    {{{"a.b*", G}, {"a.b*d", C}, {"a.*d", ALL}}, MAPPING_COUNTER, "a.bcd", 1},
    {{{"x.b*", ALL}, {"a.q*", C}, {"a.*c", G}, {"a.*d", C}, {"a.q*", G}}, MAPPING_GAUGE, "a.qc", 2},
};

/* In ordered mode the first rule of the file that matches wins, however literal a later one is. */
START_TEST(test_glob_first_wins)
{
    check_take(&in_order[_i], true);
}
END_TEST

static const struct take most_literal[] = {
    {{{"a.*", ALL}, {"a.b", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"*.b", ALL}, {"a.*", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"*.*.c", ALL}, {"a.*.*", ALL}}, MAPPING_COUNTER, "a.b.c", 1},
    {{{"*.*", ALL}, {"*.b", ALL}}, MAPPING_COUNTER, "a.b", 1},
    {{{"a.*", ALL}, {"a.b", G}}, MAPPING_COUNTER, "a.b", 0},
    {{{"a.*.c", ALL}, {"a.b.*", ALL}, {"a.b.c", G}}, MAPPING_COUNTER, "a.b.c", 1},
    /* text, then mixtures by their bytes of text, then a star */
    {{{"*", ALL}, {"b*", ALL}, {"bcd", ALL}}, MAPPING_COUNTER, "bcd", 2},
    {{{"*", ALL}, {"b*", ALL}, {"b*d", ALL}}, MAPPING_COUNTER, "bcd", 2},
    {{{"*", ALL}, {"b*", ALL}, {"b*d", ALL}}, MAPPING_COUNTER, "bcx", 1},
    {{{"b*", ALL}, {"*d", ALL}}, MAPPING_COUNTER, "bcd", 0},
    {{{"*d", ALL}, {"b*", ALL}}, MAPPING_COUNTER, "bcd", 0},
    {{{"*d.x", ALL}, {"b*.y", ALL}, {"*d.y", ALL}}, MAPPING_COUNTER, "bcd.y", 2},
    {{{"a.*.c", ALL}, {"*x.bb.c", ALL}, {"*.b*.c", ALL}}, MAPPING_COUNTER, "zx.bb.c", 1},
    /* a segment that looks like a mixture is none */
    {{{"*a*b*", ALL}, {"a*b", ALL}, {"xyz", ALL}}, MAPPING_COUNTER, "a*b", 0},
};

/* Without order literal text is preferred, from the left. */
START_TEST(test_glob_most_literal_wins)
{
    check_take(&most_literal[_i], false);
}
END_TEST

/* The segments of the name are handed out as they stand in it, stars and empty ones included. */
START_TEST(test_glob_hands_out_segments)
{
    static const struct rule rules[] = {{"a.*.*.d.*", ALL}};
    struct glob *g = build(rules, 1, true);
    struct glob_scratch s = {0};
    uint32_t out;

    ck_assert_int_eq(find(g, MAPPING_SET, SLICE_LIT("a.*..d.x-y"), &s, &out), 0);
    ck_assert_uint_eq(out, 0);
    ck_assert(slice_eq_str(s.segments[1], "*"));
    ck_assert(slice_eq_str(s.segments[2], ""));
    ck_assert(slice_eq_str(s.segments[4], "x-y"));
    glob_scratch_release(&s);
    glob_free(g);
}
END_TEST

/* An automaton without rules takes nothing, and one scratch serves automata of any depth. */
START_TEST(test_glob_scratch_goes_from_one_to_another)
{
    static const struct rule deep[] = {{"a.b.c.d.e.f.*", ALL}}, flat[] = {{"*", ALL}};
    struct glob *g[] = {build(NULL, 0, true), build(flat, 1, true), build(deep, 1, true)};
    struct glob_scratch s = {0};
    uint32_t out = 7;

    ck_assert_int_eq(find(g[0], MAPPING_COUNTER, SLICE_LIT("x"), &s, &out), 0);
    ck_assert_uint_eq(out, GLOB_NONE);
    for (int i = 0; i < 4; i++) {
        struct slice name = i % 2 ? SLICE_LIT("a.b.c.d.e.f.g") : SLICE_LIT("x");

        ck_assert_int_eq(find(g[1 + i % 2], MAPPING_COUNTER, name, &s, &out), 0);
        ck_assert_uint_eq(out, 0);
    }
    glob_scratch_release(&s);
    for (int i = 0; i < 3; i++)
        glob_free(g[i]);
    glob_free(NULL);
}
END_TEST

struct hidden {
    struct rule rules[MAX_RULES]; /* the last one is asked about */
    bool ordered;
    enum mapping_kind kind;
    int by;
};

static const struct hidden hidden[] = {
    {{{"a.*", ALL}, {"a.b", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"a.b", ALL}, {"a.*", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"*.*", ALL}, {"a.*", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"*.b", ALL}, {"a.*", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"a.*", G}, {"a.b", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"a.*", G}, {"a.b", ALL}}, true, MAPPING_GAUGE, 0},
    {{{"a.*", ALL}, {"a", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"a.b", ALL}, {"a.b", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"x.y", ALL}, {"*.b", ALL}, {"a.*", ALL}, {"a.b", ALL}}, true, MAPPING_COUNTER, 1},
    {{{"a.*", ALL}, {"a.b", ALL}}, false, MAPPING_COUNTER, -1},
    {{{"a.b", ALL}, {"a.b", ALL}}, false, MAPPING_COUNTER, 0},
    {{{"a.*", ALL}, {"a.*", ALL}}, false, MAPPING_COUNTER, 0},
    {{{"a.*", G}, {"a.*", ALL}}, false, MAPPING_COUNTER, -1},
    {{{"a.*", G}, {"a.*", ALL}}, false, MAPPING_GAUGE, 0},
    {{{"a.*", ALL}, {"a.b_*", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"a.b_*", ALL}, {"a.*", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"a.b*", ALL}, {"a.b_*", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"a.b*", ALL}, {"a.bc", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"a.b_*", ALL}, {"a.b*", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"a.*x", ALL}, {"a.b*", ALL}}, true, MAPPING_COUNTER, -1},
    {{{"a.b*", ALL}, {"a.b*", ALL}}, true, MAPPING_COUNTER, 0},
    {{{"a.b*", ALL}, {"a.b*", ALL}}, false, MAPPING_COUNTER, 0},
    {{{"a.b*", ALL}, {"a.b_*", ALL}}, false, MAPPING_COUNTER, -1},
    {{{"a.*_b*", ALL}, {"a.b*", ALL}}, false, MAPPING_COUNTER, -1},
};

/* In order an earlier pattern that covers one hides it; without, only the very same pattern
 * does. */
START_TEST(test_glob_knows_who_hides_whom)
{
    const struct hidden *h = &hidden[_i];
    struct glob_query q = {.kind = h->kind};
    struct glob_scratch s = {0};
    uint32_t by = 77;
    struct glob *g;
    size_t n = 0;

    while (n < MAX_RULES && h->rules[n].pattern != NULL)
        n++;
    g = build(h->rules, n, h->ordered);
    q.name = slice_str(h->rules[n - 1].pattern);
    ck_assert_int_eq(glob_hidden_by(g, &q, (uint32_t)n - 1, &s, &by), 0);
    ck_assert_int_eq(by == GLOB_NONE ? -1 : (int)by, h->by);
    glob_scratch_release(&s);
    glob_free(g);
}
END_TEST

/* ---- against brute force ---- */

/* Cut a segment off *@rest, which is NULL after the last. */
static struct slice next(const char **rest)
{
    struct slice segment = slice_of(*rest, strcspn(*rest, "."));

    *rest = (*rest)[segment.len] == '.' ? *rest + segment.len + 1 : NULL;
    return segment;
}

/* One byte at a time, with all ways tried. */
static bool simple_takes(struct slice wants, struct slice has)
{
    if (wants.len == 0)
        return has.len == 0;
    if (wants.p[0] == '*')
        return simple_takes(slice_from(wants, 1), has) ||
               (has.len > 0 && simple_takes(wants, slice_from(has, 1)));
    return has.len > 0 && has.p[0] == wants.p[0] &&
           simple_takes(slice_from(wants, 1), slice_from(has, 1));
}

static bool simple_match(const char *pattern, const char *name)
{
    while (pattern != NULL && name != NULL) {
        struct slice wants = next(&pattern), has = next(&name);

        if (!simple_takes(wants, has))
            return false;
    }
    return pattern == NULL && name == NULL;
}

static int simple_rank(struct slice segment)
{
    int n = 0;

    for (size_t i = 0; i < segment.len; i++)
        n += segment.p[i] != '*';
    return n < (int)segment.len || segment.len == 0 ? n : 1000;
}

static int n_dots(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += *text == '.';
    return n;
}

#define N_SETS  600
#define N_RULES 24
#define N_NAMES 60

/* The first pattern of as many segments that begins as @pattern does up to the byte @end. */
static int first_like(char (*patterns)[40], const char *pattern, size_t end)
{
    for (int i = 0; i < N_RULES; i++)
        if (n_dots(patterns[i]) == n_dots(pattern) && strncmp(patterns[i], pattern, end) == 0 &&
            (patterns[i][end] == '.' || patterns[i][end] == '\0'))
            return i;
    return N_RULES;
}

/* Is rule @a preferred to @b, which stands before it and takes the same name, when text is? */
static bool is_preferred(char (*patterns)[40], int a, int b)
{
    const char *rest_a = patterns[a], *rest_b = patterns[b];

    while (rest_a != NULL && rest_b != NULL) {
        struct slice one = next(&rest_a), other = next(&rest_b);

        if (slice_eq(one, other))
            continue;
        if (simple_rank(one) != simple_rank(other))
            return simple_rank(one) > simple_rank(other);
        return first_like(patterns, patterns[a], (size_t)(one.p + one.len - patterns[a])) <
               first_like(patterns, patterns[b], (size_t)(other.p + other.len - patterns[b]));
    }
    return false;
}

/* What a set of rules is for the plain search. */
struct simple {
    char patterns[N_RULES][40];
    unsigned kinds[N_RULES];
    bool refuses[N_RULES]; /* a conditional rule that does not accept */
};

static int simple_find(struct simple *set, bool ordered, enum mapping_kind kind, const char *name)
{
    int best = -1;

    for (int i = 0; i < N_RULES; i++) {
        if ((set->kinds[i] >> kind & 1) == 0 || set->refuses[i] ||
            !simple_match(set->patterns[i], name))
            continue;
        if (best < 0 || (!ordered && is_preferred(set->patterns, i, best)))
            best = i;
    }
    return best;
}

static bool simple_accepts(const void *ctx, uint32_t position)
{
    const struct simple *set = ctx;

    return !set->refuses[position];
}

static uint32_t roll(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

/* One to four segments of few words, so that most rules meet. */
static void invent(uint32_t *state, char *out, bool pattern)
{
    static const char *const words[] = {"a", "b", "ab", "*", "*", "a*", "*b", "*a*", "a*b", "b*a*"};
    static const char *const parts[] = {"a", "b", "ab", "", "*", "aab", "ba", "aba", "bab", "a*b"};
    uint32_t n = 1 + roll(state, 4);

    *out = '\0';
    for (uint32_t i = 0; i < n; i++) {
        strcat(out, i ? "." : "");
        strcat(out, pattern ? words[roll(state, 10)] : parts[roll(state, 10)]);
    }
}

static struct glob *invent_rules(uint32_t *state, struct simple *set, bool ordered)
{
    struct glob_rule rules[N_RULES];
    struct glob *g;

    for (int i = 0; i < N_RULES; i++) {
        bool conditional = roll(state, 3) == 0;

        invent(state, set->patterns[i], true);
        set->kinds[i] = roll(state, 2) ? ALL : 1u << roll(state, MAPPING_N_KINDS);
        set->refuses[i] = conditional && roll(state, 2);
        rules[i] = (struct glob_rule){slice_str(set->patterns[i]), set->kinds[i], conditional};
    }
    ck_assert_int_eq(glob_new(&g, rules, N_RULES, ordered), 0);
    return g;
}

/* On invented rules and names the automaton and a plain search agree, in both modes. */
START_TEST(test_glob_agrees_with_a_plain_search)
{
    bool ordered = _i == 0;
    uint32_t state = 12 + (uint32_t)_i;
    struct glob_scratch s = {0};
    unsigned n_taken = 0;

    for (int i = 0; i < N_SETS; i++) {
        struct simple set;
        struct glob *g = invent_rules(&state, &set, ordered);

        for (int j = 0; j < N_NAMES; j++) {
            enum mapping_kind kind = roll(&state, MAPPING_N_KINDS);
            char name[40];
            uint32_t got;
            int expected;

            invent(&state, name, false);
            expected = simple_find(&set, ordered, kind, name);
            ck_assert_int_eq(
                glob_match(g, &(struct glob_query){kind, slice_str(name), simple_accepts, &set}, &s,
                           &got),
                0);
            ck_assert_msg((got == GLOB_NONE ? -1 : (int)got) == expected, "set %d, %s: %d, not %d",
                          i, name, (int)got, expected);
            n_taken += expected >= 0;
        }
        glob_free(g);
    }
    ck_assert_uint_gt(n_taken, N_SETS * N_NAMES / 4);
    glob_scratch_release(&s);
}
END_TEST

/* ---- hostile names, many rules ---- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Every mixture of a literal and a star, 2^10 rules: a name visits each node at most once. */
START_TEST(test_glob_work_is_bounded_by_the_rules)
{
    enum { DEPTH = 10, N = 1 << DEPTH };
    struct glob_rule *rules = calloc(N, sizeof *rules);
    char(*patterns)[3 * DEPTH] = calloc(N, sizeof *patterns);
    struct glob_scratch s = {0};
    struct glob *g;
    uint32_t out;
    double begin;

    for (unsigned i = 0; i < N; i++) {
        for (unsigned j = 0; j < DEPTH - 1; j++)
            strcat(patterns[i], i >> j & 1 ? "*." : "a.");
        strcat(patterns[i], "z");
        rules[i] = (struct glob_rule){slice_str(patterns[i]), ALL, false};
    }
    ck_assert_int_eq(glob_new(&g, rules, N, _i == 0), 0);
    begin = seconds();
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(find(g, MAPPING_COUNTER, SLICE_LIT("a.a.a.a.a.a.a.a.a.y"), &s, &out), 0);
        ck_assert_uint_eq(out, GLOB_NONE);
    }
    ck_assert(seconds() - begin < 20);
    glob_scratch_release(&s);
    glob_free(g);
    free(patterns);
    free(rules);
}
END_TEST

struct asked {
    unsigned n;
};

static bool refuse(const void *ctx, uint32_t position)
{
    ((struct asked *)(uintptr_t)ctx)->n++;
    return false;
}

/* Two thousand mixtures in one segment, and a chain of two thousand rules that all refuse: each is
 * tried once for a name, whatever the order. */
START_TEST(test_glob_tries_each_mixture_once)
{
    enum { N = 2000 };
    static struct glob_rule rules[2 * N];
    static char patterns[N][24];
    struct glob_scratch s = {0};
    struct asked asked = {0};
    struct glob_query q = {MAPPING_COUNTER, SLICE_LIT("a.b.c"), refuse, &asked};
    struct glob *g;
    uint32_t out;
    double begin;

    for (unsigned i = 0; i < N; i++) {
        sprintf(patterns[i], "*.*%u*x.c", i);
        rules[i] = (struct glob_rule){slice_str(patterns[i]), ALL, false};
        rules[N + i] = (struct glob_rule){SLICE_LIT("*.b*.c"), ALL, true};
    }
    ck_assert_int_eq(glob_new(&g, rules, 2 * N, _i == 0), 0);
    begin = seconds();
    for (unsigned i = 1; i <= 100; i++) {
        ck_assert_int_eq(glob_match(g, &q, &s, &out), 0);
        ck_assert_uint_eq(out, GLOB_NONE);
        ck_assert_uint_eq(asked.n, i * N);
    }
    ck_assert(seconds() - begin < 20);
    glob_scratch_release(&s);
    glob_free(g);
}
END_TEST

/* A name of 64 KB and as many dots is refused in passing, one of the rules' depth is matched. */
START_TEST(test_glob_endures_long_names)
{
    enum { LEN = 65536 };
    static const struct rule rules[] = {{"a.*.*.*", ALL}, {"*.b.*", ALL}};
    struct glob *g = build(rules, 2, true);
    char *dots = malloc(LEN + 1), *word = malloc(LEN + 1), *deep = malloc(LEN + 1);
    struct glob_rule rule = {slice_of(deep, LEN - 1), ALL, false};
    struct glob *deep_glob;

    memset(dots, '.', LEN);
    memset(word, 'x', LEN);
    memcpy(word, "a...", 4);
    dots[LEN] = word[LEN] = '\0';
    ck_assert_int_eq(match(g, MAPPING_COUNTER, dots), -1);
    ck_assert_int_eq(match(g, MAPPING_COUNTER, word), 0);
    glob_free(g);

    for (int i = 0; i < LEN; i++)
        deep[i] = i % 2 ? '.' : '*';
    deep[LEN - 1] = '\0';
    ck_assert_int_eq(glob_new(&deep_glob, &rule, 1, true), 0);
    ck_assert_int_eq(match(deep_glob, MAPPING_COUNTER, deep), 0);
    ck_assert_int_eq(match(deep_glob, MAPPING_COUNTER, dots), -1);
    glob_free(deep_glob);
    free(dots);
    free(word);
    free(deep);
}
END_TEST

#define N_OF(array) (int)(sizeof(array) / sizeof *(array))

static Suite *suite(void)
{
    Suite *s = suite_create("glob");
    TCase *takes = tcase_create("takes");
    TCase *hides = tcase_create("hidden_by");
    TCase *bounds = tcase_create("bounds");

    tcase_add_loop_test(takes, test_glob_takes, 0, N_OF(both_ways));
    tcase_add_loop_test(takes, test_glob_first_wins, 0, N_OF(in_order));
    tcase_add_loop_test(takes, test_glob_most_literal_wins, 0, N_OF(most_literal));
    tcase_add_test(takes, test_glob_hands_out_segments);
    tcase_add_test(takes, test_glob_scratch_goes_from_one_to_another);
    tcase_add_loop_test(takes, test_glob_agrees_with_a_plain_search, 0, 2);
    suite_add_tcase(s, takes);
    tcase_add_loop_test(hides, test_glob_knows_who_hides_whom, 0, N_OF(hidden));
    suite_add_tcase(s, hides);
    tcase_add_loop_test(bounds, test_glob_work_is_bounded_by_the_rules, 0, 2);
    tcase_add_loop_test(bounds, test_glob_tries_each_mixture_once, 0, 2);
    tcase_add_test(bounds, test_glob_endures_long_names);
    suite_add_tcase(s, bounds);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
