/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door: see door.h
 *
 * Reading and opening are done aside, on the pool's thread of a reload, so a slow disk or a large
 * chain of certificates holds up nothing. What comes out is whole: the loop only swaps one door for
 * another. The files are listed also when they are wrong, so that who watches them sees the one
 * that is wrong being mended.
 */
#include "server/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "server/file.h"
#include "server/openssl.h"
#include "server/password.h"

static const char *fault(int r)
{
    switch (-r) {
    case ENOENT:
        return "no such file; check --web.config.file, which is relative to the working directory "
               "unless it begins with /";
    case EACCES:
        return "permission denied; give this user permission to read it";
    case ENOTSUP:
        return "this is not a regular file; a server reads it repeatedly";
    case EFBIG:
        return "the file is larger than 1 MiB";
    default:
        return strerror(-r);
    }
}

int door_read(struct web_config **out, const char *path, err_fn on_warning, void *ctx,
              struct err *e)
{
    struct buf text = {0};
    int r = file_read(path, true, WEB_CONFIG_MAX_BYTES, &text);

    if (r < 0)
        err_set(e, path, 0, 0, "%s", fault(r));
    else
        r = web_config_new(out, path, buf_slice(&text), on_warning, ctx, e);
    if (r == -ENOMEM)
        err_set(e, path, 0, 0, "%s", fault(r));
    buf_release(&text);
    return r;
}

/* @c NULL: it could not be read. */
static int list_files(const char *path, const struct web_config *c, struct options_list *out)
{
    const char *const named[] = {path, c ? c->cert_file.text : NULL, c ? c->key_file.text : NULL,
                                 c ? c->client_ca_file.text : NULL};
    int r = 0;

    for (size_t i = 0; i < sizeof named / sizeof *named && r == 0; i++) {
        if (named[i] != NULL)
            r = options_list_add(out, named[i], strlen(named[i]));
    }
    return r;
}

int door_load(struct door **out, struct options_list *files, const char *path, err_fn on_warning,
              void *ctx, struct err *e)
{
    struct door *d = calloc(1, sizeof *d);
    int r = d != NULL ? door_read(&d->config, path, on_warning, ctx, e) : -ENOMEM;

    if (d != NULL && files != NULL && list_files(path, d->config, files) < 0)
        r = -ENOMEM;
    if (r == 0 && d->config->n_users > 0)
        r = openssl_open(path, e);
    if (r == 0 && d->config->n_users > 0)
        r = password_open(path, e);
    if (r == 0 && d->config->has_tls)
        r = tls_new(&d->tls, d->config, e);
    if (r == -ENOMEM)
        err_set(e, path, 0, 0, "%s", fault(r));
    if (r < 0) {
        door_free(d);
        return r;
    }
    *out = d;
    return 0;
}

int door_list(struct options_list *files, const char *path)
{
    struct web_config *c = NULL;
    struct err e;
    int r;

    door_read(&c, path, NULL, NULL, &e); /* what is wrong is told by who loads it */
    r = list_files(path, c, files);
    web_config_free(c);
    return r;
}

void door_free(struct door *d)
{
    if (d == NULL)
        return;
    tls_release(d->tls);
    web_config_free(d->config);
    free(d);
}
