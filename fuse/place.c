#include "fuse/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define TABLE "/proc/self/mountinfo"

int place_watch(void) {
  return open(TABLE, O_RDONLY | O_CLOEXEC);
}

/* Whether a list with commas has that word. */
static bool has_word(const char *list, const char *word) {
  const size_t len = strlen(word);
  for (const char *at = list; at != NULL; at = strchr(at, ',')) {
    at += *at == ',';
    if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
      return true;
  }
  return false;
}

/* "ID PARENT MAJOR:MINOR ROOT DIR FLAGS [TAGS...] - TYPE SOURCE OPTIONS" */
static bool read_line(char *line, dev_t device, struct place *place) {
  unsigned number_major = 0;
  unsigned number_minor = 0;
  char *end = strstr(line, " - ");
  if (end == NULL || sscanf(line, "%*d %*d %u:%u ", &number_major, &number_minor) != 2 ||
      makedev(number_major, number_minor) != device)
    return false;
  *end = '\0';
  char *rest = NULL;
  const char *flags = strtok_r(line, " ", &rest);
  for (int i = 0; i < 5 && flags != NULL; i++)
    flags = strtok_r(NULL, " ", &rest);
  const char *options = strrchr(end + 1, ' ');
  if (flags == NULL || options == NULL)
    return false;
  *place = (struct place){
      .read_only = strncmp(options, " ro", 3) == 0,
      .no_atime = has_word(flags, "noatime"),
      .strict_atime = !has_word(flags, "noatime") && !has_word(flags, "relatime"),
      .no_folder_atime = has_word(flags, "nodiratime"),
  };
  return true;
}

bool place_find(const struct mount *m, struct place *place) {
  FILE *file = fopen(TABLE, "re");
  if (file == NULL)
    return false;
  char *line = NULL;
  size_t room = 0;
  bool found = false;
  while (!found && getline(&line, &room, file) > 0) {
    line[strcspn(line, "\n")] = '\0';
    found = read_line(line, m->device, place);
  }
  free(line);
  fclose(file);
  return found;
}

void place_follow(struct mount *m, struct place *known) {
  struct place now;
  if (!place_find(m, &now))
    return;
  if (now.read_only != known->read_only)
    atomic_store(&m->read_only, now.read_only || m->volume_read_only);
  /* Only what changed: not all that was asked for at the start is in the table. */
  if (now.no_atime != known->no_atime || now.strict_atime != known->strict_atime)
    atomic_store(&m->atime, now.no_atime       ? MOUNT_ATIME_NEVER
                            : now.strict_atime ? MOUNT_ATIME_STRICT
                                               : MOUNT_ATIME_RELATIVE);
  if (now.no_folder_atime != known->no_folder_atime)
    atomic_store(&m->no_folder_atime, now.no_folder_atime);
  *known = now;
}
