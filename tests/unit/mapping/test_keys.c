/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mapping/keys: the rows that a manual shows, and the example that shows them at work
 */
#include "loads.h"
#include "mapping/keys.h"

static bool ends_a_sentence(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && text[n - 1] == '.';
}

/* Every row says what is written there, what it means in whole sentences, and where it stands. */
START_TEST(test_keys_say_all_of_each_key)
{
    struct mapping_key_cursor c = {0};
    struct mapping_key key;
    size_t n = 0;

    for (; mapping_key_next(&c, &key); n++) {
        ck_assert_msg(key.value != NULL && key.value[0] != '\0', "%s has no value", key.name);
        ck_assert_msg(key.help != NULL && ends_a_sentence(key.help), "%s has no help", key.name);
        ck_assert_msg(key.fallback == NULL || key.fallback[0] != '\0', "%s: empty default",
                      key.name);
        ck_assert(key.section[0] != '\0' && ends_a_sentence(key.where));
    }
    ck_assert_uint_gt(n, 25);
    ck_assert(!mapping_key_next(&c, &key));
}
END_TEST

/* Keys of older files are not shown, and no key stands twice in a section. */
START_TEST(test_keys_show_each_key_once)
{
    static const char *const hidden[] = {"fsm", "logger", "timer_type"};
    struct mapping_key_cursor c = {0};
    struct mapping_key key;

    while (mapping_key_next(&c, &key)) {
        struct mapping_key_cursor rest = c;
        struct mapping_key other;

        for (size_t i = 0; i < N(hidden); i++)
            ck_assert_str_ne(key.name, hidden[i]);
        while (mapping_key_next(&rest, &other))
            ck_assert(strcmp(key.section, other.section) != 0 || strcmp(key.name, other.name) != 0);
    }
}
END_TEST

/* Does @name stand in @text as a key, outside of comments? */
static bool has_key(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; *line != '\0'; line += *line == '\n') {
        const char *end = line + strcspn(line, "\n#");

        for (const char *p = line; p + len < end; p++) {
            bool begins = p == line || strchr(" {,", p[-1]) != NULL;

            if (begins && strncmp(p, name, len) == 0 && p[len] == ':')
                return true;
        }
        line = end + strcspn(end, "\n");
    }
    return false;
}

/* The shipped example loads without a warning and has every key that is shown. */
START_TEST(test_keys_all_stand_in_the_example)
{
    struct mapping_key_cursor c = {0};
    struct mapping_key key;
    size_t len;
    char *text = read_shipped("conf/example.yml", &len);

    mapping_free(load_shipped("conf/example.yml"));
    text[len] = '\0';
    while (mapping_key_next(&c, &key))
        ck_assert_msg(has_key(text, key.name), "conf/example.yml lacks %s", key.name);
    free(text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("keys");
    TCase *keys = tcase_create("keys");

    tcase_add_test(keys, test_keys_say_all_of_each_key);
    tcase_add_test(keys, test_keys_show_each_key_once);
    tcase_add_test(keys, test_keys_all_stand_in_the_example);
    suite_add_tcase(s, keys);
    return s;
}

int main(void)
{
    return unit_main(suite());
}
