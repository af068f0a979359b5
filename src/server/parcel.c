/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parcel: see parcel.h
 *
 *      length of the records, 8 bytes | records | state
 *      record: kind, 1 byte | length, 4 bytes | number, 8 bytes | text
 *
 * Numbers stand as this machine has them, since it stays on it. The file is sealed before it is
 * given away, so that it can be read in place: nobody can shorten it under the reader's hands.
 *
 * The state is made and taken in pieces, so that beside the file nothing of its size is in memory.
 *
 * Law: what comes out of a file is checked against its length before it is looked at.
 */
#include "server/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum record_kind { RECORD_DROPS, RECORD_CONN, RECORD_COUNTER };

struct record {
    enum record_kind kind;
    uint64_t number;
    struct slice text;
};

#define HEAD_LEN 13

/* ---- writing ---- */

static void begin(struct parcel *p, enum record_kind kind, size_t len, uint64_t number)
{
    uint32_t n = (uint32_t)len;

    buf_add_byte(&p->records, (char)kind);
    buf_add_slice(&p->records, slice_of((char *)&n, sizeof n));
    buf_add_slice(&p->records, slice_of((char *)&number, sizeof number));
}

void parcel_add_drops(struct parcel *p, struct slice address, unsigned index, uint32_t drops)
{
    begin(p, RECORD_DROPS, address.len, (uint64_t)index << 32 | drops);
    buf_add_slice(&p->records, address);
}

void parcel_add_conn(struct parcel *p, bool framed, struct slice first, struct slice second)
{
    begin(p, RECORD_CONN, first.len + second.len, framed);
    buf_add_slice(&p->records, first);
    buf_add_slice(&p->records, second);
}

/* Name and labels, each with its NUL. */
void parcel_add_counter(struct parcel *p, const char *name, const char *labels, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    begin(p, RECORD_COUNTER, strlen(name) + strlen(labels) + 2, bits);
    buf_add_slice(&p->records, slice_of(name, strlen(name) + 1));
    buf_add_slice(&p->records, slice_of(labels, strlen(labels) + 1));
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.p, bytes.len);

        if (n < 0 && errno != EINTR)
            return -errno;
        bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

static int write_state(int fd, struct bacowr *b, int64_t now_ms)
{
    struct bacowr_state_save *save;
    struct buf piece = {0};
    int r = bacowr_state_save_new(&save, b, true, now_ms);
    int more = 1;

    if (r != 0)
        return r;
    while (r == 0 && more > 0) {
        buf_clear(&piece);
        more = bacowr_state_save_next(save, &piece, PIECE);
        r = more < 0 ? more : piece.failed ? -ENOMEM : write_all(fd, buf_slice(&piece));
    }
    bacowr_state_save_free(save);
    buf_release(&piece);
    return r;
}

static int write_parcel(int fd, const struct parcel *p, struct bacowr *b, int64_t now_ms)
{
    uint64_t len = p->records.len;
    int r = p->records.failed ? -ENOMEM : write_all(fd, slice_of((char *)&len, sizeof len));

    if (r == 0)
        r = write_all(fd, buf_slice(&p->records));
    if (r == 0)
        r = write_state(fd, b, now_ms);
    if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) != 0)
        r = -errno;
    return r;
}

int parcel_close(struct parcel *p, struct bacowr *b, int64_t now_ms, int *out)
{
    int fd = memfd_create("bacowr-statsd-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = fd < 0 ? -errno : write_parcel(fd, p, b, now_ms);

    buf_release(&p->records);
    if (r != 0 && fd >= 0)
        close(fd);
    if (r == 0)
        *out = fd;
    return r;
}

/* ---- reading ---- */

/* The next record of @in. 0, or -EPROTO: there is none, though there are bytes. */
static int next_record(struct slice *in, struct record *out)
{
    uint32_t len;

    if (in->len < HEAD_LEN)
        return -EPROTO;
    memcpy(&len, in->p + 1, sizeof len);
    memcpy(&out->number, in->p + 5, sizeof out->number);
    if (len > in->len - HEAD_LEN)
        return -EPROTO;
    out->kind = (enum record_kind)in->p[0];
    out->text = slice_of(in->p + HEAD_LEN, len);
    *in = slice_from(*in, HEAD_LEN + len);
    return 0;
}

static int tell_counter(const struct record *record, const struct parcel_reader *reader)
{
    size_t name_len = slice_find(record->text, '\0');
    const char *labels = record->text.p + name_len + 1;
    double value;

    if (record->text.len < name_len + 2 || record->text.p[record->text.len - 1] != '\0')
        return -EPROTO;
    memcpy(&value, &record->number, sizeof value);
    return reader->counter(reader->ctx, record->text.p, labels, value);
}

static int tell(const struct record *record, const struct parcel_reader *reader)
{
    switch (record->kind) {
    case RECORD_DROPS:
        return reader->drops(reader->ctx, record->text, (unsigned)(record->number >> 32),
                             (uint32_t)record->number);
    case RECORD_CONN:
        return reader->conn(reader->ctx, record->number != 0, record->text);
    case RECORD_COUNTER:
        return tell_counter(record, reader);
    }
    return -EPROTO;
}

static int tell_all(struct slice records, const struct parcel_reader *reader)
{
    struct record record;
    int r = 0;

    while (r == 0 && records.len > 0) {
        r = next_record(&records, &record);
        if (r == 0)
            r = tell(&record, reader);
    }
    return r;
}

static int take_state(struct slice in, struct bacowr *b, int64_t now_ms,
                      struct bacowr_state_report *report)
{
    const struct bacowr_state_load_config config = {.counts = true, .max_age_ms = -1};
    struct bacowr_state_load *load;
    int r = bacowr_state_load_new(&load, b, &config, now_ms);
    int more = 1;

    if (r != 0)
        return r;
    while (r == 0 && more > 0) {
        size_t n = in.len < PIECE ? in.len : PIECE;

        more = n > 0 ? bacowr_state_load_next(load, in.p, n) : -EINVAL;
        r = more == -EINVAL ? -EPROTO : more < 0 ? more : 0;
        in = slice_from(in, n);
    }
    if (report != NULL)
        bacowr_state_load_report(load, report);
    bacowr_state_load_free(load);
    return r;
}

static int read_parcel(struct slice in, struct bacowr *b, int64_t now_ms,
                       const struct parcel_reader *reader, struct bacowr_state_report *report)
{
    uint64_t len;
    int r;

    memcpy(&len, in.p, sizeof len);
    in = slice_from(in, sizeof len);
    if (len > in.len)
        return -EPROTO;
    r = take_state(slice_from(in, len), b, now_ms, report);
    return r == 0 ? tell_all(slice_of(in.p, len), reader) : r;
}

int parcel_open(int fd, struct bacowr *b, int64_t now_ms, const struct parcel_reader *reader,
                struct bacowr_state_report *report)
{
    struct stat st;
    void *bytes;
    int seals, r;

    if (fstat(fd, &st) != 0)
        return -errno;
    seals = fcntl(fd, F_GET_SEALS); /* -1: it is no file in memory */
    if ((size_t)st.st_size < sizeof(uint64_t) || seals < 0 || (seals & SEALS) != SEALS)
        return -EPROTO;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    r = read_parcel(slice_of(bytes, (size_t)st.st_size), b, now_ms, reader, report);
    munmap(bytes, (size_t)st.st_size);
    return r;
}
