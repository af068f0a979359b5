/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load: bytes to series
 *
 *      bytes --gathered--> a chunk, checked --cut--> records --judged--> series
 *
 * A stream may come in pieces of any size, from a file or from another process. A chunk is looked
 * at when all of it is there and its check is right; a record is taken when all of it could have
 * been written. The first thing that is wrong ends it, with a word that says what. A reader that
 * may go back goes through it twice: first without a registry, which only judges, then with one. So
 * of a file that is damaged nothing is taken.
 *
 * Time. Ages are told from the moment of saving. Between it and now lies the time that the wall
 * clock says, if both sides know it and it did not go back; births were so much earlier. When a
 * series was last seen is another matter: nobody could have been seen meanwhile, so its time to
 * live goes on where it stood. Births are ticks, and the page tells them as times of the wall
 * clock: so that these stay the same to the millisecond, a clock that nobody has read from yet is
 * moved by less than a tick, to stand where the former one did.
 *
 * Types. What a name is was decided by rules. Under the same rules that holds. Under others the
 * next sample says what it is, and how its vector is kept.
 *
 * Laws: any bytes are safe to give. Memory is bounded by what has arrived and by STATE_MAX_CHUNK.
 *       A series that cannot be taken is counted by its reason and costs no other.
 */
#include "state/load.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/name.h"

enum load_step { STEP_HEADER, STEP_LENGTH, STEP_CHUNK, STEP_DONE };

struct state_load {
    struct state_load_config config;
    enum load_step step;
    size_t need;     /* bytes of this step */
    struct buf room; /* those that have come */
    uint64_t check;  /* of the chunk before */
    bool nomem;

    enum state_fault fault;
    const char *why;
    uint32_t version;

    bool has_head, has_counts, same_rules;
    int64_t age_ms; /* -1: unknown */
    struct load_clock clock;

    bool in_family;
    enum metric_type type;
    struct buf name, help; /* of the family */
    struct buf names;      /* of a series' labels */
    struct shape_spec *shapes;
    size_t n_shapes, cap_shapes;
    uint64_t n_families, n_series;
    uint64_t outcomes[STATE_N_OUTCOMES];
};

int state_load_new(struct state_load **out, const struct state_load_config *config)
{
    struct state_load *l = calloc(1, sizeof *l);

    if (l == NULL)
        return -ENOMEM;
    l->config = *config;
    l->need = STATE_HEADER_LEN;
    l->why = "";
    l->age_ms = -1;
    *out = l;
    return 0;
}

void state_load_free(struct state_load *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n_shapes; i++) {
        free((double *)l->shapes[i].bounds);
        free((double *)l->shapes[i].quantiles);
    }
    free(l->shapes);
    buf_release(&l->room);
    buf_release(&l->name);
    buf_release(&l->help);
    buf_release(&l->names);
    free(l);
}

enum state_fault state_load_fault(const struct state_load *l)
{
    return l->fault;
}

const char *state_load_why(const struct state_load *l)
{
    return l->why;
}

uint32_t state_load_version(const struct state_load *l)
{
    return l->version;
}

const uint64_t *state_load_outcomes(const struct state_load *l)
{
    return l->outcomes;
}

bool state_load_has_counts(const struct state_load *l)
{
    return l->has_counts;
}

int64_t state_load_age_ms(const struct state_load *l)
{
    return l->age_ms;
}

static int refuse(struct state_load *l, enum state_fault fault, const char *why)
{
    if (l->fault == STATE_FAULT_NONE) {
        l->fault = fault;
        l->why = why;
    }
    return -EINVAL;
}

static int damaged(struct state_load *l, const char *why)
{
    return l->nomem ? -ENOMEM : refuse(l, STATE_FAULT_DAMAGED, why);
}

/* ---- the head ---- */

/* The clock of this process is moved to where the former one's ticks began, if nobody knows it
 * yet. */
