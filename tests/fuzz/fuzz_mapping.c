/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz: the mapping loader on any bytes
 *
 * Law: whatever a file holds, loading ends with a mapping or with a message that has a place and a
 * text, and leaves nothing behind. The bytes lie in a block of their own size, so that the
 * sanitizer sees a read past them.
 */
#include "mapping/mapping.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void on_warning(void *ctx, const struct err *e)
{
    (void)ctx;
    if (e->text[0] == '\0' || memchr(e->text, '\0', sizeof(e->text)) == NULL)
        abort();
}

static void check_rules(const struct mapping *m)
{
    for (size_t i = 0; i < mapping_n_rules(m); i++) {
        const struct mapping_rule *rule = mapping_rule(m, i);

        if (rule->name[0] == '\0' || rule->how->observer.n_buckets == 0 ||
            rule->how->observer.n_quantiles == 0 || rule->how->observer.age_buckets == 0)
            abort();
        for (size_t k = 1; k < rule->how->observer.n_buckets; k++) {
            if (!(rule->how->observer.buckets[k - 1] < rule->how->observer.buckets[k]))
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1);
    struct err e = {0};
    struct mapping *m;
    int r;

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    r = mapping_load(&m, &(struct bacowr_text){"fuzz.yml", slice_of(text, size)}, 1, on_warning,
                     NULL, &e);
    free(text);
    if (r == 0) {
        check_rules(m);
        mapping_free(m);
    } else if (r != -ENOMEM && (r != -EINVAL || e.text[0] == '\0' || e.line == 0)) {
        abort();
    }
    return 0;
}
