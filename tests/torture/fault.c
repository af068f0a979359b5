/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault: what a kernel and a heap can do to a process, put before it by LD_PRELOAD
 *
 * The test that starts the server maps the same file as this library and says there what is to go
 * wrong from now on: calls that fail with an errno, every so many; a real-time clock that is off;
 * allocations that fail: every so many, or each site (a stack of return addresses) once, the first
 * time that it is met while this is armed. So one life of a server sees each of its allocations
 * fail, one at a time, and what follows of it.
 *
 * Laws: without a word in the file nothing is changed. What is counted here is exact.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#define N_SITES  (1u << 16)
#define N_FRAMES 10

enum call {
    CALL_RECVMMSG,
    CALL_RECVMSG,
    CALL_READ,
    CALL_ACCEPT,
    CALL_SENDMSG,
    CALL_SEND,
    CALL_WRITE,
    CALL_WRITEV,
    CALL_OPEN,
    CALL_FSYNC,
    CALL_RENAME,
    N_CALLS
};

enum heap { HEAP_WELL, HEAP_EACH_SITE, HEAP_EVERY };

/* tests/torture/fault.py has the same. */
struct control {
    uint32_t heap; /* what is to happen: written by the test */
    uint32_t every;
    int64_t clock_offset_ns;
    struct {
        uint32_t error, every;
        uint64_t n_calls, n_failed; /* written here, as are all below */
    } calls[N_CALLS];
    uint64_t n_allocs, n_failed, n_sites;
    uint64_t frames[N_FRAMES]; /* of the site that failed last */
};

static struct control quiet;
static struct control *control = &quiet;
static uint64_t sites[N_SITES];
static __thread int is_busy; /* with a stack, which may allocate */

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void (*real_free)(void *);

/* dlsym() allocates before anything is found: from here, and it is never given back. */
static _Alignas(16) char early[65536];
static size_t early_used;

static void *early_alloc(size_t size)
{
    void *p = early + early_used;

    early_used += (size + 15) & ~(size_t)15;
    if (early_used > sizeof early)
        _exit(97);
    return p;
}

static int is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + sizeof early;
}

static void *must_find(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);

    if (p == NULL)
        _exit(98);
    return p;
}

static void find_heap(void)
{
    static int is_finding;

    if (is_finding || real_free != NULL)
        return;
    is_finding = 1;
    *(void **)&real_calloc = must_find("calloc");
    *(void **)&real_realloc = must_find("realloc");
    *(void **)&real_aligned_alloc = must_find("aligned_alloc");
    *(void **)&real_posix_memalign = must_find("posix_memalign");
    *(void **)&real_malloc = must_find("malloc");
    *(void **)&real_free = must_find("free");
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_CONTROL");
    int fd;

    find_heap();
    fd = path != NULL ? (int)open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *p = mmap(NULL, sizeof quiet, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        close(fd);
        if (p != MAP_FAILED)
            control = p;
    }
}

/* ---- allocations ---- */

