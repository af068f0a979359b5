/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping file: what is read, what is not even opened for reading, and that nobody ever waits
 */
#include "server/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/unit.h"

static const char rules[] = "mappings:\n- match: a.*\n  name: aa\n";

static char folder[] = "/tmp/bacowr-test-XXXXXX";
static char path[64];

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/mapping", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Load what is at @path. 0: with one rule; else a word of the message must be @part. */
static void load(const char *from, enum mapfile_kind kind, int want, const char *part)
{
    struct bacowr_mapping *m = (struct bacowr_mapping *)0x5a5a;
    struct err e;
    int r;

    memset(&e, 0x5a, sizeof e);
    r = mapfile_load(&m, from, kind, NULL, NULL, &e);
    if (want == 0) {
        ck_assert_msg(r == 0, "%s", e.text);
        bacowr_mapping_free(m);
        return;
    }
    ck_assert_int_eq(r, want);
    ck_assert_ptr_eq(m, (void *)0x5a5a);
    ck_assert_str_eq(e.file, from);
    ck_assert_msg(strstr(e.text, part) != NULL, "%s", e.text);
}

/* A file is read by both kinds, and its own mistakes are the loader's to tell. */
START_TEST(test_mapfile_reads_files)
{
    write_file(rules);
    load(path, MAPFILE_REGULAR, 0, NULL);
    load(path, MAPFILE_ANY, 0, NULL);
    write_file("mappings: [1");
    load(path, MAPFILE_REGULAR, -EINVAL, "close the bracket");
}
END_TEST

/* What cannot be a mapping is refused with a remedy. */
START_TEST(test_mapfile_refuses_what_is_no_file)
{
    load(path, MAPFILE_REGULAR, -ENOENT, "there is no such file; check the path");
    load(folder, MAPFILE_REGULAR, -EISDIR, "name a file in it");
    load(folder, MAPFILE_ANY, -EISDIR, "name a file in it");
    load("/dev/zero", MAPFILE_REGULAR, -ENOTSUP, "is no ordinary file");
    load("/dev/zero", MAPFILE_ANY, -EFBIG, "larger than 16 MiB");
}
END_TEST

/* A FIFO that nobody writes to is refused at once where a server would wait for ever. */
START_TEST(test_mapfile_never_waits_for_a_fifo)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    load(path, MAPFILE_REGULAR, -ENOTSUP, "is no ordinary file");
}
END_TEST

/* A pipe is read to its end where somebody wants to wait for it. */
START_TEST(test_mapfile_reads_pipes_when_asked)
{
    char from[32];
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], rules, strlen(rules)), (int)strlen(rules));
    close(fds[1]);
    snprintf(from, sizeof from, "/dev/fd/%d", fds[0]);
    load(from, MAPFILE_REGULAR, -ENOTSUP, "is no ordinary file");
    load(from, MAPFILE_ANY, 0, NULL);
    close(fds[0]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mapfile");
    TCase *load_case = tcase_create("load");

    tcase_add_checked_fixture(load_case, make_folder, remove_folder);
    tcase_add_test(load_case, test_mapfile_reads_files);
    tcase_add_test(load_case, test_mapfile_refuses_what_is_no_file);
    tcase_add_test(load_case, test_mapfile_never_waits_for_a_fifo);
    tcase_add_test(load_case, test_mapfile_reads_pipes_when_asked);
    suite_add_tcase(s, load_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
