/* Memory whose n-th large allocation fails: LD_PRELOAD, then fail_large(n). */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* Larger than the buffers of NumPy's iterators, 64 KiB, whose failure crashes it. */
enum { LARGE = 128 * 1024 };
static atomic_long left = -1; /* below 0: none fails */

/* Fail the n-th large allocation from now on; 0: none. Returns what was left. */
long fail_large(long n) { return atomic_exchange(&left, n ? n : -1); }

static int fails(size_t size) {
  if (size < LARGE || atomic_load(&left) <= 0) return 0;
  return atomic_fetch_sub(&left, 1) == 1;
}

void *malloc(size_t size) { return fails(size) ? NULL : __libc_malloc(size); }

void *calloc(size_t n, size_t size) {
  return fails(n * size) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
  return fails(size) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  return fails(size) ? NULL : __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size) {
  return fails(size) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **found, size_t alignment, size_t size) {
  void *memory = fails(size) ? NULL : __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *found = memory;
  return 0;
}
