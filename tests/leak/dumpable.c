/* Preloaded into the program: it stays dumpable, so that a test can see what a core would have. */
#include <sys/prctl.h>
#include <sys/resource.h>

__attribute__((visibility("default"))) int prctl(int option, ...);

int prctl(int option, ...) {
  (void)option;
  return 0;
}

/* As sys/resource.h has it, where that names the first argument's type. */
__attribute__((visibility("default"))) int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
  (void)resource;
  (void)limit;
  return 0;
}
