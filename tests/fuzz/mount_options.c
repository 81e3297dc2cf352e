/* What follows -o, from a command line or from fstab. */
#include "fuse/options.h"

#include "fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  struct mount_options *o = calloc(1, sizeof *o);
  struct fuse_args args;
  char why[64], *text = calloc(1, size + 1);
  FUZZ_CHECK(o != NULL && text != NULL);
  why[0] = '\0';
  bool read_only = (feed_u8(&f) & 1) != 0;
  feed_copy(&f, text, f.left);
  if (mount_parse_option(o, text, why, sizeof why) != 0) {
    FUZZ_CHECK(why[0] != '\0' && memchr(why, '\0', sizeof why) != NULL);
  } else {
    FUZZ_CHECK(o->max_threads <= 64 && memchr(o->fsname, '\0', sizeof o->fsname) != NULL);
    FUZZ_CHECK(options_to_args(o, read_only, &args) == 0);
    FUZZ_CHECK(args.argc == 3);
    fuse_opt_free_args(&args);
  }
  free(text);
  free(o);
  return 0;
}
