/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: see notes.h
 *
 * Who refuses something has a piece of the line at hand: a value, a name. The batch that is being
 * fed still lies in memory, so the whole line is found around that piece; on the way of a good line
 * nothing has to be carried along. What lies elsewhere, such as a service check that was written
 * anew, is told by the line that goes the long way.
 *
 *      reason --> up to 4 lines, the oldest is overwritten; past that one a second
 *      name   --> up to 32, the one met longest ago is overwritten; ten in a tenth of a second
 *
 * The same line again is the same note, with a newer time. A name without a rule is noted when its
 * route is made, so its number is one of identities, not of lines.
 *
 * Laws: one writer, the worker; a reader's copy is whole or is not used (store/seq.h). No
 *       allocation, no clock but the batch's.
 */
#include "engine/notes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "engine/engine.h"
#include "store/seq.h"

#define TICKS_PER_S    (1000 / CELL_TICK_MS)

/* New names that are taken in a tick. */
#define NAMES_PER_TICK 10

#define NOTE_WORDS     ((sizeof(struct note) + 7) / 8)

struct entry {
    relaxed_u64 seq;
    relaxed_u64 words[NOTE_WORDS];
};

/* The worker's own about an entry. */
struct mark {
    uint64_t hash; /* of the line or name; 0: nothing is there */
    uint64_t n;
    uint32_t tick;
};

struct notes {
    const struct bacowr_datagram *batch; /* borrowed while it is fed */
    unsigned n_batch;
    struct slice line;                    /* borrowed as long */
    const struct bacowr_senders *senders; /* borrowed as long; NULL: nobody knows */

    int64_t refused_ms; /* the last */

    uint32_t quiet_until[N_REFUSALS]; /* ticks */
    unsigned newest[N_REFUSALS];
    struct mark refused_marks[N_REFUSALS][NOTES_PER_REFUSAL];
    uint32_t names_tick;
    unsigned n_names; /* taken in that tick */
    struct mark unmapped_marks[NOTES_UNMAPPED];

    struct entry refused[N_REFUSALS][NOTES_PER_REFUSAL];
    struct entry unmapped[NOTES_UNMAPPED];
};

int notes_new(struct notes **out)
{
    struct notes *n = calloc(1, sizeof *n);

    if (n == NULL)
        return -ENOMEM;
    n->refused_ms = INT64_MIN / 2; /* an age of it is a number */
    *out = n;
    return 0;
}

void notes_free(struct notes *n)
{
    free(n);
}

/* ---- the line around a piece of it ---- */

void notes_batch(struct notes *n, const struct bacowr_datagram *batch, unsigned n_batch)
{
    n->batch = batch;
    n->n_batch = n_batch;
    n->line = slice_of(NULL, 0);
    if (n_batch == 0)
        n->senders = NULL;
}

void notes_senders(struct notes *n, const struct bacowr_senders *senders)
{
    n->senders = senders;
}

int64_t notes_refused_ms(const struct notes *n)
{
    return n->refused_ms;
}

void notes_line(struct notes *n, struct slice line)
{
    n->line = line;
}

/* The datagram in which @part lies, or NULL. */
static const struct bacowr_datagram *datagram_of(const struct notes *n, struct slice part)
{
    for (unsigned i = 0; i < n->n_batch; i++) {
        const struct bacowr_datagram *d = &n->batch[i];

        if ((uintptr_t)part.p >= (uintptr_t)d->p && (uintptr_t)part.p < (uintptr_t)d->p + d->len)
            return d;
    }
    return NULL;
}

static struct slice line_around(const struct bacowr_datagram *d, const char *at)
{
    const char *end = d->p + d->len;
    const char *before = memrchr(d->p, '\n', (size_t)(at - d->p));
    const char *begin = before != NULL ? before + 1 : d->p;
    const char *after = memchr(at, '\n', (size_t)(end - at));

    if (after == NULL)
        after = end;
    else if (after > begin && after[-1] == '\r')
        after--;
    return slice_of(begin, (size_t)(after - begin));
}

/* Who sent the datagram in which @part lies; what was written anew is of the line that goes the
 * long way. */
static bool find_source(const struct notes *n, struct slice part, struct ip *out)
{
    const struct bacowr_datagram *d;

    if (n->senders == NULL)
        return false;
    d = datagram_of(n, part);
    if (d == NULL)
        d = datagram_of(n, n->line);
    return d != NULL && n->senders->of(n->senders->ctx, (unsigned)(d - n->batch), out);
}

