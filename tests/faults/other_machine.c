/* Preloaded before the C library: the memory that SQLite's users share is a file of each machine's own, as it is where
   two machines use one network disk. MACHINE names the machine. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const char *own(const char *path, char *renamed) {
    const char *machine = getenv("MACHINE");
    size_t length = path ? strlen(path) : 0;
    if (!machine || length < 4 || strcmp(path + length - 4, "-shm")) return path;
    snprintf(renamed, PATH_MAX, "%s.%s", path, machine);
    return renamed;
}
#define OPEN(name)                                                                        \
    int name(const char *path, int flags, ...) {                                          \
        __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);             \
        char renamed[PATH_MAX];                                                           \
        mode_t rights = 0;                                                                \
        if (flags & O_CREAT) {                                                            \
            va_list rest;                                                                 \
            va_start(rest, flags);                                                        \
            rights = va_arg(rest, mode_t);                                                \
            va_end(rest);                                                                 \
        }                                                                                 \
        return real(own(path, renamed), flags, rights);                                   \
    }
OPEN(open)
OPEN(open64)
