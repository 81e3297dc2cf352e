/* A golden volume opens with each of its credentials, verifies, and holds what its manifest says.
 *   check GOLDEN MANIFEST */
#include "golden/golden.h"

#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    report_fail("no file %s", path);
  size_t len = 0, got;
  char *text = NULL;
  do {
    text = realloc(text, len + 65537);
    if (text == NULL)
      report_fail("out of memory");
    got = fread(text + len, 1, 65536, file);
    len += got;
  } while (got > 0);
  text[len] = '\0';
  (void)fclose(file);
  return text;
}

static nacre_volume *open_with(struct disk *disk, unsigned slot, bool read_only) {
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = disk};
  const struct nacre_open_options options = {.struct_size = sizeof options, .read_only = read_only};
  nacre_credential *cred = golden_credential(slot);
  nacre_volume *vol;
  report_must(nacre_volume_open(&target, &options, cred, &vol), "opening a golden volume");
  nacre_credential_free(cred);
  return vol;
}

static void compare(const char *got, const char *want) {
  size_t line = 1;
  for (; *got != '\0' && *got == *want; got++, want++)
    line += *got == '\n';
  if (*got != *want)
    report_fail("line %zu of the manifest differs: have ...%.200s, want ...%.200s", line, got, want);
}

static void check_content(struct disk *disk, unsigned slot, bool read_only, const char *manifest) {
  nacre_volume *vol = open_with(disk, slot, read_only);
  struct nacre_volume_info info = {.struct_size = sizeof info};
  report_must(nacre_volume_get_info(vol, &info), "asking about the volume");
  if (info.slot != slot || info.fell_back)
    report_fail("slot %u opened it, not %u", info.slot, slot);
  struct nacre_verify_report report = {.struct_size = sizeof report};
  report_must(nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL), "verifying");
  char *list = golden_list(vol);
  compare(list, manifest);
  free(list);
  report_must(nacre_volume_close(vol), "closing");
  report_ok("opened with slot %u%s, verified, and all as it was put in", slot, read_only ? "" : " for writing");
}

int main(int argc, char **argv) {
  struct disk disk;
  struct nacre_public_info info = {.struct_size = sizeof info};
  if (argc != 3)
    return 2;
  disk_init(&disk, GOLDEN_LIMIT_BYTES);
  if (!golden_expand(argv[1], &disk))
    report_fail("%s is no golden volume", argv[1]);
  report_ok("expanded");
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = &disk};
  report_must(nacre_probe(&target, &info), "probing");
  if (!nacre_cipher_available(info.cipher)) {
    printf("skip - %s: not in this build\n", nacre_cipher_name(info.cipher));
    disk_free(&disk);
    return 0;
  }
  char *manifest = read_text(argv[2]);
  for (unsigned slot = 0; slot < GOLDEN_SLOTS; slot++)
    check_content(&disk, slot, true, manifest);
  /* Which deletes the orphan, that no name leads to. */
  check_content(&disk, 0, false, manifest);
  check_content(&disk, 0, true, manifest);
  free(manifest);
  disk_free(&disk);
  return 0;
}