/* The return addresses above; glibc's backtrace() would load a library first. */
struct stack {
    uint64_t frames[N_FRAMES];
    int n;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *arg)
{
    struct stack *s = arg;

    s->frames[s->n++] = _Unwind_GetIP(context);
    return s->n < N_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static uint64_t hash_of(const struct stack *s)
{
    uint64_t hash = 14695981039346656037u;

    for (int i = 0; i < s->n; i++)
        hash = (hash ^ s->frames[i]) * 1099511628211u;
    return hash | 1;
}

/* Relaxed: a word alone; who loses the race for a slot looks at what came instead. */
static int is_new_site(uint64_t hash)
{
    for (uint32_t i = 0; i < N_SITES; i++) {
        uint64_t *slot = &sites[(hash + i) % N_SITES];
        uint64_t have = 0;

        if (__atomic_compare_exchange_n(slot, &have, hash, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return 1;
        if (have == hash)
            return 0;
    }
    return 0;
}

static int fails_at_site(void)
{
    struct stack s = {.n = 0};
    int fails;

    is_busy = 1;
    _Unwind_Backtrace(add_frame, &s);
    fails = is_new_site(hash_of(&s));
    if (fails) {
        __atomic_add_fetch(&control->n_sites, 1, __ATOMIC_RELAXED);
        memcpy(control->frames, s.frames, sizeof s.frames);
    }
    is_busy = 0;
    return fails;
}

static int no_memory(void)
{
    uint32_t heap = __atomic_load_n(&control->heap, __ATOMIC_RELAXED);
    uint64_t n;
    int fails;

    find_heap();
    if (heap == HEAP_WELL || is_busy)
        return 0;
    n = __atomic_add_fetch(&control->n_allocs, 1, __ATOMIC_RELAXED);
    fails = heap == HEAP_EACH_SITE ? fails_at_site() : n % control->every == 0;
    if (fails) {
        __atomic_add_fetch(&control->n_failed, 1, __ATOMIC_RELAXED);
        errno = ENOMEM;
    }
    return fails;
}

/* The sanitizer asks for the stack of each thread that begins, and ends the process where that
 * finds no memory: no allocation of the server's. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    static int (*real)(pthread_t, pthread_attr_t *);
    int r;

    is_busy = 1;
    if (real == NULL)
        real = (int (*)(pthread_t, pthread_attr_t *))dlsym(RTLD_NEXT, "pthread_getattr_np");
    r = real(thread, attr);
    is_busy = 0;
    return r;
}

void *malloc(size_t size)
{
    if (no_memory())
        return NULL;
    return real_malloc != NULL ? real_malloc(size) : early_alloc(size);
}

void *calloc(size_t n, size_t size)
{
    if (no_memory())
        return NULL;
    return real_calloc != NULL ? real_calloc(n, size) : early_alloc(n * size);
}

void *realloc(void *p, size_t size)
{
    void *q;

    if (no_memory())
        return NULL;
    if (!is_early(p) && real_realloc != NULL)
        return real_realloc(p, size);
    q = malloc(size);
    if (q != NULL && p != NULL)
        memcpy(q, p,
               size < (size_t)(early + sizeof early - (char *)p)
                   ? size
                   : (size_t)(early + sizeof early - (char *)p));
    return q;
}

void *aligned_alloc(size_t align, size_t size)
{
    return no_memory() ? NULL : real_aligned_alloc(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    return no_memory() ? ENOMEM : real_posix_memalign(out, align, size);
}

void free(void *p)
{
    if (p != NULL && !is_early(p) && real_free != NULL)
        real_free(p);
}

/* ---- calls ---- */

static int is_to_fail(enum call call)
{
    uint32_t error = __atomic_load_n(&control->calls[call].error, __ATOMIC_RELAXED);
    uint64_t n = __atomic_add_fetch(&control->calls[call].n_calls, 1, __ATOMIC_RELAXED);

    if (error == 0 || n % control->calls[call].every != 0)
        return 0;
    __atomic_add_fetch(&control->calls[call].n_failed, 1, __ATOMIC_RELAXED);
    errno = (int)error;
    return 1;
}

/* Reads of eventfds and pipes do not fail so, and libuv relies on that. */
static int is_file_or_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

#define FAULTY_IF(when, call, type, name, params, args) \
    type name params                                    \
    {                                                   \
        static type(*real) params;                      \
                                                        \
        if ((when) && is_to_fail(call))                 \
            return -1;                                  \
        if (real == NULL)                               \
            *(void **)&real = must_find(#name);         \
        return real args;                               \
    }
#define FAULTY(call, type, name, params, args) FAULTY_IF(1, call, type, name, params, args)

FAULTY(CALL_RECVMMSG, int, recvmmsg,
       (int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *t), (fd, v, n, flags, t))
FAULTY(CALL_RECVMSG, ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
FAULTY_IF(is_file_or_socket(fd), CALL_READ, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
FAULTY(CALL_ACCEPT, int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags),
       (fd, a, n, flags))
FAULTY(CALL_SENDMSG, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
FAULTY(CALL_SEND, ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
FAULTY_IF(is_file_or_socket(fd), CALL_WRITE, ssize_t, write, (int fd, const void *p, size_t n),
          (fd, p, n))
FAULTY(CALL_WRITEV, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
FAULTY(CALL_FSYNC, int, fsync, (int fd), (fd))
FAULTY(CALL_RENAME, int, rename, (const char *from, const char *to), (from, to))

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define FAULTY_OPEN(name)                           \
    int name(const char *path, int flags, ...)      \
    {                                               \
        static int (*real)(const char *, int, ...); \
        va_list args;                               \
        mode_t mode;                                \
                                                    \
        va_start(args, flags);                      \
        mode = mode_of(flags, args);                \
        va_end(args);                               \
        if (is_to_fail(CALL_OPEN))                  \
            return -1;                              \
        if (real == NULL)                           \
            *(void **)&real = must_find(#name);     \
        return real(path, flags, mode);             \
    }

FAULTY_OPEN(open)
FAULTY_OPEN(open64)

/* ---- clocks ---- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int64_t ns;
    int r;

    if (real == NULL)
        *(void **)&real = must_find("clock_gettime");
    r = real(clock, t);
    if (r != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return r;
    ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec +
         __atomic_load_n(&control->clock_offset_ns, __ATOMIC_RELAXED);
    t->tv_sec = (time_t)(ns / 1000000000);
    t->tv_nsec = (long)(ns % 1000000000);
    return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec t;
    int r = clock_gettime(CLOCK_REALTIME, &t);

    (void)zone;
    *tv = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return r;
}

time_t time(time_t *out)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}
