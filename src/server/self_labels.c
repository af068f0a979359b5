/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self, label texts: see self_labels.h
 *
 *      sockets   listener="ADDRESS",worker="N"       one for each, and one for each reason
 *      listeners listener="ADDRESS"                  each address once
 *      relay     target="HOST:PORT"                  and one for each reason
 *
 * Law: what comes from the command line is escaped as the text format wants it.
 */
#include "server/self_labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* As in the text format: backslash, LF and the quote. @out has room for twice @text and a NUL. */
static void escape(char *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            *out++ = '\\';
        *out++ = *text == '\n' ? 'n' : *text;
    }
    *out = '\0';
}

/* The architecture as statsd_exporter's builds call it. */
static const char *architecture(void)
{
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__i386__)
    return "386";
#else
    return "";
#endif
}

static void render_relay_labels(struct self_labels *s)
{
    for (unsigned i = 0; i < relay_n_targets(s->config->relay); i++) {
        struct relay_labels *labels = &s->relay_labels[i];
        const char *text = relay_target(s->config->relay, i);
        char target[TARGET_LABELS_MAX - 64] = "";

        if (strlen(text) < sizeof target / 2)
            escape(target, text);
        snprintf(labels->target, sizeof labels->target, "target=\"%s\"", target);
        for (unsigned reason = 0; reason < RELAY_N_REASONS; reason++)
            snprintf(labels->dropped[reason], sizeof labels->dropped[reason],
                     "reason=\"%s\",target=\"%s\"", relay_reason_name(reason), target);
    }
}

/* Each address once, in the order of the sockets. */
static void render_listeners(struct self_labels *s)
{
    char escaped[2 * ADDRESS_TEXT_MAX];

    for (unsigned i = 0; i < s->config->n_sockets; i++) {
        struct listener_labels *l = &s->listeners[s->n_listeners];
        unsigned known = 0;

        while (known < s->n_listeners &&
               !self_labels_is_of(s->config->sockets[i], &s->listeners[known]))
            known++;
        if (known < s->n_listeners)
            continue;
        l->address = s->config->sockets[i]->address.text;
        escape(escaped, l->address);
        snprintf(l->labels, LABELS_MAX, "listener=\"%s\"", escaped);
        s->n_listeners++;
    }
}

static void render_labels(struct self_labels *s)
{
    char version[128] = "";
    char listener[2 * ADDRESS_TEXT_MAX];

    if (strlen(s->config->version) < sizeof version / 2)
        escape(version, s->config->version);
    snprintf(s->build_labels, sizeof s->build_labels,
             "branch=\"\",goarch=\"%s\",goos=\"linux\",goversion=\"\",revision=\"\",tags=\"\","
             "version=\"%s\"",
             architecture(), version);
    for (unsigned i = 0; i < s->config->n_sockets; i++) {
        const struct ingest *in = s->config->sockets[i];

        escape(listener, in->address.text);
        snprintf(s->socket_labels[i], LABELS_MAX, "listener=\"%s\",worker=\"%u\"", listener,
                 in->index);
        for (unsigned k = 0; k < 2; k++)
            snprintf(s->refused_labels[2 * i + k], LABELS_MAX,
                     "listener=\"%s\",reason=\"%s\",worker=\"%u\"", listener,
                     k == 0 ? "limited" : "not_allowed", in->index);
    }
    for (unsigned i = 0; i < s->config->n_workers; i++)
        snprintf(s->worker_labels[i], WORKER_LABELS_MAX, "worker=\"%u\"", i);
}

int self_labels_new(struct self_labels **out, const struct self_config *config)
{
    struct self_labels *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -ENOMEM;
    s->config = config;
    s->socket_labels = calloc(config->n_sockets + 1, LABELS_MAX);
    s->refused_labels = calloc(2 * (size_t)config->n_sockets + 1, LABELS_MAX);
    s->listeners = calloc(config->n_sockets + 1, sizeof *s->listeners);
    s->relay_labels = calloc(relay_n_targets(config->relay) + 1, sizeof *s->relay_labels);
    s->worker_labels = calloc(config->n_workers + 1, WORKER_LABELS_MAX);
    if (s->socket_labels == NULL || s->refused_labels == NULL || s->listeners == NULL ||
        s->relay_labels == NULL || s->worker_labels == NULL) {
        self_labels_free(s);
        return -ENOMEM;
    }
    render_labels(s);
    render_listeners(s);
    render_relay_labels(s);
    *out = s;
    return 0;
}

void self_labels_free(struct self_labels *s)
{
    if (s == NULL)
        return;
    free(s->socket_labels);
    free(s->refused_labels);
    free(s->listeners);
    free(s->relay_labels);
    free(s->worker_labels);
    free(s);
}
