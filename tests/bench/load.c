/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load: sends a workload to a port of 127.0.0.1
 *
 * All datagrams and the headers around them stand ready before the first is sent, so what is sent
 * costs no more for being complicated. They are sent in turn, from the beginning again after the
 * last.
 *
 *      load PORT WORKLOAD [--seconds S] [--rate N] [--join N] [--sources N]
 *           [--lines N] [--series N] [--births]
 *      load --mapping
 *
 *      WORKLOAD     W1 to W5, or labelled: counters with two labels, --series of them, each once
 *      --rate       datagrams a second; without it, as fast as they go
 *      --join       hand the kernel up to N datagrams of the same size in one piece (UDP_SEGMENT);
 *                   a receiver gets them one by one, but the sender can send more of them
 *      --sources    send from N addresses in turn
 *      --lines      so many different ones; 200 000 without it
 *      --births     one line of each series, each datagram once
 *      --mapping    print the mapping file that goes with the workloads
 *
 * Prints one line of JSON: what was sent, to the datagram. It sends for 60 s at most.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "bench/workloads.h"

#define N_LINES     200000
#define BATCH       64u
#define MAX_SOURCES 64u
#define MAX_JOINED  64u
#define MAX_SECONDS 60
#define NS          1000000000u

/* What one call of the kernel may take as a piece. */
#define PIECE_MAX   65000u

struct options {
    unsigned port;
    struct workload workload;
    bool labelled;
    bool births;
    double rate; /* 0: no limit */
    double seconds;
    unsigned n_joined, n_sources, n_lines;
};

union control {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
};

/* A message is one datagram, or several of the same size that the kernel takes apart. */
struct messages {
    unsigned n;
    struct mmsghdr *headers;
    struct iovec *pieces;
    union control *controls;
    unsigned *n_datagrams;
    unsigned *n_lines;
};

struct sender {
    const struct options *options;
    const struct messages *messages;
    int fds[MAX_SOURCES];
    unsigned turn, at;
    uint64_t n_messages, n_datagrams, n_lines;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* ---- messages ---- */

static void *new_array(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        die("memory");
    return p;
}

static unsigned count_lines(const struct bacowr_datagram *d)
{
    unsigned n = 1;

    for (const char *p = d->p; (p = memchr(p, '\n', d->len - (size_t)(p - d->p))) != NULL; p++)
        n++;
    return n;
}

static void set_segment(struct msghdr *header, union control *control, size_t size)
{
    struct cmsghdr *c;
    uint16_t segment = (uint16_t)size;

    header->msg_control = control->bytes;
    header->msg_controllen = sizeof control->bytes;
    c = CMSG_FIRSTHDR(header);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
}

/* Datagrams lie one behind the other in the traffic's text. */
static unsigned add_message(struct messages *m, const struct bacowr_datagram *d, unsigned n,
                            unsigned n_joined)
{
    struct msghdr *header = &m->headers[m->n].msg_hdr;
    unsigned n_taken = 0;

    while (n_taken < n && n_taken < n_joined && d[n_taken].len == d->len &&
           (n_taken + 1) * d->len <= PIECE_MAX)
        m->n_lines[m->n] += count_lines(&d[n_taken++]);
    m->n_datagrams[m->n] = n_taken;
    m->pieces[m->n] = (struct iovec){(void *)(uintptr_t)d->p, n_taken * d->len};
    header->msg_iov = &m->pieces[m->n];
    header->msg_iovlen = 1;
    if (n_taken > 1)
        set_segment(header, &m->controls[m->n], d->len);
    m->n++;
    return n_taken;
}

static void make_messages(struct messages *m, const struct traffic *t, unsigned n_joined)
{
    m->headers = new_array(t->n_datagrams, sizeof m->headers[0]);
    m->pieces = new_array(t->n_datagrams, sizeof m->pieces[0]);
    m->controls = new_array(t->n_datagrams, sizeof m->controls[0]);
    m->n_datagrams = new_array(t->n_datagrams, sizeof m->n_datagrams[0]);
    m->n_lines = new_array(t->n_datagrams, sizeof m->n_lines[0]);
    for (unsigned i = 0; i < t->n_datagrams;)
        i += add_message(m, &t->datagrams[i], t->n_datagrams - i, n_joined);
}

static void release_messages(struct messages *m)
{
    free(m->headers);
    free(m->pieces);
    free(m->controls);
    free(m->n_datagrams);
    free(m->n_lines);
}

static void labelled_line(struct buf *out, uint64_t i, const void *ctx)
{
    (void)ctx;
    buf_addf(out, "labelled_total:1|c|#host:web-%04u,route:/r/%05u", (unsigned)(i % 1000),
             (unsigned)(i / 1000));
}

static void make_traffic(struct traffic *t, const struct options *o)
{
    if (o->labelled)
        traffic_init(t, o->workload.n_series, DATAGRAM_SIZE, labelled_line, NULL);
    else if (o->births)
        traffic_init_births(t, &o->workload);
    else
        traffic_init_workload(t, &o->workload, o->n_lines);
}

/* ---- sending ---- */

/* Sources are 127.0.0.1, 127.0.0.2 and so on. */
static int open_source(unsigned i, unsigned port)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + i)}};
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("socket");
    return fd;
}