static void align_clock(struct state_load *l, int64_t saved_ms)
{
    int64_t *zero_ms = l->config.unix_ms_at_zero;
    int64_t off = (saved_ms - *zero_ms) % CELL_TICK_MS;

    if (l->config.registry == NULL || relaxed_load(&l->config.registry->n_births) > 0)
        return;
    if (off > CELL_TICK_MS / 2)
        off -= CELL_TICK_MS;
    else if (off < -CELL_TICK_MS / 2)
        off += CELL_TICK_MS;
    *zero_ms += off;
}

static void set_clock(struct state_load *l, int64_t saved_ms)
{
    int64_t now_ms = l->config.now_ms, down_ms = 0;
    int64_t *zero_ms = l->config.unix_ms_at_zero;

    if (saved_ms > 0 && zero_ms != NULL && *zero_ms > 0) {
        align_clock(l, saved_ms);
        down_ms = *zero_ms + now_ms - saved_ms;
        down_ms = down_ms > 0 ? down_ms : 0;
        l->age_ms = down_ms;
    }
    if (down_ms / CELL_TICK_MS > STATE_MAX_AGE)
        down_ms = (int64_t)STATE_MAX_AGE * CELL_TICK_MS;
    l->clock = (struct load_clock){
        .now_ms = now_ms,
        .down_ms = down_ms,
        .tick = now_ms / CELL_TICK_MS - down_ms / CELL_TICK_MS,
    };
}

static int take_head(struct state_load *l, struct wire *w)
{
    int64_t saved_ms = wire_signed(w);
    bool counts = wire_number_to(w, 1) != 0;
    uint64_t rules = wire_fixed(w, 8);

    if (w->bad || saved_ms < 0 || l->has_head)
        return damaged(l, "its head is invalid");
    l->has_head = true;
    l->has_counts = counts;
    l->same_rules = rules == l->config.rules;
    set_clock(l, saved_ms);
    return 0;
}

/* ---- families and shapes ---- */

static int take_family(struct state_load *l, struct wire *w)
{
    enum metric_type type = (enum metric_type)wire_number_to(w, METRIC_N_TYPES - 1);
    struct slice name = wire_text(w, STATE_MAX_TEXT), help = wire_text(w, STATE_MAX_HELP);

    if (w->bad || !load_name_is_good(name) || !utf8_valid(help))
        return damaged(l, "a family is invalid");
    buf_clear(&l->name);
    buf_clear(&l->help);
    buf_add_slice(&l->name, name);
    buf_add_slice(&l->help, help);
    l->nomem |= l->name.failed || l->help.failed;
    l->in_family = true;
    l->type = type;
    l->n_families++;
    return l->nomem ? -ENOMEM : 0;
}

static int take_shape(struct state_load *l, struct wire *w)
{
    if (l->n_shapes == l->cap_shapes) {
        size_t cap = l->cap_shapes > 0 ? 2 * l->cap_shapes : 16;
        struct shape_spec *shapes = realloc(l->shapes, cap * sizeof *shapes);

        if (shapes == NULL)
            return -ENOMEM;
        l->shapes = shapes;
        l->cap_shapes = cap;
    }
    if (l->n_shapes == STATE_MAX_SHAPES || !load_shape(w, &l->shapes[l->n_shapes]))
        return damaged(l, "a shape is invalid");
    l->n_shapes++;
    return 0;
}

/* ---- series ---- */

static bool is_of_now(enum metric_type type)
{
    return type == METRIC_GAUGE || type == METRIC_SET;
}

/* May it be taken up at all? */
static enum state_outcome judge(const struct state_load *l, enum metric_type type)
{
    if (!is_of_now(type))
        return l->config.counts && l->has_counts ? STATE_RESTORED : STATE_NOT_COUNTED;
    if (l->config.max_age_ms >= 0 && l->age_ms > l->config.max_age_ms)
        return STATE_TOO_OLD;
    return STATE_RESTORED;
}