static struct slice find_line(const struct notes *n, struct slice part)
{
    const struct bacowr_datagram *d = datagram_of(n, part);

    if (d != NULL)
        return line_around(d, part.p);
    return n->line.len > 0 ? n->line : part;
}

/* ---- writing ---- */

static uint32_t keep_text(char *to, size_t room, struct slice text, bool *cut)
{
    size_t len = text.len < room ? text.len : room;

    if (len > 0)
        memcpy(to, text.p, len);
    *cut = len < text.len;
    return (uint32_t)len;
}

static void entry_write(struct entry *entry, const struct note *note)
{
    uint64_t words[NOTE_WORDS] = {0};

    memcpy(words, note, sizeof *note);
    seq_begin(&entry->seq);
    for (size_t i = 0; i < NOTE_WORDS; i++)
        relaxed_store(&entry->words[i], words[i]);
    seq_end(&entry->seq);
}

static void write_note(const struct bacowr_worker *w, struct entry *entry, const struct mark *mark,
                       struct slice part, struct slice name)
{
    struct note note = {.at_ms = w->time.now_ms, .n = mark->n};
    struct slice line = find_line(w->notes, part);

    note.has_source = find_source(w->notes, part, &note.source);
    note.line_len = keep_text(note.line, sizeof note.line, line, &note.line_cut);
    note.name_len = keep_text(note.name, sizeof note.name, name, &note.name_cut);
    entry_write(entry, &note);
}

/* Never 0. */
static uint64_t hash_of(struct slice text)
{
    return hash_bytes(text, 0) | 1;
}

/* Signed: ticks wrap. */
static bool is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

void notes_refused(struct bacowr_worker *w, unsigned why, struct slice part)
{
    struct notes *n = w->notes;
    struct mark *mark;
    uint64_t hash;
    unsigned at;

    if (is_before(w->time.tick, n->quiet_until[why]))
        return;
    n->refused_ms = w->time.now_ms;
    hash = hash_of(find_line(n, part));
    at = n->newest[why];
    if (n->refused_marks[why][at].hash != hash) {
        at = n->refused_marks[why][at].hash == 0 ? at : (at + 1) % NOTES_PER_REFUSAL;
        n->newest[why] = at;
        n->refused_marks[why][at].n = 0;
    }
    mark = &n->refused_marks[why][at];
    /* Past the first ones, and for what is nothing new, one a second. */
    if (mark->hash != 0)
        n->quiet_until[why] = w->time.tick + TICKS_PER_S;
    mark->hash = hash;
    mark->n++;
    write_note(w, &n->refused[why][at], mark, part, slice_of(NULL, 0));
}

/* The mark of @hash, or the one that goes for it. */
static unsigned place_of(const struct notes *n, uint64_t hash)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < NOTES_UNMAPPED; i++) {
        const struct mark *mark = &n->unmapped_marks[i];

        if (mark->hash == hash || mark->hash == 0)
            return i;
        if (is_before(mark->tick, n->unmapped_marks[oldest].tick))
            oldest = i;
    }
    return oldest;
}

/* May one more new name be taken in this tick? */
static bool takes_name(struct notes *n, uint32_t tick)
{
    if (n->names_tick != tick) {
        n->names_tick = tick;
        n->n_names = 0;
    }
    return n->n_names < NAMES_PER_TICK;
}

void notes_unmapped(struct bacowr_worker *w, struct slice name, struct slice part)
{
    struct notes *n = w->notes;
    uint64_t hash = hash_of(name);
    struct mark *mark;
    unsigned at;

    if (!takes_name(n, w->time.tick))
        return;
    n->n_names++;
    at = place_of(n, hash);
    mark = &n->unmapped_marks[at];
    if (mark->hash != hash)
        mark->n = 0;
    mark->hash = hash;
    mark->tick = w->time.tick;
    mark->n++;
    write_note(w, &n->unmapped[at], mark, part, name);
}

/* ---- reading ---- */

/* False also for one that is just being written, again and again. */
static bool entry_read(const struct entry *entry, struct note *out)
{
    uint64_t words[NOTE_WORDS];

    if (!seq_copy(&entry->seq, words, entry->words, NOTE_WORDS))
        return false;
    memcpy(out, words, sizeof *out);
    return out->n > 0;
}

bool notes_read_refused(const struct notes *n, unsigned why, unsigned i, struct note *out)
{
    return entry_read(&n->refused[why][i], out);
}

bool notes_read_unmapped(const struct notes *n, unsigned i, struct note *out)
{
    return entry_read(&n->unmapped[i], out);
}
