#include "fault/allocations.h"

#include "fault/places.h"
#include "support/report.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_ulong seen, failed, failing_nth;
static atomic_bool failing_for_ever, locking_refused;
static atomic_ulong refusals;
static bool noting;

#if REPORT_SLOWNESS == 1

static uintptr_t library_start, library_end;

/* glibc's allocator by the names that stay when malloc is replaced. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static int find_library(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size;
  (void)arg;
  if (strstr(info->dlpi_name, "libnacre.so") == NULL)
    return 0;
  for (unsigned i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
      continue;
    library_start = info->dlpi_addr + part->p_vaddr;
    library_end = library_start + part->p_memsz;
  }
  return 1;
}

static bool fails(const void *caller) {
  uintptr_t at = (uintptr_t)caller;
  if (at < library_start || at >= library_end)
    return false;
  unsigned long n = atomic_fetch_add(&seen, 1) + 1, nth = atomic_load(&failing_nth);
  if (noting)
    places_note(n);
  if (nth == 0 || n < nth || (n > nth && !atomic_load(&failing_for_ever)))
    return false;
  atomic_fetch_add(&failed, 1);
  errno = ENOMEM;
  return true;
}

/* Seen by the library in place of glibc's. */
#define SEEN __attribute__((visibility("default")))

SEEN void *malloc(size_t size) {
  return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

SEEN void *calloc(size_t count, size_t size) {
  return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

SEEN void *realloc(void *old, size_t size) {
  return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

/* Where the nodes of the tree come from. */
SEEN void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  static void *(*real)(void *at, size_t len, int protection, int flags, int fd, off_t offset);
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "mmap");
  return fails(__builtin_return_address(0)) ? MAP_FAILED : real(at, len, protection, flags, fd, offset);
}

/* Secret memory comes from libsodium, which maps it. */
SEEN void *sodium_malloc(size_t size);
SEEN void *sodium_malloc(size_t size) {
  static void *(*real)(size_t size);
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "sodium_malloc");
  return fails(__builtin_return_address(0)) ? NULL : real(size);
}

/* What libsodium locks it with. */
SEEN int mlock(const void *at, size_t len) {
  static int (*real)(const void *at, size_t len);
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "mlock");
  if (!atomic_load(&locking_refused))
    return real(at, len);
  atomic_fetch_add(&refusals, 1);
  errno = ENOMEM;
  return -1;
}

bool allocations_supported(void) {
  if (library_end == 0)
    (void)dl_iterate_phdr(find_library, NULL);
  return library_end != 0;
}

#else

bool allocations_supported(void) {
  return false;
}

#endif

void allocations_refuse_locking(bool refuse) {
  atomic_store(&refusals, 0);
  atomic_store(&locking_refused, refuse);
}

unsigned long allocations_refusals(void) {
  return atomic_load(&refusals);
}

void allocations_arm(unsigned long nth, bool lasting) {
  atomic_store(&failing_nth, 0);
  atomic_store(&seen, 0);
  atomic_store(&failed, 0);
  atomic_store(&failing_for_ever, lasting);
  atomic_store(&failing_nth, nth);
}

void allocations_note_places(bool on) {
  noting = on;
}

unsigned long allocations_count(void) {
  return atomic_load(&seen);
}

unsigned long allocations_hits(void) {
  return atomic_load(&failed);
}
