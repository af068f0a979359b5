/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server: see server.h
 *
 * The calling thread becomes the control thread: it starts everything (start.c), runs its loop
 * (control.c) until it is told to end, and ends everything in the opposite order. No new
 * connections; each worker takes in what its sockets hold, and ends; the totals are logged; then
 * everything is closed.
 *
 * Law: server_release() accepts every state that a start which failed can leave.
 */
#include "server/server.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/conn.h"
#include "server/control.h"
#include "server/journal.h"
#include "server/start.h"

/* ---- the end ---- */

/*
 * The sockets are another process's as well: of the successor, or, after a start that failed, of
 * the server that was to be replaced. Here they are just closed.
 */
static bool are_shared(const struct server *s)
{
    return handover_is_done(s) || s->replaced_fd >= 0;
}

static void leave_sockets(struct server *s)
{
    s->unixgram_name.has_file = s->unix_name.has_file = s->control_name.has_file = false;
    for (size_t i = 0; i < s->n_web_names; i++)
        s->web_names[i].has_file = false;
    if (s->tcp != NULL)
        tcp_forget(s->tcp);
    for (unsigned i = 0; i < s->n_workers; i++)
        if (s->workers[i] != NULL && !s->workers[i]->running)
            conn_forget_all(s->workers[i]);
}

/* Nothing new comes in, what came in is taken in. */
static void stop_threads(struct server *s)
{
    s->ready = false;
    if (are_shared(s))
        leave_sockets(s);
    local_remove(&s->unixgram_name); /* while nobody can take the sockets for stale ones */
    local_remove(&s->unix_name);
    for (size_t i = 0; i < s->n_web_names; i++)
        local_remove(&s->web_names[i]);
    local_remove(&s->control_name);
    tcp_close(s->tcp);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_stop(s->workers[i]);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_join(s->workers[i]);
}

static void close_loop(struct server *s)
{
    int r;

    if (!s->has_loop)
        return;
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->busy, NULL);
    for (size_t i = 0; i < s->n_signals; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    r = uv_loop_close(&s->loop);
    assert(r == 0);
    (void)r;
}

static void server_release(struct server *s)
{
    stop_threads(s);
    watch_stop(s->watch); /* before what it would ask */
    watch_stop(s->web_watch);
    reload_stop(s->reload);
    relay_stop(s->relay);
    statefile_close(s->state);
    handover_close(s);
    if (s->http != NULL)
        http_close(s->http);
    identities_close(s->identities);
    admin_close(s->admin);
    close_loop(s);
    identities_free(s->identities);
    watch_free(s->watch);
    watch_free(s->web_watch);
    door_free(s->door);
    reload_free(s->reload);
    assert(s->pages == NULL);
    self_free(s->self);
    tcp_free(s->tcp);
    for (unsigned i = 0; i < s->n_sockets; i++)
        ingest_close(s->sockets[i]);
    inlet_close(s->unixgram);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_free(s->workers[i]);
    relay_free(s->relay);
    tap_free(s->tap);
    policy_release(&s->policy);
    statefile_free(s->state);
    bacowr_free(s->engine);
    inherit_release(&s->inherit);
    if (s->replaced_fd >= 0)
        close(s->replaced_fd);
    history_free(s->history);
    free(s->counts);
    free(s->sockets);
    free(s->udp.items);
    free(s->tcp_addresses.items);
    free(s->admin_addresses.items);
    free(s->web.items);
    free(s->web_names);
    options_list_release(&s->hosts);
}

/* ---- the whole ---- */

static void raise_fd_limit(void)
{
    struct rlimit fds;

    if (getrlimit(RLIMIT_NOFILE, &fds) != 0)
        return;
    fds.rlim_cur = fds.rlim_max;
    setrlimit(RLIMIT_NOFILE, &fds); /* what is refused is met again in listen.c */
}

int server_run(const struct options *o, const struct log *log)
{
    struct server *s = calloc(1, sizeof *s);
    int status = EXIT_FAILURE;

    if (s == NULL)
        return EXIT_FAILURE;
    s->o = o;
    s->log = log;
    s->replaced_fd = -1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its writer's */
    raise_fd_limit();
    journal_starting(s);
    if (server_start(s) == 0) {
        uv_run(&s->loop, UV_RUN_DEFAULT);
        stop_threads(s);
        control_sample(s);
        if (handover_is_done(s))
            statefile_give_up(s->state);
        else
            statefile_end(s->state);
        journal_stopped(s);
        status = EXIT_SUCCESS;
    }
    server_release(s);
    free(s);
    return status;
}
