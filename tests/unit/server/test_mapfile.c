/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping files: what is read and in which order, what is not even opened for reading, and that
 * nobody ever waits
 */
#include "server/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *at)
{
    return remove(name);
}

static void remove_folder(void)
{
    ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void write_to(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_file(const char *text)
{
    write_to(path, text);
}

/* Make @name in the folder. */
static void write_in(const char *name, const char *text)
{
    char to[128];

    snprintf(to, sizeof to, "%s/%s", folder, name);
    write_to(to, text);
}

/* Load what is at @from. 0: it is good; else a word of the message must be @part. */
static void load(const char *from, enum mapfile_kind kind, int want, const char *part)
{
    struct bacowr_mapping *m = (struct bacowr_mapping *)0x5a5a;
    struct err e;
    int r;

    memset(&e, 0x5a, sizeof e);
    r = mapfile_load(&m, &(struct options_list){1, (char *[]){(char *)from}}, kind, NULL, NULL, &e);
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
    load(path, MAPFILE_REGULAR, -ENOENT, "no such file; check the path");
    load(folder, MAPFILE_REGULAR, -ENODATA, "ends in .yml or .yaml; name a file");
    load(folder, MAPFILE_ANY, -ENODATA, "ends in .yml or .yaml; name a file");
    load("/dev/zero", MAPFILE_REGULAR, -ENOTSUP, "is not a regular file");
    load("/dev/zero", MAPFILE_ANY, -EFBIG, "larger than 16 MiB");
}
END_TEST

/* A FIFO that nobody writes to is refused at once where a server would wait for ever. */
START_TEST(test_mapfile_never_waits_for_a_fifo)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    load(path, MAPFILE_REGULAR, -ENOTSUP, "is not a regular file");
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
    load(from, MAPFILE_REGULAR, -ENOTSUP, "is not a regular file");
    load(from, MAPFILE_ANY, 0, NULL);
    close(fds[0]);
}
END_TEST

/* What the paths @a and @b (NULL: none) stand for, without the folder, is @want. */
static void assert_listed(const char *a, const char *b, const char *want)
{
    struct options_list files = {0};
    char listed[512] = "";
    struct err e;

    ck_assert_int_eq(mapfile_list(&files, a, &e), 0);
    if (b != NULL)
        ck_assert_int_eq(mapfile_list(&files, b, &e), 0);
    for (size_t i = 0; i < files.n; i++) {
        ck_assert(strncmp(files.items[i], folder, strlen(folder)) == 0);
        strcat(listed, i > 0 ? " " : "");
        strcat(listed, files.items[i] + strlen(folder));
    }
    ck_assert_str_eq(listed, want);
    options_list_release(&files);
}

/* A directory stands for its YAML files in byte order; hidden ones, directories and others are left
 * out, links are followed, and nothing is taken out of the order of the paths. */
START_TEST(test_mapfile_lists_directories)
{
    char sub[64], link[64], slash[64];

    write_file(rules);
    write_in("b.yml", rules);
    write_in("Z.yaml", rules);
    write_in("a.yml", rules);
    write_in("10.yml", rules);
    write_in("9.yml", rules);
    write_in(".hidden.yml", rules);
    write_in(".yml", rules);
    write_in("c.yml~", rules);
    write_in("d.YML", rules);
    write_in("yml", rules);
    snprintf(sub, sizeof sub, "%s/sub.yml", folder);
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    write_in("sub.yml/e.yml", rules);
    snprintf(link, sizeof link, "%s/c.yml", folder);
    ck_assert_int_eq(symlink("sub.yml/e.yml", link), 0);
    snprintf(slash, sizeof slash, "%s/", folder);
    assert_listed(folder, NULL, "/10.yml /9.yml /Z.yaml /a.yml /b.yml /c.yml");
    assert_listed(slash, NULL, "/10.yml /9.yml /Z.yaml /a.yml /b.yml /c.yml");
    assert_listed(path, sub, "/mapping /sub.yml/e.yml");
    assert_listed(sub, path, "/sub.yml/e.yml /mapping");
}
END_TEST

/* A ConfigMap's directory: each file once, by its own name. */
START_TEST(test_mapfile_lists_a_config_map)
{
    char name[64];

    snprintf(name, sizeof name, "%s/..2024_01", folder);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    write_in("..2024_01/a.yml", rules);
    snprintf(name, sizeof name, "%s/..data", folder);
    ck_assert_int_eq(symlink("..2024_01", name), 0);
    snprintf(name, sizeof name, "%s/a.yml", folder);
    ck_assert_int_eq(symlink("..data/a.yml", name), 0);
    assert_listed(folder, NULL, "/a.yml");
    load(folder, MAPFILE_REGULAR, 0, NULL);
}
END_TEST

/* Try @paths; the error's file and a word of its text. */
static void refused(size_t n, char **paths, int want, const char *file, const char *part)
{
    struct bacowr_mapping *m = (struct bacowr_mapping *)0x5a5a;
    struct err e;

    memset(&e, 0x5a, sizeof e);
    ck_assert_int_eq(
        mapfile_load(&m, &(struct options_list){n, paths}, MAPFILE_ANY, NULL, NULL, &e), want);
    ck_assert_ptr_eq(m, (void *)0x5a5a);
    ck_assert_str_eq(e.file, file);
    ck_assert_msg(strstr(e.text, part) != NULL, "%s", e.text);
}

/* What is wrong with one of several is told of that one. */
START_TEST(test_mapfile_names_the_bad_one)
{
    char bad[64], gone[64], hole[64];

    write_file(rules);
    snprintf(bad, sizeof bad, "%s/bad.yml", folder);
    write_in("bad.yml", "defaults:\n  nope: 1\n");
    refused(2, (char *[]){path, folder}, -EINVAL, bad, "nope");
    snprintf(gone, sizeof gone, "%s/gone.yml", folder);
    refused(2, (char *[]){path, gone}, -ENOENT, gone, "no such file");
    unlink(bad);
    ck_assert_int_eq(symlink("nowhere", gone), 0);
    refused(2, (char *[]){path, folder}, -ENOENT, gone, "no such file");
    unlink(gone);
    snprintf(hole, sizeof hole, "%s/hole.yml", folder);
    ck_assert_int_eq(mkfifo(hole, 0600), 0);
    refused(1, (char *[]){folder}, -ENOTSUP, hole, "is not a regular file");
}
END_TEST

/* 256 files and 16 MiB are the most, all together. */
START_TEST(test_mapfile_bounds_files_and_bytes)
{
    char name[64], last[64], *many[MAPFILE_MAX_FILES + 1];
    struct bacowr_mapping *m;
    struct err e;

    write_file("# nothing\n");
    for (size_t i = 0; i <= MAPFILE_MAX_FILES; i++)
        many[i] = path;
    ck_assert_int_eq(mapfile_load(&m, &(struct options_list){MAPFILE_MAX_FILES, many},
                                  MAPFILE_REGULAR, NULL, NULL, &e),
                     0);
    bacowr_mapping_free(m);
    refused(MAPFILE_MAX_FILES + 1, many, -E2BIG, path, "more than 256");
    many[MAPFILE_MAX_FILES - 1] = folder;
    write_in("1.yml", "# one\n");
    ck_assert_int_eq(mapfile_load(&m, &(struct options_list){MAPFILE_MAX_FILES, many},
                                  MAPFILE_REGULAR, NULL, NULL, &e),
                     0);
    bacowr_mapping_free(m);
    write_in("2.yml", "# two\n");
    refused(MAPFILE_MAX_FILES, many, -E2BIG, folder, "more than 256");

    snprintf(name, sizeof name, "%s/1.yml", folder);
    snprintf(last, sizeof last, "%s/2.yml", folder);
    ck_assert_int_eq(truncate(name, MAPFILE_MAX_BYTES), 0);
    refused(1, (char *[]){folder}, -EFBIG, last, "all its files together");
}
END_TEST

/* One path is told as it is, more by the first and their number. */
START_TEST(test_mapfile_labels)
{
    char a[] = "a.yml", b[] = "b", c[] = "c", label[32];
    char *paths[] = {a, b, c};

    mapfile_label(&(struct options_list){1, paths}, label, sizeof label);
    ck_assert_str_eq(label, "a.yml");
    mapfile_label(&(struct options_list){3, paths}, label, sizeof label);
    ck_assert_str_eq(label, "a.yml and 2 more");
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
    tcase_add_test(load_case, test_mapfile_lists_directories);
    tcase_add_test(load_case, test_mapfile_lists_a_config_map);
    tcase_add_test(load_case, test_mapfile_names_the_bad_one);
    tcase_add_test(load_case, test_mapfile_bounds_files_and_bytes);
    tcase_add_test(load_case, test_mapfile_labels);
    suite_add_tcase(s, load_case);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
