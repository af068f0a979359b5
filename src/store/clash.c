/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clash: what may not stand beside what
 *
 * On a page each name has one type, and a histogram or summary uses more names than its own:
 * `x_bucket`, `x_sum`, `x_count`; and `x_created`, if the page is offered in OpenMetrics, where no
 * other family may have that name. Whichever came first holds the name. Here it is only asked;
 * family.c acts on the answer, and explain tells it.
 *
 * Laws: all under the registry's lock, and nothing here changes anything.
 */
#include "store/clash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/index.h"

/* ---- names of samples ---- */

static const char *const suffixes[] = {"_bucket", "_sum", "_count", "_created"};

static unsigned n_suffixes(const struct registry *r)
{
    return r->owns_created ? 4 : 3;
}

/* Does a family of @type show samples named with suffix @i? */
static bool type_owns_suffix(enum metric_type type, unsigned i)
{
    return type == METRIC_HISTOGRAM || (type == METRIC_SUMMARY && i > 0);
}

/* The histogram or summary that @name is a sample name of, or NULL. */
static struct family *suffix_owner(const struct registry *r, struct slice name)
{
    for (unsigned i = 0; i < n_suffixes(r); i++) {
        size_t len = strlen(suffixes[i]);
        struct family *f;

        if (name.len <= len || memcmp(name.p + name.len - len, suffixes[i], len) != 0)
            continue;
        f = family_find(r, slice_of(name.p, name.len - len));
        if (f != NULL && !f->reserved && type_owns_suffix(family_type(f), i))
            return f;
    }
    return NULL;
}

int clash_needs(const struct registry *r, struct slice name, enum metric_type type,
                struct family **taken)
{
    char *text = malloc(name.len + sizeof "_created");

    if (text == NULL)
        return -ENOMEM;
    *taken = NULL;
    memcpy(text, name.p, name.len);
    for (unsigned i = 0; i < n_suffixes(r) && *taken == NULL; i++) {
        size_t len = strlen(suffixes[i]);

        memcpy(text + name.len, suffixes[i], len);
        if (type_owns_suffix(type, i))
            *taken = family_find(r, slice_of(text, name.len + len));
    }
    free(text);
    return 0;
}

int clash_of_suffix(const struct registry *r, const struct series_birth *birth,
                    struct family **other)
{
    *other = suffix_owner(r, birth->key.name);
    if (*other != NULL || !type_owns_suffix(birth->spec->type, 1))
        return 0;
    return clash_needs(r, birth->key.name, birth->spec->type, other);
}

/* ---- types ---- */

bool type_observes(enum metric_type type)
{
    return type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;
}

bool clash_of_labels(struct slice names, enum metric_type type)
{
    struct slice own = metric_own_label(type);
    const char *p = names.p, *end = names.p + names.len;

    while (own.len > 0 && p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));

        if (slice_eq(slice_of(p, (size_t)(comma - p)), own))
            return true;
        p = comma + 1;
    }
    return false;
}

int clash_of_type(const struct registry *r, const struct family *f,
                  const struct series_birth *birth)
{
    enum metric_type type = family_type(f), says = birth->spec->type;
    /* Signed: generations wrap. */
    int32_t newer = (int32_t)(birth->gen - f->gen);

    if (f->yields)
        return SERIES_E_TYPE;
    if (says == type)
        return 0;
    if (!type_observes(type) || !type_observes(says))
        return SERIES_E_TYPE;
    /* What an older one says comes too late: its samples are kept as they are now. */
    if (newer < 0)
        return clash_of_labels(birth->label_names, type) ? SERIES_E_TYPE : 0;
    /* Where rules disagree they do so after a reload as well, and it changes nothing. */
    return newer == 0 || (f->contested && index_find(r, &birth->key) == NULL) ? SERIES_E_TYPE : 0;
}

/* ---- asking ---- */

/* @f: in the way, if the answer is none of 0 and -ENOMEM. */
static int ask_name(const struct registry *r, const struct series_birth *birth, struct family **f)
{
    struct family *other = NULL;
    int rc;

    *f = family_find(r, birth->key.name);
    if (*f != NULL && (*f)->reserved)
        return SERIES_E_RESERVED;
    if (*f != NULL)
        return clash_of_type(r, *f, birth);
    rc = clash_of_suffix(r, birth, &other);
    *f = other;
    return rc == 0 && other != NULL ? SERIES_E_SUFFIX : rc;
}

int series_clash(struct registry *r, const struct series_birth *birth, struct buf *holder,
                 enum metric_type *type)
{
    struct family *f;
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = ask_name(r, birth, &f);
    if (rc > 0) {
        buf_add_slice(holder, family_name(f));
        *type = family_type(f);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}
