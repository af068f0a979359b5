/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parcel: what one server leaves comes out at the next; no bytes of it break the reader
 */
#include "server/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/engine.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static char said[400];

static int on_drops(void *ctx, struct slice address, unsigned index, uint32_t drops)
{
    size_t len = strlen(said);

    (void)ctx;
    snprintf(said + len, sizeof said - len, "drops %.*s %u %u; ", (int)address.len, address.p,
             index, drops);
    return 0;
}

static int on_conn(void *ctx, bool framed, struct slice bytes)
{
    size_t len = strlen(said);

    (void)ctx;
    snprintf(said + len, sizeof said - len, "conn %d %.*s; ", framed, (int)bytes.len, bytes.p);
    return 0;
}

static int on_counter(void *ctx, const char *name, const char *labels, double value)
{
    size_t len = strlen(said);

    (void)ctx;
    snprintf(said + len, sizeof said - len, "counter %s{%s} %g; ", name, labels, value);
    return 0;
}

static const struct parcel_reader reader = {NULL, on_drops, on_conn, on_counter};

/* One of each record, and a state of one series. */
static int make(void)
{
    struct parcel p = {0};
    struct engine e;
    int fd = -1;

    engine_init(&e, NULL, NULL);
    engine_feed(&e, "hits:3|c");
    parcel_add_drops(&p, SLICE_LIT("127.0.0.1:8125"), 2, UINT32_MAX);
    parcel_add_conn(&p, true, SLICE_LIT("ab"), SLICE_LIT("cd"));
    parcel_add_counter(&p, "name", "a=\"b\"", 2.5);
    ck_assert_int_eq(parcel_close(&p, e.b, 0, &fd), 0);
    engine_release(&e);
    return fd;
}

/* Into an engine that knows nothing yet. */
static int read_it(int fd, bool is_whole)
{
    struct engine e;
    int r;

    said[0] = '\0';
    engine_init(&e, NULL, NULL);
    r = parcel_open(fd, e.b, 0, &reader, NULL);
    if (is_whole)
        ck_assert_ptr_nonnull(strstr(engine_page(&e, "").p, "\nhits 3\n"));
    engine_release(&e);
    return r;
}

/* Everything, in its order. */
START_TEST(test_parcel_comes_out)
{
    int fd = make();

    ck_assert_int_eq(read_it(fd, true), 0);
    ck_assert_str_eq(said, "drops 127.0.0.1:8125 2 4294967295; conn 1 abcd; "
                           "counter name{a=\"b\"} 2.5; ");
    close(fd);
}
END_TEST

/* A file with these bytes: in memory with @seals, on a disk when they are negative. */
static int file_of(const char *bytes, size_t len, int seals)
{
    char name[] = "/tmp/bacowr-parcel-XXXXXX";
    int fd = seals < 0 ? mkstemp(name) : memfd_create("test", MFD_ALLOW_SEALING);

    ck_assert_int_ge(fd, 0);
    if (seals < 0)
        unlink(name);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    if (seals > 0)
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* Whoever could still change it could take the bytes away under the reader's hands. */
START_TEST(test_parcel_must_be_sealed)
{
    static const int seals[] = {-1, 0, SEALS & ~F_SEAL_SHRINK, SEALS & ~F_SEAL_WRITE};
    char bytes[8192];
    int fd = make();
    ssize_t len = pread(fd, bytes, sizeof bytes, 0);

    ck_assert(len > 0 && len < (ssize_t)sizeof bytes);
    close(fd);
    for (size_t i = 0; i < sizeof seals / sizeof *seals; i++) {
        fd = file_of(bytes, (size_t)len, seals[i]);
        ck_assert_int_eq(read_it(fd, false), -EPROTO);
        ck_assert_str_eq(said, "");
        close(fd);
    }
    fd = file_of(bytes, (size_t)len, SEALS);
    ck_assert_int_eq(read_it(fd, true), 0);
    close(fd);
}
END_TEST

/* Cut anywhere it is refused; with any byte of its records changed it is read or refused. */
START_TEST(test_parcel_of_any_bytes)
{
    char bytes[8192];
    int fd = make();
    ssize_t len = pread(fd, bytes, sizeof bytes, 0);
    uint64_t records;

    close(fd);
    memcpy(&records, bytes, sizeof records);
    ck_assert_uint_lt(records, 200);
    for (ssize_t i = 0; i < len; i++) {
        fd = file_of(bytes, (size_t)i, SEALS);
        ck_assert_int_eq(read_it(fd, false), -EPROTO);
        close(fd);
    }
    for (size_t i = 0; i < sizeof records + records; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (char)(1u << bit);
            fd = file_of(bytes, (size_t)len, SEALS);
            read_it(fd, false);
            close(fd);
            bytes[i] ^= (char)(1u << bit);
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("parcel");
    TCase *files = tcase_create("files");

    tcase_add_test(files, test_parcel_comes_out);
    tcase_add_test(files, test_parcel_must_be_sealed);
    tcase_add_test(files, test_parcel_of_any_bytes);
    suite_add_tcase(s, files);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
