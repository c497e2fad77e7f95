/* Preloaded into a process, refuses memory for blocks of at least $NO_MEMORY_FROM bytes while the
   file $NO_MEMORY exists. Smaller ones are had: without them CPython and PyTorch fail in the middle
   of what they do once, and crash. (RLIMIT_AS would take those, too: malloc's heaps cannot grow.) */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int is_refused(size_t bytes) {
    if (bytes < (size_t)1 << 16) return 0;
    const char *from = getenv("NO_MEMORY_FROM"), *path = getenv("NO_MEMORY");
    if (!from || !path || bytes < (size_t)atol(from) || access(path, F_OK)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes) { return is_refused(bytes) ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) {
    if (bytes && count > (size_t)-1 / bytes) return errno = ENOMEM, NULL;
    return is_refused(count * bytes) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes) {
    return is_refused(bytes) ? NULL : __libc_realloc(block, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    return is_refused(bytes) ? NULL : __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **block, size_t alignment, size_t bytes) {
    void *found = memalign(alignment, bytes);
    if (found) *block = found;
    return found ? 0 : ENOMEM;
}
