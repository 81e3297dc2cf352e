/* What the library takes from the machine: randomness, clocks, memory size, cores. */
#ifndef NACRE_BASE_ENV_H
#define NACRE_BASE_ENV_H

#include <nacre.h>
#include <stddef.h>
#include <stdint.h>

/* Start libsodium; call before any other crypto. Safe from any thread, any number of times. */
NACRE_MUST_USE enum nacre_err env_start(void);
/* From the kernel's generator; never fails once env_start succeeded. */
void env_random(void *buf, size_t len);
struct nacre_time env_realtime(void);
uint64_t env_monotonic_ms(void);
uint64_t env_ram_bytes(void);
/* What this process may have of it: less where a cgroup or RLIMIT_AS says so. 0: unknown. */
uint64_t env_memory_bytes(void);
unsigned env_cores(void);
/* Tests only: a clock for both times (NULL: the real ones). */
void env_set_clock(struct nacre_time (*clock)(void));

#endif
