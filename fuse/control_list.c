#include "fuse/control_ask.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct found {
  struct control_mount *list;
  size_t count;
  size_t silent; /* processes that are there and don't answer */
};

static void mount_release(struct control_mount *mount) {
  free(mount->socket_path);
  free(mount->volume);
  free(mount->dir);
  free(mount->device);
  free(mount->failure);
  free(mount->rekey_stopped);
}

void control_list_free(struct control_mount *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    mount_release(&list[i]);
  free(list);
}

static int parse_status(const char *line, struct control_mount *out) {
  out->volume = control_field(line, "volume");
  out->dir = control_field(line, "dir");
  out->failure = control_field(line, "failure");
  out->device = control_field(line, "device");
  if (out->device == NULL) /* an older process */
    out->device = strdup("");
  out->pid = (pid_t)control_field_number(line, "pid");
  out->since_s = (int64_t)control_field_number(line, "since");
  out->generation = control_field_number(line, "generation");
  out->dirty_bytes = control_field_number(line, "dirty");
  out->used_bytes = control_field_number(line, "used");
  out->free_bytes = control_field_number(line, "free");
  out->read_only = control_field_number(line, "read_only") != 0;
  out->volume_read_only = control_field_number(line, "volume_read_only") != 0;
  out->failed = control_field_number(line, "failed") != 0;
  out->rekeying = control_field_number(line, "rekey") != 0;
  out->rekey_done_bytes = control_field_number(line, "rekey_done");
  out->rekey_total_bytes = control_field_number(line, "rekey_total");
  out->rekey_stopped = out->rekeying ? control_field(line, "rekey_why") : NULL;
  return out->volume != NULL && out->dir != NULL && out->failure != NULL && out->device != NULL ? 0 : -1;
}

/* A folder that is open and looked into. Its name may be another folder's by now: its owner can see to that. */
struct folder {
  DIR *dir;
  const char *path;
  uid_t owner;
  int64_t deadline_ms;
};

/* NACRE_ERR_NOT_FOUND where nothing of use is answered; *silent where nothing was in time. */
static enum nacre_err ask_status(int fd, const char *path, const struct folder *folder, struct control_mount *out,
                                 bool *silent) {
  struct control_replies *in = calloc(1, sizeof *in);
  if (in == NULL)
    return NACRE_ERR_NO_MEMORY;
  in->fd = fd;
  in->deadline_ms = folder->deadline_ms != 0 ? folder->deadline_ms : control_now_ms() + CONTROL_PATIENCE_MS;
  *silent = false;
  *out = (struct control_mount){.uid = folder->owner, .socket_path = strdup(path)};
  const char *reply = control_ask(in, "status");
  *silent = reply == NULL && control_now_ms() >= in->deadline_ms;
  enum nacre_err err = NACRE_OK;
  if (out->socket_path == NULL)
    err = NACRE_ERR_NO_MEMORY;
  else if (reply == NULL || strncmp(reply, "ok ", 3) != 0 || parse_status(reply, out) != 0)
    err = NACRE_ERR_NOT_FOUND;
  if (err != NACRE_OK)
    mount_release(out);
  free(in);
  return err;
}

static int append(struct found *found, const struct control_mount *mount) {
  struct control_mount *list = realloc(found->list, (found->count + 1) * sizeof *list);
  if (list == NULL)
    return -1;
  found->list = list;
  list[found->count++] = *mount;
  return 0;
}

/* 0 also for what does not answer; -1 only without memory. */
static int add_socket(struct found *found, const struct folder *folder, const char *name) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/%s", folder->path, name) >= (int)sizeof path)
    return 0;
  int fd = control_connect(path, folder->owner);
  if (fd < 0) {
    found->silent += errno == EAGAIN;
    if (errno == ECONNREFUSED)
      unlinkat(dirfd(folder->dir), name, 0); /* its process was killed */
    return 0;
  }
  struct control_mount mount;
  bool silent = false;
  enum nacre_err err = ask_status(fd, path, folder, &mount, &silent);
  close(fd);
  found->silent += silent;
  if (err == NACRE_ERR_NOT_FOUND)
    return 0;
  if (err == NACRE_OK && append(found, &mount) == 0)
    return 0;
  if (err == NACRE_OK)
    mount_release(&mount);
  return -1;
}

