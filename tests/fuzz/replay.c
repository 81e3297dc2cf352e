/* Runs a fuzz target over a folder of inputs, so that what a fuzzer found once stays found in every build. */
#include "fuzz/feed.h"

#include <dirent.h>
#include <sys/stat.h>

static uint8_t *read_whole(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  struct stat st;
  if (file == NULL || fstat(fileno(file), &st) != 0) {
    perror(path);
    exit(1);
  }
  *len = (size_t)st.st_size;
  uint8_t *bytes = malloc(*len + 1);
  if (bytes == NULL || fread(bytes, 1, *len, file) != *len) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

/* Of its exact size, as a fuzzer gives it. */
static void run(const char *path) {
  size_t len;
  uint8_t *bytes = read_whole(path, &len);
  uint8_t *exact = feed_exact(bytes, len);
  free(bytes);
  (void)LLVMFuzzerTestOneInput(exact, len);
  free(exact);
}

static int is_input(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

int main(int argc, char **argv) {
  (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  puts("ok - nothing");
  for (int i = 1; i < argc; i++) {
    struct dirent **entries = NULL;
    int count = scandir(argv[i], &entries, is_input, alphasort);
    if (count < 0) {
      perror(argv[i]);
      return 1;
    }
    for (int k = 0; k < count; k++) {
      char path[4096];
      snprintf(path, sizeof path, "%s/%s", argv[i], entries[k]->d_name);
      fprintf(stderr, "%s\n", entries[k]->d_name); /* before it runs: it may not come back */
      run(path);
      printf("ok - %s\n", entries[k]->d_name);
      fflush(stdout);
      free(entries[k]);
    }
    free(entries);
  }
  return 0;
}