static enum state_outcome outcome_of(int rc)
{
    switch (rc) {
    case 0:
        return STATE_RESTORED;
    case SERIES_E_TYPE:
        return STATE_TYPE;
    case SERIES_E_SUFFIX:
    case SERIES_E_RESERVED:
        return STATE_NAME;
    case SERIES_E_LIMIT:
    case SERIES_E_FAMILY_LIMIT:
    case SERIES_E_LABEL_LIMIT:
        return STATE_LIMIT;
    default:
        return STATE_NO_MEMORY;
    }
}

/* A text of no bytes is one all the same. */
static struct slice text_of(const struct buf *b)
{
    return b->len > 0 ? buf_slice(b) : SLICE_LIT("");
}

/* When it was last seen; before this clock began is when it began. */
static uint32_t seen_tick(const struct state_load *l, uint32_t age)
{
    int64_t tick = l->clock.now_ms / CELL_TICK_MS - age;

    return tick > 0 ? (uint32_t)tick : 0;
}

/* Its labels' names are in l->names. */
static int restore(struct state_load *l, const struct load_series *series, struct load_value *value)
{
    struct registry *r = l->config.registry;
    uint32_t seen = seen_tick(l, series->seen_age), born = load_tick(&l->clock, series->born_age);
    struct series *s;
    int rc = series_restore(r,
                            &(struct series_birth){
                                .key = series_key(r, text_of(&l->name), series->labels),
                                .label_names = text_of(&l->names),
                                .help = text_of(&l->help),
                                .spec = series->spec,
                                .ttl_ticks = series->ttl_ticks,
                                .gen = l->config.gen - 1,
                                .tick = seen,
                                .asleep = true,
                                .fold = series->is_fold,
                            },
                            l->same_rules ? l->config.gen : l->config.gen - 1, &s);

    if (rc != 0)
        return rc;
    /* Signed: ticks wrap. */
    if ((int32_t)(born - s->born) < 0)
        s->born = born;
    return load_value_put(value, s, &l->clock, load_tick(&l->clock, series->seen_age), seen);
}

static bool read_series(struct state_load *l, struct wire *w, struct load_series *out)
{
    static const struct shape_spec simple[] = {
        [METRIC_COUNTER] = {.type = METRIC_COUNTER},
        [METRIC_GAUGE] = {.type = METRIC_GAUGE},
    };
    uint64_t shape;

    out->type = l->type;
    out->is_fold = wire_number_to(w, STATE_IS_FOLD) != 0;
    out->labels = wire_text(w, STATE_MAX_TEXT);
    out->born_age = (uint32_t)wire_number_to(w, STATE_MAX_AGE);
    out->seen_age = (uint32_t)wire_number_to(w, STATE_MAX_AGE);
    out->ttl_ticks = (uint32_t)wire_number_to(w, INT32_MAX / 2);
    buf_clear(&l->names);
    if (w->bad || !load_label_names(out->labels, &l->names))
        return false;
    l->nomem |= l->names.failed;
    if (out->type == METRIC_COUNTER || out->type == METRIC_GAUGE) {
        out->spec = &simple[out->type];
        return true;
    }
    shape = wire_number(w);
    if (w->bad || shape >= l->n_shapes || l->shapes[shape].type != out->type)
        return false;
    out->spec = &l->shapes[shape];
    return true;
}

static int take_series(struct state_load *l, struct wire *w)
{
    struct load_series series;
    struct load_value value = {0};
    enum state_outcome outcome;
    bool good = l->in_family && read_series(l, w, &series) &&
                load_value_read(w, &series, &l->clock, &value, &l->nomem);

    if (!good || l->nomem) {
        load_value_release(&value);
        return damaged(l, "a series is invalid");
    }
    outcome = judge(l, series.type);
    if (outcome == STATE_RESTORED && l->config.registry != NULL)
        outcome = outcome_of(restore(l, &series, &value));
    load_value_release(&value);
    l->outcomes[outcome]++;
    l->n_series++;
    return 0;
}

