/* A disk that fails, and a record of what was asked of it. Preloaded into a server by the tests of full and broken
 * disks and of power cuts; see shim.py for what it is told and what it tells.
 *
 * Below DISK_ROOT every call that changes a file is passed on, or fails as the control block says. With DISK_TRACE
 * set, each that was carried out is appended to that file, in the order of this process; and what is sent on a socket
 * is, before it is sent: so whatever stands before an answer in the trace had happened when the client got it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OFF, FULL, BROKEN };

struct control {
    int64_t mode;
    int64_t countdown; /* BROKEN: this many calls succeed first; then one fails */
    int64_t hits;      /* how many calls failed */
    int64_t exactly;   /* whether `match` is the whole path */
    char match[1000];  /* only paths that begin so */
};

struct record {
    uint64_t inode, offset;
    uint32_t path, other, data; /* lengths of what follows */
    char kind, pad[3];
};

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define SENT 2048

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct control *control;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_ROOT"), *block = getenv("DISK_CONTROL"), *log = getenv("DISK_TRACE");
    if (!path || !block) return;
    snprintf(root, sizeof root, "%s/", path);
    root_length = strlen(root);
    int fd = open(block, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) control = mapped;
        close(fd);
    }
    if (log) {
        int low = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        trace = fcntl(low, F_DUPFD_CLOEXEC, 900); /* out of the way of what the server counts on */
        close(low);
    }
}

/* Whose path: fills `path` and says whether it is below the root. */
static int path_of(int fd, char *path) {
    char link[64];
    if (!root_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return !strncmp(path, root, root_length) || (strlen(path) + 1 == root_length && !strncmp(path, root, root_length - 1));
}

static int is_ours(const char *path) { return root_length && path && !strncmp(path, root, root_length); }

static int resolve(int folder, const char *name, char *path) {
    if (!root_length || !name) return 0;
    if (name[0] == '/' || folder == AT_FDCWD) {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        path_of(folder, base);
        size_t length = strlen(base);
        if (length + strlen(name) + 2 > PATH_MAX) return 0;
        memcpy(path, base, length);
        path[length] = '/';
        strcpy(path + length + 1, name);
    }
    return is_ours(path);
}

static int fails(const char *path, int grows) {
    if (!control || control->mode == OFF) return 0;
    if (strncmp(path, control->match, strlen(control->match) + !!control->exactly)) return 0;
    if (control->mode == FULL) {
        if (!grows) return 0;
        control->hits++;
        errno = ENOSPC;
        return 1;
    }
    if (control->countdown-- > 0) return 0;
    control->mode = OFF;
    control->hits++;
    errno = EIO;
    return 1;
}

static void note(char kind, uint64_t inode, uint64_t offset, const char *path, const char *other, const void *data, size_t size) {
    if (trace < 0) return;
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = dlsym(RTLD_NEXT, "writev");
    struct record head = {inode, offset, path ? strlen(path) : 0, other ? strlen(other) : 0, size, kind, {0}};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other}, {(void *)data, size}};
    int saved = errno;
    if (real(trace, parts, 4) < 0) abort();
    errno = saved;
}

static uint64_t inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

static void note_sent(int fd, const struct iovec *parts, int count) {
    struct stat status;
    if (trace < 0 || fstat(fd, &status) || !S_ISSOCK(status.st_mode)) return;
    char data[SENT];
    size_t size = 0;
    for (int i = 0; i < count && size < SENT; i++) {
        size_t some = parts[i].iov_len < SENT - size ? parts[i].iov_len : SENT - size;
        memcpy(data + size, parts[i].iov_base, some);
        size += some;
    }
    note('x', 0, 0, NULL, NULL, data, size);
}

/* Writing */

typedef ssize_t (*writer)(int, const void *, size_t, off_t);

static ssize_t plain(int fd, const void *data, size_t size, off_t at) { (void)at; REAL(write); return real(fd, data, size); }
static ssize_t placed(int fd, const void *data, size_t size, off_t at) { REAL(pwrite); return real(fd, data, size, at); }

