#include "key_escrow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mounts.h"
#include "options.h"
#include "report.h"
#include "slots.h"
#include "volume.h"

struct escrow_options {
  int slot; /* -1: not given */
  const char *output;
};

static const struct option_spec escrow_specs[] = {{"slot", 0, OPTION_NUMBER, offsetof(struct escrow_options, slot),
                                                   "N", "the slot; without it, the only escrow slot that there is"},
                                                  {"output", 'o', OPTION_TEXT,
                                                   offsetof(struct escrow_options, output), "FILE",
                                                   "make this file rather than print it"},
                                                  {0}};

/* The slot that is meant, of a kind with a body. */
static int choose_slot(const char *path, const struct nacre_public_info *info, int *slot) {
  int found = -1;
  if (*slot >= NACRE_SLOTS_MAX)
    return report_error(EXIT_USAGE, path, "slots are numbered 0 to %d", NACRE_SLOTS_MAX - 1);
  for (int i = 0; i < NACRE_SLOTS_MAX && *slot < 0; i++) {
    if (info->slots[i].kind != NACRE_SLOT_ESCROW)
      continue;
    if (found >= 0)
      return report_error(EXIT_USAGE, path, "slots %d and %d are both escrow slots; say --slot", found, i);
    found = i;
  }
  if (*slot < 0 && found < 0)
    return report_error(EXIT_CREDENTIAL, path, "it has no escrow slot; nacre key add --escrow makes one");
  if (*slot < 0)
    *slot = found;
  const enum nacre_slot_kind kind = info->slots[*slot].kind;
  if (kind != NACRE_SLOT_ESCROW && kind != NACRE_SLOT_UNATTENDED)
    return report_error(EXIT_CREDENTIAL, path, "slot %d is no escrow slot: %s", *slot, slot_kind_name(kind));
  return EXIT_DONE;
}

static int write_to(int fd, const char *name, const char *bytes, size_t len) {
  while (len > 0) {
    const ssize_t done = write(fd, bytes, len);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return report_errno(name, "cannot write", errno);
    bytes += done;
    len -= (size_t)done;
  }
  return EXIT_DONE;
}

/* Nothing that is there is overwritten, and half a file does not stay. */
static int write_file(const char *name, const char *bytes, size_t len) {
  const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return report_errno(name, "cannot make it", errno);
  int code = write_to(fd, name, bytes, len);
  if (close(fd) != 0 && code == EXIT_DONE)
    code = report_errno(name, "cannot write", errno);
  if (code != EXIT_DONE)
    (void)unlink(name);
  return code;
}

static int read_from(const char *path, const char *container, int *slot, char *body, size_t room, size_t *len) {
  struct nacre_public_info info;
  int code = volume_check(container, true, &info);
  if (code == EXIT_DONE)
    code = choose_slot(path, &info, slot);
  if (code != EXIT_DONE)
    return code;
  const struct nacre_target target = volume_target(container);
  const enum nacre_err err = nacre_slot_body(&target, (uint32_t)*slot, body, room, len);
  return err == NACRE_OK ? EXIT_DONE : report_library(path, err);
}

static int read_body(const char *path, int *slot, char *body, size_t room, size_t *len) {
  struct mounts mounts;
  const char *container;
  int code = mounts_container(&mounts, path, &container);
  if (code == EXIT_DONE)
    code = read_from(path, container, slot, body, room, len);
  mounts_free(&mounts);
  return code;
}

int key_escrow(const struct command *self, int argc, char **argv) {
  struct escrow_options o = {.slot = -1};
  const struct option_group groups[] = {
      {"Options", escrow_specs, &o}, {"", volume_header_specs, &volume_header}, {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  char body[NACRE_SLOT_BODY_MAX_BYTES];
  size_t len = 0;
  const int code = read_body(argv[0], &o.slot, body, sizeof body, &len);
  if (code != EXIT_DONE)
    return code;
  if (o.output != NULL)
    return write_file(o.output, body, len);
  if (isatty(STDOUT_FILENO))
    return report_error(EXIT_USAGE, argv[0],
                        "what is in the slot is not for a terminal; give -o FILE, or pipe it to age");
  return write_to(STDOUT_FILENO, "stdout", body, len);
}
