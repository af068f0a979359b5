/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ask: commands that talk with a running server: healthcheck, tap, record, replay
 *
 * Whom they ask is told by the flags that the server itself was started with, as far as they are
 * its flags, so the same command line with another command asks it.
 *
 * Laws: who asks his own machine's health believes it, unless he says how to make sure. A
 *       capture is readable for its owner alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "server/client.h"
#include "server/door.h"
#include "server/healthcheck.h"
#include "server/replay.h"
#include "server/tap_client.h"

/* The first Unix socket, where nobody is asked for a certificate; else the first address. */
static const char *choose_address(const struct options_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strncmp(list->items[i], OPTIONS_UNIX, strlen(OPTIONS_UNIX)) == 0)
            return list->items[i];
    }
    return list->items[0];
}

/* Does the server speak TLS? Its certificates need not be readable for who only asks. */
static int speaks_tls(const struct options *o, bool *tls, struct err *e)
{
    struct web_config *c;
    int r;

    *tls = false;
    if (o->web_config == NULL)
        return 0;
    r = door_read(&c, o->web_config, NULL, NULL, e);
    if (r < 0)
        return r;
    *tls = c->has_tls;
    web_config_free(c);
    return 0;
}

/* ---- healthcheck ---- */

static int ask_health(const struct options *o, const struct address *a, const char *host,
                      struct err *e)
{
    struct client_identity identity = {0};
    bool tls;
    int r = speaks_tls(o, &tls, e);

    if (r == 0 && o->http_config != NULL)
        r = client_identity_load(&identity, o->http_config, tls, command_print_warning, NULL, e);
    else if (r == 0 && tls)
        r = tls_client_new_blind(&identity.tls, e);
    if (r == 0)
        r = healthcheck_ask(a, identity.tls, host, HEALTHCHECK_LIMIT_MS, e);
    client_identity_release(&identity);
    return r;
}

/* One line, whatever comes out: a container's engine keeps it as the result of the check. */
int command_healthcheck(const struct options *o)
{
    struct client_url url;
    struct address a;
    struct err e = {.file = ""};
    int r = client_url_read(&url, choose_address(&o->web_listen), &e);

    if (r == 0)
        r = healthcheck_address(&a, url.address, &e);
    if (r == 0)
        r = ask_health(o, &a, url.host, &e);
    if (r == 0)
        printf("%s: ready\n", a.text);
    return command_end(r, &e);
}

/* ---- tap ---- */

/* Of the server that the flags name, as far as they are its flags. */
static int read_url(struct client_url *out, const struct options *o, struct err *e)
{
    bool tls;
    int r = client_url_read(out, o->tap_url ? o->tap_url : choose_address(&o->web_listen), e);

    if (r < 0 || o->tap_url != NULL || strncmp(out->address, OPTIONS_UNIX, 5) == 0)
        return r;
    r = speaks_tls(o, &tls, e);
    if (r == 0)
        out->tls = tls;
    return r;
}

static int ask_tap(const struct options *o, const char *form, FILE *out, FILE *progress)
{
    struct client_url url;
    struct client_identity identity = {0};
    const struct tap_client config = {
        .url = &url,
        .identity = &identity,
        .form = form,
        .match = o->tap_match,
        .rate = o->tap_rate,
        .limit_ms = o->record_ms,
        .out = out,
        .progress = progress,
        .anew = out != stdout,
    };
    struct err e = {.file = ""};
    int r = read_url(&url, o, &e);

    if (r == 0)
        r = client_identity_load(&identity, o->http_config, url.tls, command_print_warning, NULL,
                                 &e);
    if (r == 0)
        r = tap_client_run(&config, &e);
    client_identity_release(&identity);
    return command_end(r, &e);
}

int command_tap(const struct options *o)
{
    return ask_tap(o, o->explain_json ? "json" : "text", stdout, NULL);
}

/* ---- record, replay ---- */

/*
 * "-" is @standard. What senders send is nobody's business: a new file is the user's alone. What a
 * file to write holds stays in it, see `anew` of tap_client.h.
 */
static FILE *open_file(const char *path, bool write, FILE *standard)
{
    FILE *f;
    int fd;

    if (strcmp(path, "-") == 0)
        return standard;
    fd = open(path, O_CLOEXEC | (write ? O_WRONLY | O_CREAT : O_RDONLY), 0600);
    f = fd >= 0 ? fdopen(fd, write ? "w" : "r") : NULL;
    if (f == NULL)
        fprintf(stderr, "bacowr-statsd: %s: %s\n", path, strerror(errno));
    if (f == NULL && fd >= 0)
        close(fd);
    return f;
}

int command_record(const struct options *o)
{
    const char *path = o->arguments.items[0];
    FILE *f = open_file(path, true, stdout);
    int status;

    if (f == NULL)
        return EXIT_FAILURE;
    status = ask_tap(o, "capture", f, stderr);
    if (f != stdout && fclose(f) != 0) {
        fprintf(stderr, "bacowr-statsd: %s: %s\n", path, strerror(errno));
        status = EXIT_FAILURE;
    }
    return status;
}

int command_replay(const struct options *o)
{
    struct replay config = {.to = o->replay_to, .tcp = o->replay_tcp, .progress = stderr};
    struct err e = {.file = ""};
    int r;

    if (o->replay_to == NULL || o->replay_speed == NULL ||
        !replay_read_speed(o->replay_speed, &config.speed)) {
        fprintf(stderr, "bacowr-statsd: replay needs --to=HOST:PORT and --speed=NUMBER, which is "
                        "above 0 and at most 1000000, or max\n");
        return EXIT_FAILURE;
    }
    config.in = open_file(o->arguments.items[0], false, stdin);
    if (config.in == NULL)
        return EXIT_FAILURE;
    r = replay_run(&config, &e);
    if (config.in != stdin)
        fclose(config.in);
    return command_end(r, &e);
}
