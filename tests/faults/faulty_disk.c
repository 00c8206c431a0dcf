/* Preloaded before the C library: the n-th write, sync, truncation, rename or new file below a folder fails as on a
   full disk, or the process is killed there. `faulty_arm(folder, n, mode)` switches it on, and `faulty_count()` tells
   how many such calls were made since.

   modes: 0 counts alone; 1 the n-th and all after it fail; 2 the n-th alone fails; 3 killed before the n-th;
   4 killed before the n-th rename; 5 killed after the n-th rename */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static int mode = -1;
static long at, count, renames;

void faulty_arm(const char *where, long n, int how) {
    strncpy(folder, where, sizeof folder - 1);
    at = n;
    count = renames = 0;
    mode = how;
}
long faulty_count(void) { return mode >= 4 ? renames : count; }

static int below(const char *path) {
    return path && (path[0] != '/' || strncmp(path, folder, strlen(folder)) == 0);
}
static int ours(int fd) {
    char link[64], path[PATH_MAX];
    struct stat about;
    if (mode < 0 || fstat(fd, &about) || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}
static int fails(void) {
    long now = __sync_add_and_fetch(&count, 1);
    if (mode == 3 && now == at) kill(getpid(), SIGKILL);
    if ((mode == 1 && now >= at) || (mode == 2 && now == at)) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    return ours(fd) && fails() ? -1 : real(fd, data, size);
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL(writev);
    return ours(fd) && fails() ? -1 : real(fd, parts, number);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t where) {
    REAL(pwrite);
    return ours(fd) && fails() ? -1 : real(fd, data, size, where);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t where) {
    REAL(pwrite64);
    return ours(fd) && fails() ? -1 : real(fd, data, size, where);
}
int fsync(int fd) {
    REAL(fsync);
    return ours(fd) && fails() ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    return ours(fd) && fails() ? -1 : real(fd);
}
int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    return ours(fd) && fails() ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    return ours(fd) && fails() ? -1 : real(fd, size);
}
int mkdir(const char *path, mode_t rights) {
    REAL(mkdir);
    return mode >= 0 && below(path) && access(path, F_OK) && fails() ? -1 : real(path, rights);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    if (mode < 0 || !below(to)) return real(from, to);
    long now = __sync_add_and_fetch(&renames, 1);
    if (mode == 4 && now == at) kill(getpid(), SIGKILL);
    if (fails()) return -1;
    int done = real(from, to);
    if (mode == 5 && now == at) kill(getpid(), SIGKILL);
    return done;
}
#define OPEN(name)                                                                        \
    int name(const char *path, int flags, ...) {                                          \
        REAL(name);                                                                       \
        mode_t rights = 0;                                                                \
        if (flags & O_CREAT) {                                                            \
            va_list rest;                                                                 \
            va_start(rest, flags);                                                        \
            rights = va_arg(rest, mode_t);                                                \
            va_end(rest);                                                                 \
            if (mode >= 0 && below(path) && access(path, F_OK) && fails()) return -1;     \
        }                                                                                 \
        return real(path, flags, rights);                                                 \
    }
OPEN(open)
OPEN(open64)
