/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sink: the least that receiving costs
 *
 * Waits in recvmmsg for up to 64 datagrams, counts them and their lines, and does nothing else.
 * What a server takes is stated as a multiple of it, under the same load and in the same minute.
 *
 *      sink PORT
 *
 * It receives on 127.0.0.1 until SIGTERM, or until its parent or its time has ended, and prints one
 * line of JSON then. Its receive buffer is as large as the server asks for.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define N_MESSAGES   64
#define MESSAGE_SIZE 2048
#define BUFFER_SIZE  (4 << 20)
#define MAX_SECONDS  900

struct sink {
    int fd;
    uint64_t n_datagrams, n_lines;
    struct mmsghdr headers[N_MESSAGES];
    struct iovec pieces[N_MESSAGES];
    char bytes[N_MESSAGES][MESSAGE_SIZE];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "sink: ");
    perror(what);
    exit(2);
}

/* A signal ends the wait; one that comes just before it has to be seen too, so no wait is long. */
static void stop_when_told(int fd)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct timeval longest = {.tv_sec = 1};

    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGALRM, &action, NULL) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        die("signals");
    alarm(MAX_SECONDS);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest) != 0)
        die("SO_RCVTIMEO");
}

static int open_socket(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int size = BUFFER_SIZE;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0)
        die("socket");
    stop_when_told(fd);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("bind");
    return fd;
}

static void prepare(struct sink *s)
{
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        s->pieces[i] = (struct iovec){s->bytes[i], MESSAGE_SIZE};
        s->headers[i].msg_hdr = (struct msghdr){.msg_iov = &s->pieces[i], .msg_iovlen = 1};
    }
}

/* As the server counts them: an LF ends a line, and so does the datagram. */
static uint64_t count_lines(const char *p, size_t len)
{
    const char *end = p + len;
    uint64_t n = 1;

    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL && ++p < end)
        n++;
    return n;
}

static void receive(struct sink *s)
{
    while (!stopped) {
        int n = recvmmsg(s->fd, s->headers, N_MESSAGES, MSG_WAITFORONE, NULL);

        for (int i = 0; i < n; i++)
            s->n_lines += count_lines(s->bytes[i], s->headers[i].msg_len);
        if (n > 0)
            s->n_datagrams += (unsigned)n;
    }
}

int main(int argc, char **argv)
{
    static struct sink s;
    unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

    if (port < 1 || port > UINT16_MAX) {
        fputs("usage: sink PORT\n", stderr);
        return 2;
    }
    s.fd = open_socket((unsigned)port);
    prepare(&s);
    receive(&s);
    printf("{\"datagrams\": %" PRIu64 ", \"lines\": %" PRIu64 "}\n", s.n_datagrams, s.n_lines);
    close(s.fd);
    return 0;
}
