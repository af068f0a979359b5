/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regex: one expression, searched for anywhere in a name
 *
 * The only file that knows PCRE2. Expressions come rewritten from re2.c, are compiled once, and are
 * searched for by any number of threads. What must be in a match as plain text is looked for first:
 * most rules end there, at the price of a comparison. The first search that goes on makes machine
 * code of the expression, where the processor and the kernel let us: much of what a file has is
 * never searched for, and each would be a kilobyte, and PCRE2's compiler resident for all.
 *
 * RE2 is linear in the name and PCRE2 is not, so a search is bounded. From each place where a match
 * may begin it may take so many steps back as its scratch says, fewer in names so long that each
 * may cost much. And in names of more than some 600 bytes only the first places are tried, so many
 * that an expression which goes over the name once for each byte of it (cubic, then) stays within a
 * tenth of a second; with more steps than REGEX_MAX_STEPS all of this grows with them. A search
 * that comes to a bound counts as "no match" and says so. The machine code's stack and the
 * interpreter's heap have bounds too, with the same outcome.
 *
 * Laws: nobody searches before the machine code is made or cannot be; after that an expression is
 *       never written to. One scratch serves one thread and keeps its
 *       memory. Names are valid UTF-8 (checked when the line was parsed): PCRE2 is told not to
 *       look, and would be lost if that were untrue.
 */
#include "mapping/regex.h"

#include "mapping/re2.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define LIKE_RE2       (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX)

/* Of REGEX_MAX_STEPS. */
#define MAX_STEP_BYTES (UINT64_C(1) << 26) /* steps back, times the bytes that each may look at */
#define MAX_BYTES      (UINT64_C(1) << 28) /* that, times the places to begin at */

#define JIT_STACK_MIN  (32u * 1024)
#define JIT_STACK_MAX  (512u * 1024)
#define HEAP_LIMIT_KIB 8192u
#define FIRST_PAIRS    16u

struct regex {
    pcre2_code *code;
    struct re2 re;        /* its names and its literal; the pattern is released */
    bool one_place;       /* a match can begin at the begin of the name only */
    pthread_mutex_t lock; /* for the first search */
    atomic_bool is_ready; /* to be searched: it has its machine code, or none can be made */
};

struct regex_scratch {
    pcre2_match_data *data;
    uint32_t n_pairs; /* that data has room for */
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint32_t max_steps;
};

/* ---- compiling ---- */

/* Only sizes of expressions are left for PCRE2 to refuse. */
static int refuse_pcre2(int code, struct err *e)
{
    PCRE2_UCHAR text[256];

    if (code == PCRE2_ERROR_HEAP_FAILED)
        return -ENOMEM;
    if (pcre2_get_error_message(code, text, sizeof text) < 0)
        text[0] = '\0';
    err_set(e, NULL, 0, 0, "the expression does not compile: %s", (const char *)text);
    return -EINVAL;
}

static int compile(struct regex *re, struct err *e)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    struct slice pattern = buf_slice(&re->re.pattern);
    uint32_t options = 0;
    PCRE2_SIZE offset;
    int code;

    if (context == NULL)
        return -ENOMEM;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    re->code = pcre2_compile((PCRE2_SPTR)(pattern.len > 0 ? pattern.p : ""), pattern.len,
                             LIKE_RE2 | PCRE2_USE_OFFSET_LIMIT, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (re->code == NULL)
        return refuse_pcre2(code, e);
    pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &options);
    re->one_place = (options & PCRE2_ANCHORED) != 0;
    return 0;
}

static void describe(const struct re2_fault *fault, struct slice text, struct err *e)
{
    if (fault->word.len == 0)
        err_set(e, NULL, 0, 0, "the expression %s", fault->why);
    else
        err_set(e, NULL, 0, 0, "\"%.*s\" at byte %zu of the expression %s", (int)fault->word.len,
                fault->word.p, (size_t)(fault->word.p - text.p) + 1, fault->why);
}

int regex_new(struct regex **out, struct slice text, struct err *e)
{
    struct regex *re = calloc(1, sizeof *re);
    struct re2_fault fault;
    int r;

    if (re == NULL)
        return -ENOMEM;
    pthread_mutex_init(&re->lock, NULL);
    atomic_init(&re->is_ready, false);
    r = re2_translate(&re->re, text, &fault);
    if (r == -EINVAL)
        describe(&fault, text, e);
    if (r == 0)
        r = compile(re, e);
    if (r < 0) {
        regex_free(re);
        return r;
    }
    buf_release(&re->re.pattern);
    buf_fit(&re->re.literal);
    *out = re;
    return 0;
}

