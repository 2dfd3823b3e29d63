/* Makes system calls fail at a chosen moment; loaded by LD_PRELOAD, armed from Python through ctypes.
 *
 *   fault_arm(call, kind, at, times)
 *     call   1 write · 2 fdatasync and fsync · 4 pwrite (added up for several)
 *     kind   an errno (EIO, ENOSPC …), or -1: a short write of half the bytes, or -2: a stall of 50 ms and success
 *     at     the first call that fails, counted from 1 on
 *     times  how many fail, -1 for all that follow
 *   fault_seen()   how many matching calls there were since
 *   fault_done()   how many of them failed
 *
 * Only files whose path holds "/spool/" count, so the test's own output is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int armed_call, armed_kind;
static long armed_at, armed_times, seen, failed;

void fault_arm(int call, int kind, long at, long times) {
    armed_call = 0;
    armed_kind = kind; armed_at = at; armed_times = times; seen = failed = 0;
    armed_call = call;
}
long fault_seen(void) { return seen; }
long fault_done(void) { return failed; }

static int in_spool(int fd) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return strstr(path, "/spool/") != NULL;
}

static int strikes(int call, int fd) {
    if (!(armed_call & call)) return 0;
    int before = errno, ours = in_spool(fd);
    errno = before;
    if (!ours) return 0;
    long number = __sync_add_and_fetch(&seen, 1);
    if (number < armed_at || (armed_times >= 0 && number >= armed_at + armed_times)) return 0;
    __sync_add_and_fetch(&failed, 1);
    return 1;
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (strikes(1, fd)) {
        if (armed_kind == -1) return real(fd, data, size / 2);
        if (armed_kind == -2) usleep(50000); else { errno = armed_kind; return -1; }
    }
    return real(fd, data, size);
}

static ssize_t positioned(const char *name, int fd, const void *data, size_t size, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, name);
    if (strikes(4, fd)) {
        if (armed_kind == -1) return real(fd, data, size / 2, at);
        if (armed_kind == -2) usleep(50000); else { errno = armed_kind; return -1; }
    }
    return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return positioned("pwrite", fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return positioned("pwrite64", fd, data, size, at); }

static int synced(const char *name, int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    if (strikes(2, fd)) {
        if (armed_kind == -2) usleep(50000); else { errno = armed_kind > 0 ? armed_kind : EIO; return -1; }
    }
    return real(fd);
}
int fdatasync(int fd) { return synced("fdatasync", fd); }
int fsync(int fd) { return synced("fsync", fd); }
