/* Preloaded into a process, moves its clock of the day by the seconds in the file $MOVED_CLOCK,
   which is read at each look at the clock. Monotonic clocks go on as they do, as when a machine's
   clock is set. (libfaketime does not leave CLOCK_MONOTONIC alone in clock_nanosleep.) */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long moved_s(void) {
    char text[32] = {0};
    const char *path = getenv("MOVED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    return n > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += moved_s();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone;
    struct timespec found;
    int failed = clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *copy) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (copy) *copy = found.tv_sec;
    return found.tv_sec;
}