void regex_free(struct regex *re)
{
    if (re == NULL)
        return;
    pcre2_code_free(re->code);
    re2_release(&re->re);
    pthread_mutex_destroy(&re->lock);
    free(re);
}

uint32_t regex_n_groups(const struct regex *re)
{
    return re->re.n_groups;
}

uint32_t regex_group(const struct regex *re, struct slice name)
{
    for (uint32_t i = 0; i < re->re.n_groups; i++)
        if (re->re.names[i].len > 0 && slice_eq(re->re.names[i], name))
            return i + 1;
    return UINT32_MAX;
}

struct slice regex_literal(const struct regex *re, bool *begins)
{
    *begins = re->re.begins;
    return buf_slice(&re->re.literal);
}

/* ---- passing over ---- */

/* The first bytes of @text in a word, in the order in which they lie. */
static uint64_t head_of(struct slice text)
{
    uint64_t head = 0;

    if (text.len > 0)
        memcpy(&head, text.p, text.len < sizeof head ? text.len : sizeof head);
    return head;
}

struct regex_filter regex_filter(const struct regex *re)
{
    static const char ones[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    struct slice literal = buf_slice(&re->re.literal);
    struct regex_filter f = {.bytes = re->re.bytes};

    if (re->re.begins) {
        f.head = head_of(literal);
        f.mask = head_of(slice_of(ones, literal.len < sizeof f.mask ? literal.len : sizeof f.mask));
    }
    return f;
}

struct regex_look regex_look(struct slice name)
{
    struct regex_look look = {.head = head_of(name)};

    for (size_t i = 0; i < name.len; i++)
        look.bytes |= re2_byte_bit(name.p[i]);
    return look;
}

/* ---- searching ---- */

/* Room for the captures of an expression with @n_pairs of them, group 0 included. */
static int fit(struct regex_scratch *s, uint32_t n_pairs)
{
    pcre2_match_data *data;

    if (n_pairs <= s->n_pairs)
        return 0;
    data = pcre2_match_data_create(n_pairs, NULL);
    if (data == NULL)
        return -ENOMEM;
    pcre2_match_data_free(s->data);
    s->data = data;
    s->n_pairs = n_pairs;
    return 0;
}

int regex_scratch_new(struct regex_scratch **out, uint32_t max_steps)
{
    struct regex_scratch *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (s->context == NULL || s->stack == NULL || fit(s, FIRST_PAIRS) != 0) {
        regex_scratch_free(s);
        return -ENOMEM;
    }
    s->max_steps = max_steps > 0 ? max_steps : REGEX_MAX_STEPS;
    pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(s->context, NULL, s->stack);
    *out = s;
    return 0;
}

void regex_scratch_free(struct regex_scratch *s)
{
    if (s == NULL)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

/* False: no need to search. */
static bool has_literal(const struct regex *re, struct slice name)
{
    struct slice literal = buf_slice(&re->re.literal);

    if (literal.len == 0)
        return true;
    if (re->re.begins)
        return slice_starts(name, literal);
    return name.len >= literal.len && memmem(name.p, name.len, literal.p, literal.len) != NULL;
}

/* A bound that goes with the steps. */
static uint64_t scaled(uint64_t bound, const struct regex_scratch *s)
{
    return bound * s->max_steps / REGEX_MAX_STEPS;
}

/* Counted by PCRE2 anew for each place. */
static uint32_t match_limit(const struct regex_scratch *s, size_t len)
{
    uint64_t step_bytes = scaled(MAX_STEP_BYTES, s);

    return len <= step_bytes / s->max_steps ? s->max_steps : (uint32_t)(step_bytes / len) + 1;
}

/* How many places may be tried in a name of @len bytes, each with as many steps as it has bytes. */
static size_t max_places(const struct regex_scratch *s, size_t len)
{
    size_t limit = match_limit(s, len);
    size_t steps = len < limit ? len : limit;

    return len > 0 ? scaled(MAX_BYTES, s) / (len * steps) + 1 : 1;
}

/*
 * The last offset where a match may begin, or PCRE2_UNSET for any: a place is where the literal
 * stands, and every byte when there is none.
 */
static size_t last_place(const struct regex *re, const struct regex_scratch *s, struct slice name)
{
    struct slice literal = buf_slice(&re->re.literal);
    size_t n = max_places(s, name.len), at = 0;

    if (re->one_place || name.len < n)
        return PCRE2_UNSET;
    if (literal.len == 0)
        return n - 1;
    while (n-- > 0) {
        const char *hit = memmem(name.p + at, name.len - at, literal.p, literal.len);

        if (hit == NULL)
            return PCRE2_UNSET;
        at = (size_t)(hit - name.p) + 1;
    }
    return at - 1;
}

static int outcome(int code)
{
    switch (code) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_JIT_STACKLIMIT:
        return REGEX_LIMIT;
    case PCRE2_ERROR_NOMEMORY:
        return -ENOMEM;
    default:
        return REGEX_MISS;
    }
}

/* No machine code is no failure: the interpreter gives the same answers. */
static void make_ready(struct regex *re)
{
    pthread_mutex_lock(&re->lock);
    if (!atomic_load_explicit(&re->is_ready, memory_order_relaxed)) { /* written under the lock */
        pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
        /* Release: who sees it searches code that is whole. */
        atomic_store_explicit(&re->is_ready, true, memory_order_release);
    }
    pthread_mutex_unlock(&re->lock);
}

int regex_match(struct regex *re, struct slice name, struct regex_scratch *s,
                struct slice *captures)
{
    const char *p = name.len > 0 ? name.p : "";
    const PCRE2_SIZE *pairs;
    size_t last;
    int n;

