/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local: what stands at a socket's path, who may remove it, and modes as chmod(1) has them
 */
#include "server/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/unit.h"

static char folder[64], path[96];
static struct local name;
static struct err e;

static void start(void)
{
    strcpy(folder, "/tmp/bacowr-local-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    memset(&name, 0x5a, sizeof name);
    ck_assert_int_eq(local_resolve(&name, path, &e), 0);
}

static void stop(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static bool exists(void)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static int open_one(int type)
{
    int fd = -1;
    int r = local_open(&fd, &name, type, 0700, &e);

    return r == 0 ? fd : r;
}

/* Octal digits up to 7777, and nothing else. */
START_TEST(test_local_reads_modes)
{
    static const struct {
        const char *text;
        int mode;
    } cases[] = {{"755", 0755},
                 {"0", 0},
                 {"0777", 0777},
                 {"7777", 07777},
                 {"10000", -1},
                 {"", -1},
                 {NULL, -1},
                 {"8", -1},
                 {"0o755", -1},
                 {"-1", -1},
                 {"77777777777777777777777", -1},
                 {"75 ", -1}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int mode = -1;

        ck_assert_int_eq(local_parse_mode(cases[i].text, &mode), cases[i].mode >= 0);
        ck_assert_int_eq(mode, cases[i].mode);
    }
}
END_TEST

/* A path fits with its NUL, or is refused. */
START_TEST(test_local_has_a_longest_path)
{
    char text[128] = "";
    struct local l;

    memset(text, 'p', 107);
    ck_assert_int_eq(local_resolve(&l, text, &e), 0);
    ck_assert_uint_eq(l.sa_len, sizeof l.sa);
    text[107] = 'p';
    ck_assert_int_eq(local_resolve(&l, text, &e), -EINVAL);
    ck_assert_ptr_nonnull(strstr(e.text, "too long"));
}
END_TEST

/* A socket nobody has any more gives way; one that somebody has stays, of either type. */
START_TEST(test_local_replaces_only_what_is_stale)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

    for (size_t i = 0; i < 4; i++) {
        struct local other;
        int first = open_one(types[i % 2]), second = -1;

        ck_assert_int_eq(local_resolve(&other, path, &e), 0);
        ck_assert_int_ge(first, 0);
        ck_assert_int_eq(local_open(&second, &other, types[i / 2], 0700, &e), -EADDRINUSE);
        ck_assert_ptr_nonnull(strstr(e.text, "address in use"));
        ck_assert(!other.has_file && exists());
        close(first);
        ck_assert_int_eq(local_open(&second, &other, types[i / 2], 0700, &e), 0);
        local_remove(&other);
        ck_assert(!exists());
        close(second);
    }
}
END_TEST

/* What is no socket stays: a file, a folder, a link to nowhere. */
START_TEST(test_local_leaves_other_files)
{
    for (int kind = 0; kind < 3; kind++) {
        if (kind == 0)
            close(open(path, O_CREAT | O_WRONLY, 0600));
        else
            ck_assert_int_eq(kind == 1 ? mkdir(path, 0700) : symlink("nowhere", path), 0);
        ck_assert_int_eq(open_one(SOCK_DGRAM), -EEXIST);
        ck_assert_ptr_nonnull(strstr(e.text, "not a socket"));
        ck_assert(exists());
        ck_assert_int_eq(kind == 1 ? rmdir(path) : unlink(path), 0);
    }
}
END_TEST

/* A file that is not ours any more is left to whom it belongs. */
START_TEST(test_local_removes_only_its_own)
{
    struct local other = name;
    int first = open_one(SOCK_DGRAM), second;

    unlink(path);
    ck_assert_int_eq(local_open(&second, &other, SOCK_DGRAM, 0700, &e), 0);
    local_remove(&name);
    ck_assert(exists());
    local_remove(&other);
    ck_assert(!exists());
    local_remove(&other);
    local_remove(&(struct local){0});
    close(first);
    close(second);
}
END_TEST

/* The mode is the one that was asked for, whatever the umask takes. */
START_TEST(test_local_sets_the_mode)
{
    mode_t before = umask(077);
    struct stat st;
    int fd;

    ck_assert_int_eq(local_open(&fd, &name, SOCK_DGRAM, 0766, &e), 0);
    ck_assert_int_eq(name.mode_error, 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0766);
    local_remove(&name);
    close(fd);
    ck_assert_int_eq(local_open(&fd, &name, SOCK_DGRAM, LOCAL_MODE_UMASK, &e), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    local_remove(&name);
    close(fd);
    umask(before);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("local");
    TCase *text = tcase_create("text");
    TCase *files = tcase_create("files");

    tcase_add_test(text, test_local_reads_modes);
    tcase_add_test(text, test_local_has_a_longest_path);
    suite_add_tcase(s, text);
    tcase_add_checked_fixture(files, start, stop);
    tcase_add_test(files, test_local_replaces_only_what_is_stale);
    tcase_add_test(files, test_local_leaves_other_files);
    tcase_add_test(files, test_local_removes_only_its_own);
    tcase_add_test(files, test_local_sets_the_mode);
    suite_add_tcase(s, files);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