/* Only what its owner alone can write to, and what is ours unless we are root. NULL where it is not so. */
static DIR *open_folder(const char *path, struct stat *st) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  bool good = fstat(fd, st) == 0 && (st->st_mode & 077) == 0 && (geteuid() == 0 || st->st_uid == geteuid());
  DIR *dir = good ? fdopendir(fd) : NULL;
  if (dir == NULL)
    close(fd);
  return dir;
}

/* owner: (uid_t)-1 for anyone's. */
static int add_folder(struct found *found, const char *path, uid_t owner) {
  struct stat st;
  struct folder folder = {.dir = open_folder(path, &st), .path = path};
  if (folder.dir == NULL)
    return 0;
  if (owner != (uid_t)-1 && st.st_uid != owner) {
    closedir(folder.dir);
    return 0;
  }
  folder.owner = st.st_uid;
  folder.deadline_ms = st.st_uid == geteuid() ? 0 : control_now_ms() + CONTROL_PATIENCE_MS;
  int result = 0;
  const struct dirent *entry = NULL;
  while (result == 0 && (folder.deadline_ms == 0 || control_now_ms() < folder.deadline_ms) &&
         (entry = readdir(folder.dir)) != NULL) {
    size_t len = strlen(entry->d_name);
    size_t suffix = sizeof CONTROL_SUFFIX - 1;
    if (len > suffix && strcmp(entry->d_name + len - suffix, CONTROL_SUFFIX) == 0)
      result = add_socket(found, &folder, entry->d_name);
  }
  closedir(folder.dir);
  return result;
}

/* Every user's folder of sockets below `parent`, whose names are those of users after `prefix`. */
static int add_users(struct found *found, const char *parent, const char *prefix, const char *rest) {
  DIR *dir = opendir(parent);
  if (dir == NULL)
    return 0;
  int result = 0;
  const struct dirent *entry = NULL;
  while (result == 0 && (entry = readdir(dir)) != NULL) {
    size_t len = strlen(prefix);
    char path[PATH_MAX];
    if (strncmp(entry->d_name, prefix, len) != 0 || entry->d_name[len] < '0' || entry->d_name[len] > '9')
      continue;
    /* One folder a user, so that none keeps us waiting for longer than one user may. */
    char *end;
    const unsigned long owner = strtoul(entry->d_name + len, &end, 10);
    if (*end != '\0' || owner >= (uid_t)-1)
      continue;
    if (snprintf(path, sizeof path, "%s/%s%s", parent, entry->d_name, rest) < (int)sizeof path)
      result = add_folder(found, path, (uid_t)owner);
  }
  closedir(dir);
  return result;
}

/* The daemon and we may see different environments, so all places are looked into. */
static int add_own(struct found *found) {
  char own[PATH_MAX];
  char temporary[64];
  char runtime[64];
  snprintf(temporary, sizeof temporary, "/tmp/nacre-%u", (unsigned)geteuid());
  snprintf(runtime, sizeof runtime, "/run/user/%u/nacre", (unsigned)geteuid());
  if (control_own_path(own, sizeof own) == 0 && strcmp(own, temporary) != 0 && strcmp(own, runtime) != 0 &&
      add_folder(found, own, (uid_t)-1) != 0)
    return -1;
  return add_folder(found, temporary, (uid_t)-1) != 0 || add_folder(found, runtime, (uid_t)-1) != 0 ? -1 : 0;
}

static int add_everybodys(struct found *found) {
  char own[PATH_MAX];
  if (control_own_path(own, sizeof own) == 0 && add_folder(found, own, (uid_t)-1) != 0)
    return -1;
  return add_users(found, "/run/user", "", "/nacre") != 0 || add_users(found, "/tmp", "nacre-", "") != 0 ? -1 : 0;
}

enum nacre_err control_list(struct control_mount **list, size_t *count, size_t *silent) {
  struct found found = {0};
  int result = geteuid() == 0 ? add_everybodys(&found) : add_own(&found);
  *list = NULL;
  *count = 0;
  *silent = found.silent;
  if (result != 0 || found.count == 0) {
    control_list_free(found.list, found.count);
    return result != 0 ? NACRE_ERR_NO_MEMORY : NACRE_OK;
  }
  *list = found.list;
  *count = found.count;
  return NACRE_OK;
}

bool control_matches(const struct control_mount *mount, const char *path) {
  if (strcmp(path, mount->dir) == 0 || strcmp(path, mount->volume) == 0)
    return true;
  char *real = realpath(path, NULL);
  if (real == NULL)
    return false;
  bool same = strcmp(real, mount->dir) == 0 || strcmp(real, mount->volume) == 0;
  free(real);
  return same;
}