static int take_end(struct state_load *l, struct wire *w)
{
    if (wire_number(w) != l->n_families || wire_number(w) != l->n_series || w->bad ||
        wire_left(w) > 0)
        return damaged(l, "its end does not match its contents");
    l->step = STEP_DONE;
    return 0;
}

/* ---- chunks ---- */

static int take_record(struct state_load *l, struct wire *w)
{
    uint64_t record = wire_fixed(w, 1);

    if (!l->has_head && record != STATE_HEAD)
        return damaged(l, "it does not begin with its head");
    switch (record) {
    case STATE_HEAD:
        return take_head(l, w);
    case STATE_FAMILY:
        return take_family(l, w);
    case STATE_SHAPE:
        return take_shape(l, w);
    case STATE_SERIES:
        return take_series(l, w);
    case STATE_END:
        return take_end(l, w);
    default:
        return damaged(l, "a record is of an unknown kind");
    }
}

static int take_header(struct state_load *l, const unsigned char *p)
{
    struct wire w = {p + STATE_MAGIC_LEN, p + STATE_HEADER_LEN, false};

    if (memcmp(p, STATE_MAGIC, STATE_MAGIC_LEN) != 0)
        return refuse(l, STATE_FAULT_FOREIGN, "it is not a state file");
    l->version = (uint32_t)wire_fixed(&w, 4);
    if (l->version != STATE_VERSION)
        return refuse(l, STATE_FAULT_VERSION, "its version is not supported");
    l->check = hash_bytes(slice_of((const char *)p, STATE_HEADER_LEN), 0);
    l->step = STEP_LENGTH;
    l->need = STATE_LENGTH_LEN;
    return 0;
}

static int take_length(struct state_load *l, const unsigned char *p)
{
    struct wire w = {p, p + STATE_LENGTH_LEN, false};
    uint64_t len = wire_fixed(&w, STATE_LENGTH_LEN);

    if (len == 0 || len > STATE_MAX_CHUNK)
        return damaged(l, "a chunk is too long");
    l->step = STEP_CHUNK;
    l->need = len + STATE_CHECK_LEN;
    return 0;
}

static int take_chunk(struct state_load *l, const unsigned char *p)
{
    size_t len = l->need - STATE_CHECK_LEN;
    struct wire w = {p, p + len, false}, check = {p + len, p + l->need, false};
    int rc = 0;

    l->check = hash_bytes(slice_of((const char *)p, len), l->check);
    if (wire_fixed(&check, STATE_CHECK_LEN) != l->check)
        return damaged(l, "a checksum does not match");
    l->step = STEP_LENGTH;
    l->need = STATE_LENGTH_LEN;
    while (rc == 0 && wire_left(&w) > 0)
        rc = take_record(l, &w);
    return rc;
}

static int take_step(struct state_load *l)
{
    static int (*const steps[])(struct state_load *, const unsigned char *) = {
        [STEP_HEADER] = take_header,
        [STEP_LENGTH] = take_length,
        [STEP_CHUNK] = take_chunk,
    };
    int rc = steps[l->step](l, (const unsigned char *)l->room.p);

    buf_clear(&l->room);
    return rc;
}

int state_load_next(struct state_load *l, const void *bytes, size_t n)
{
    struct slice rest = slice_of(bytes, n);

    if (l->fault != STATE_FAULT_NONE)
        return -EINVAL;
    while (rest.len > 0 && l->step != STEP_DONE) {
        size_t lacks = l->need - l->room.len, take = rest.len < lacks ? rest.len : lacks;
        int rc = buf_add(&l->room, rest.p, take);

        rest = slice_from(rest, take);
        if (rc == 0 && take == lacks)
            rc = take_step(l);
        if (rc != 0)
            return rc;
    }
    if (rest.len > 0)
        return damaged(l, "there is data after its end");
    return l->step == STEP_DONE ? 0 : 1;
}