/* Messages that may go now, at least one: those whose datagrams are due, and no more than a call
 * takes. Waits until there are some. */
static unsigned wait_for_due(const struct sender *s, uint64_t begin)
{
    double rate = s->options->rate;
    uint64_t at, now = now_ns(), n_due;
    struct timespec t;

    if (rate == 0)
        return BATCH;
    at = begin + (uint64_t)((double)s->n_datagrams / rate * NS);
    if (now < at) {
        t = (struct timespec){(time_t)(at / NS), (long)(at % NS)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        now = now_ns();
    }
    n_due = now > at ? (uint64_t)((double)(now - at) / NS * rate) : 0;
    n_due = n_due / s->messages->n_datagrams[s->at] + 1;
    return n_due < BATCH ? (unsigned)n_due : BATCH;
}

/* Up to @n messages, not beyond the last. */
static void send_some(struct sender *s, unsigned n)
{
    const struct messages *m = s->messages;
    int n_sent;

    if (n > m->n - s->at)
        n = m->n - s->at;
    n_sent = sendmmsg(s->fds[s->turn++ % s->options->n_sources], &m->headers[s->at], n, 0);
    if (n_sent < 0 && errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
        die("send");
    for (int i = 0; i < n_sent; i++, s->at++) {
        s->n_datagrams += m->n_datagrams[s->at];
        s->n_lines += m->n_lines[s->at];
        s->n_messages++;
    }
    if (s->at == m->n)
        s->at = 0;
}

/* The seconds that it took. */
static double send_all(struct sender *s)
{
    const struct options *o = s->options;
    uint64_t begin = now_ns(), end = begin + (uint64_t)(o->seconds * NS), now = begin;
    uint64_t n_most = o->births ? s->messages->n : UINT64_MAX;

    while (now < end && s->n_messages < n_most) {
        send_some(s, wait_for_due(s, begin));
        now = now_ns();
    }
    return (double)(now - begin) / NS;
}

static void run(const struct options *o)
{
    struct traffic traffic;
    struct messages messages = {0};
    struct sender s = {.options = o, .messages = &messages};
    double seconds;

    make_traffic(&traffic, o);
    make_messages(&messages, &traffic, o->n_joined);
    for (unsigned i = 0; i < o->n_sources; i++)
        s.fds[i] = open_source(i, o->port);
    /* A rate of ten thousands is one datagram each few timer's slacks. */
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    seconds = send_all(&s);
    printf("{\"datagrams\": %" PRIu64 ", \"lines\": %" PRIu64 ", \"seconds\": %.6f}\n",
           s.n_datagrams, s.n_lines, seconds);
    release_messages(&messages);
    traffic_release(&traffic);
}

/* ---- options ---- */

static void usage(void)
{
    fputs("usage: load PORT W1..W5|labelled [--seconds S] [--rate N] [--join N] [--sources N] "
          "[--lines N] [--series N] [--births]\n"
          "       load --mapping\n",
          stderr);
    exit(2);
}

static void print_mapping(void)
{
    struct buf mapping = {0};

    workload_mapping(&mapping);
    fwrite(mapping.p, 1, mapping.len, stdout);
    buf_release(&mapping);
}

static void set_workload(struct options *o, const char *name)
{
    o->labelled = o->births = strcmp(name, "labelled") == 0;
    for (unsigned i = 0; i < N_WORKLOADS; i++)
        if (strcmp(name, workloads[i].name) == 0)
            o->workload = workloads[i];
    if (o->workload.name == NULL && !o->labelled)
        usage();
}

static bool set_option(struct options *o, const char *name, double value)
{
    if (strcmp(name, "--seconds") == 0)
        o->seconds = value;
    else if (strcmp(name, "--rate") == 0)
        o->rate = value;
    else if (strcmp(name, "--join") == 0)
        o->n_joined = (unsigned)value;
    else if (strcmp(name, "--sources") == 0)
        o->n_sources = (unsigned)value;
    else if (strcmp(name, "--lines") == 0)
        o->n_lines = (unsigned)value;
    else if (strcmp(name, "--series") == 0 && o->labelled)
        o->workload.n_series = (unsigned)value;
    else
        return false;
    return true;
}

static bool options_fit(const struct options *o)
{
    return o->port >= 1 && o->port <= UINT16_MAX && o->seconds > 0 && o->seconds <= MAX_SECONDS &&
           o->n_joined >= 1 && o->n_joined <= MAX_JOINED && o->n_sources >= 1 &&
           o->n_sources <= MAX_SOURCES && o->n_lines >= 1 && o->workload.n_series >= 1;
}

int main(int argc, char **argv)
{
    struct options o = {.seconds = MAX_SECONDS, .n_joined = 1, .n_sources = 1, .n_lines = N_LINES};

    if (argc == 2 && strcmp(argv[1], "--mapping") == 0) {
        print_mapping();
        return 0;
    }
    if (argc < 3)
        usage();
    o.port = (unsigned)strtoul(argv[1], NULL, 10);
    set_workload(&o, argv[2]);
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--births") == 0)
            o.births = true;
        else if (i + 1 == argc || !set_option(&o, argv[i], strtod(argv[i + 1], NULL)))
            usage();
        else
            i++;
    }
    if (!options_fit(&o))
        usage();
    run(&o);
    return 0;
}
