/* Preloaded before the C library: the clock on the wall is off by CLOCK_OFF seconds, and with CLOCK_JUMPS it is set
   forward and back by that much at every so many looks at it. The clock that only counts on is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long looks;

static long off(void) {
    const char *by = getenv("CLOCK_OFF"), *jumps = getenv("CLOCK_JUMPS");
    long seconds = by ? atol(by) : 0, every = jumps ? atol(jumps) : 0;
    long now = __sync_add_and_fetch(&looks, 1);
    return every && now / every % 2 ? -seconds : seconds;
}
int clock_gettime(clockid_t clock, struct timespec *told) {
    int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, told);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) told->tv_sec += off();
    return done;
}
int gettimeofday(struct timeval *told, void *zone) {
    int (*real)(struct timeval *, void *) = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int done = real(told, zone);
    if (!done) told->tv_sec += off();
    return done;
}
time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