static ssize_t put(int fd, const void *data, size_t size, off_t at, int is_placed, writer real) {
    char path[PATH_MAX];
    if (fd == trace || !path_of(fd, path)) {
        struct iovec part = {(void *)data, size};
        if (fd != trace) note_sent(fd, &part, 1);
        return real(fd, data, size, at);
    }
    pthread_mutex_lock(&lock);
    struct stat status = {0};
    fstat(fd, &status);
    int flags = fcntl(fd, F_GETFL);
    off_t from = is_placed ? at : (flags & O_APPEND) ? status.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = -1;
    if (!fails(path, from + (off_t)size > status.st_size)) {
        done = real(fd, data, size, at);
        if (done > 0) note('w', status.st_ino, from, NULL, NULL, data, done);
    } else if (errno == ENOSPC && size > 1 && control->hits == 1) {
        done = real(fd, data, size / 2, at); /* the last blocks take a part, as they do */
        if (done > 0) note('w', status.st_ino, from, NULL, NULL, data, done);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return put(fd, data, size, 0, 0, plain); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return put(fd, data, size, at, 1, placed); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return put(fd, data, size, at, 1, placed); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    char path[PATH_MAX];
    if (fd == trace || !path_of(fd, path)) {
        if (fd != trace) note_sent(fd, parts, count);
        return real(fd, parts, count);
    }
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) return total ? total : -1;
        total += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return total;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    note_sent(fd, message->msg_iov, message->msg_iovlen);
    return real(fd, message, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(send);
    struct iovec part = {(void *)data, size};
    note_sent(fd, &part, 1);
    return real(fd, data, size, flags);
}

/* What copies inside of the kernel: callers fall back to reading and writing. */
ssize_t sendfile(int out, int in, off_t *at, size_t size) { (void)out, (void)in, (void)at, (void)size; errno = EINVAL; return -1; }
ssize_t sendfile64(int out, int in, off64_t *at, size_t size) { (void)out, (void)in, (void)at, (void)size; errno = EINVAL; return -1; }

#define TRUNCATE(name, type) \
    int name(int fd, type size) { \
        REAL(name); \
        char path[PATH_MAX]; \
        if (!path_of(fd, path)) return real(fd, size); \
        pthread_mutex_lock(&lock); \
        struct stat status = {0}; \
        fstat(fd, &status); \
        int code = fails(path, size > status.st_size) ? -1 : real(fd, size); \
        if (!code) note('t', status.st_ino, size, NULL, NULL, NULL, 0); \
        pthread_mutex_unlock(&lock); \
        return code; \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        char path[PATH_MAX]; \
        if (!path_of(fd, path)) return real(fd); \
        pthread_mutex_lock(&lock); \
        int code = fails(path, 0) ? -1 : real(fd); \
        if (!code) note('s', inode_of(fd), 0, path, NULL, NULL, 0); \
        pthread_mutex_unlock(&lock); \
        return code; \
    }
SYNC(fsync)
SYNC(fdatasync)

/* Names */

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd >= 0 && (flags & O_CREAT) && !existed) note('c', inode_of(fd), 0, path, NULL, NULL, 0);
    if (fd >= 0 && (flags & O_TRUNC) && existed) note('t', inode_of(fd), 0, NULL, NULL, NULL, 0);
    return fd;
}

#define OPEN(name, folder, ...) { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
        REAL(name); \
        char path[PATH_MAX]; \
        if (!(flags & (O_CREAT | O_TRUNC)) || !resolve(folder, file, path)) return real(__VA_ARGS__, flags, mode); \
        pthread_mutex_lock(&lock); \
        int existed = !access(path, F_OK); \
        int fd = opened(real(__VA_ARGS__, flags, mode), path, flags, existed); \
        pthread_mutex_unlock(&lock); \
        return fd; \
    }
int open(const char *file, int flags, ...) OPEN(open, AT_FDCWD, file)
int open64(const char *file, int flags, ...) OPEN(open64, AT_FDCWD, file)
int openat(int folder, const char *file, int flags, ...) OPEN(openat, folder, folder, file)
int openat64(int folder, const char *file, int flags, ...) OPEN(openat64, folder, folder, file)

static uint64_t inode_at(const char *path) {
    struct stat status;
    return lstat(path, &status) ? 0 : status.st_ino;
}

#define PAIR(kind, call) \
        char old[PATH_MAX], new[PATH_MAX]; \
        int ours = resolve(from, source, old) | resolve(to, target, new); \
        if (!ours) return call; \
        pthread_mutex_lock(&lock); \
        int code = call; \
        if (!code) note(kind, inode_at(new), 0, old, new, NULL, 0); \
        pthread_mutex_unlock(&lock); \
        return code;
int rename(const char *source, const char *target) { REAL(rename); int from = AT_FDCWD, to = AT_FDCWD; PAIR('r', real(source, target)) }
int renameat(int from, const char *source, int to, const char *target) { REAL(renameat); PAIR('r', real(from, source, to, target)) }
int link(const char *source, const char *target) { REAL(link); int from = AT_FDCWD, to = AT_FDCWD; PAIR('l', real(source, target)) }
int linkat(int from, const char *source, int to, const char *target, int flags) { REAL(linkat); PAIR('l', real(from, source, to, target, flags)) }

#define SINGLE(kind, call, grows) \
        char path[PATH_MAX]; \
        if (!resolve(folder, file, path)) return call; \
        pthread_mutex_lock(&lock); \
        int code = fails(path, grows) ? -1 : call; \
        if (!code) note(kind, inode_at(path), 0, path, NULL, NULL, 0); \
        pthread_mutex_unlock(&lock); \
        return code;
int unlink(const char *file) { REAL(unlink); int folder = AT_FDCWD; SINGLE('u', real(file), 0) }
int unlinkat(int folder, const char *file, int flags) { REAL(unlinkat); SINGLE('u', real(folder, file, flags), 0) }
int rmdir(const char *file) { REAL(rmdir); int folder = AT_FDCWD; SINGLE('u', real(file), 0) }
int mkdir(const char *file, mode_t mode) { REAL(mkdir); int folder = AT_FDCWD; SINGLE('m', real(file, mode), 1) }
int mkdirat(int folder, const char *file, mode_t mode) { REAL(mkdirat); SINGLE('m', real(folder, file, mode), 1) }