    if (!has_literal(re, name))
        return REGEX_MISS;
    if (fit(s, re->re.n_groups + 1) != 0)
        return -ENOMEM;
    /* Acquire: see make_ready(). */
    if (!atomic_load_explicit(&re->is_ready, memory_order_acquire))
        make_ready(re);
    last = last_place(re, s, name);
    pcre2_set_match_limit(s->context, match_limit(s, name.len));
    pcre2_set_offset_limit(s->context, last);
    n = pcre2_match(re->code, (PCRE2_SPTR)p, name.len, 0, PCRE2_NO_UTF_CHECK, s->data, s->context);
    if (n == PCRE2_ERROR_NOMATCH && last != PCRE2_UNSET)
        return REGEX_LIMIT;
    if (n < 0)
        return outcome(n);
    pairs = pcre2_get_ovector_pointer(s->data);
    for (uint32_t i = 0; i <= re->re.n_groups; i++) {
        bool set = i < (uint32_t)n && pairs[2 * i] != PCRE2_UNSET;

        captures[i] =
            set ? slice_of(p + pairs[2 * i], pairs[2 * i + 1] - pairs[2 * i]) : slice_of(p, 0);
    }
    return 0;
}

/* ---- for re2.c ---- */

bool regex_has_property(struct slice name)
{
    char pattern[64];
    PCRE2_SIZE offset;
    int code = 0;
    int len = snprintf(pattern, sizeof pattern, "\\p{%.*s}", (int)name.len, name.p);
    pcre2_code *re;

    if (len >= (int)sizeof pattern)
        return false;
    re = pcre2_compile((PCRE2_SPTR)pattern, (size_t)len, PCRE2_UTF, &code, &offset, NULL);
    pcre2_code_free(re);
    /* Without memory nothing is known, and the whole expression will not compile either. */
    return re != NULL || code == PCRE2_ERROR_HEAP_FAILED;
}

/* ---- for templates ---- */

int regex_word_len(struct slice text, size_t *out)
{
    static const char word[] = "\\A[\\p{L}\\p{Nd}_]+";
    PCRE2_SIZE offset;
    int code;
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)word, sizeof word - 1, PCRE2_UTF, &code, &offset, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int n = PCRE2_ERROR_NOMEMORY;

    if (re != NULL && data != NULL)
        n = pcre2_match(re, (PCRE2_SPTR)text.p, text.len, 0, 0, data, NULL);
    if (n != PCRE2_ERROR_NOMEMORY)
        *out = n > 0 ? pcre2_get_ovector_pointer(data)[1] : 0;
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return n == PCRE2_ERROR_NOMEMORY ? -ENOMEM : 0;
}
