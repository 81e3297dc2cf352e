#include "base/env.h"

#include "base/err.h"

#include <sched.h>
#include <sodium.h>
#include <time.h>
#include <unistd.h>

static struct nacre_time (*env_clock)(void);

enum nacre_err env_start(void) {
  if (sodium_init() < 0)
    return err_set(NACRE_ERR_UNSUPPORTED, "no source of random numbers on this system");
  return NACRE_OK;
}

void env_random(void *buf, size_t len) {
  randombytes_buf(buf, len);
}

struct nacre_time env_realtime(void) {
  if (env_clock != NULL)
    return env_clock();
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return (struct nacre_time){.s = now.tv_sec, .ns = (uint32_t)now.tv_nsec};
}

uint64_t env_monotonic_ms(void) {
  if (env_clock != NULL) {
    const struct nacre_time fixed = env_clock();
    return (uint64_t)fixed.s * 1000 + fixed.ns / 1000000;
  }
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t env_ram_bytes(void) {
  long pages = sysconf(_SC_PHYS_PAGES);
  long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0)
    return 0;
  return (uint64_t)pages * (uint64_t)page_bytes;
}

/* Those this process may run on, which under taskset or in a container are fewer than the machine's. */
unsigned env_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
    return (unsigned)CPU_COUNT(&set);
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (unsigned)online : 1;
}

void env_set_clock(struct nacre_time (*now)(void)) {
  env_clock = now;
}
