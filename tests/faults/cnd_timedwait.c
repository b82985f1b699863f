/* libfaketime shows a process another time and forgets glibc's cnd_timedwait, with which librdkafka waits until a time of day:
 * a wait of 10 ms would end at once, or a day later. This gives it the real time for the one that it was told. */
struct timespec { long sec; long nsec; };
int clock_gettime(int, struct timespec *);
long syscall(long, ...);
void *dlsym(void *, const char *);

enum { REALTIME = 0, SYS_CLOCK_GETTIME = 228, SECOND = 1000000000 };

int cnd_timedwait(void *condition, void *mutex, const struct timespec *until) {
    static int (*real)(void *, void *, const struct timespec *);
    struct timespec told, now, then;
    if (!real) real = (int (*)(void *, void *, const struct timespec *))dlsym((void *)-1L, "cnd_timedwait");
    clock_gettime(REALTIME, &told);
    syscall(SYS_CLOCK_GETTIME, REALTIME, &now);
    then.sec = until->sec - told.sec + now.sec;
    then.nsec = until->nsec - told.nsec + now.nsec;
    for (; then.nsec < 0; then.sec--) then.nsec += SECOND;
    for (; then.nsec >= SECOND; then.sec++) then.nsec -= SECOND;
    return real(condition, mutex, &then);
}
