#include "fuse/mount.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUSE_DEVICE "/dev/fuse"
#define FUSE_CONFIGURATION "/etc/fuse.conf"

static enum nacre_err check_readable_errno(const char *mountpoint, int error, char *why, size_t why_size) {
  switch (error) {
  case ENOENT:
    snprintf(why, why_size, "%s: no such folder; make it with mkdir", mountpoint);
    return NACRE_ERR_NOT_FOUND;
  case ENOTDIR:
    snprintf(why, why_size, "%s: not a folder", mountpoint);
    return NACRE_ERR_NOT_DIRECTORY;
  case ENOTCONN:
    snprintf(why, why_size, "%s: a mount whose process has died is still there; end it with fusermount3 -u",
             mountpoint);
    return NACRE_ERR_IN_USE;
  case EACCES:
  case EPERM:
    snprintf(why, why_size, "%s: permission denied", mountpoint);
    return NACRE_ERR_PERMISSION;
  default:
    snprintf(why, why_size, "%s: %s", mountpoint, strerror(error));
    return NACRE_ERR_IO;
  }
}

static enum nacre_err check_empty(const char *mountpoint, char *why, size_t why_size) {
  DIR *dir = opendir(mountpoint);
  if (dir == NULL)
    return check_readable_errno(mountpoint, errno, why, why_size);
  size_t entries = 0;
  while (entries < 3 && readdir(dir) != NULL)
    entries++;
  closedir(dir);
  if (entries < 3) /* . and .. */
    return NACRE_OK;
  snprintf(why, why_size, "%s: the folder is not empty; -o nonempty mounts over what is in it", mountpoint);
  return NACRE_ERR_NOT_EMPTY;
}

static bool others_allowed(void) {
  FILE *file = fopen(FUSE_CONFIGURATION, "re");
  if (file == NULL)
    return false;
  char line[256];
  bool allowed = false;
  while (!allowed && fgets(line, sizeof line, file) != NULL)
    allowed = strncmp(line, "user_allow_other", 16) == 0 && strchr(" \t\r\n#", line[16]) != NULL;
  fclose(file);
  return allowed;
}

static enum nacre_err check_user(const char *mountpoint, const struct mount_options *o, char *why, size_t why_size) {
  if (geteuid() == 0)
    return NACRE_OK;
  if (o->suid || o->dev) {
    snprintf(why, why_size, "%s: only root may mount with '%s'", mountpoint, o->suid ? "suid" : "dev");
    return NACRE_ERR_PERMISSION;
  }
  if ((o->allow_other || o->allow_root) && !others_allowed()) {
    snprintf(why, why_size, "%s: '%s' needs the line user_allow_other in %s", mountpoint,
             o->allow_other ? "allow_other" : "allow_root", FUSE_CONFIGURATION);
    return NACRE_ERR_PERMISSION;
  }
  if (access(FUSE_DEVICE, R_OK | W_OK) != 0) {
    snprintf(why, why_size, "%s: only root may open %s here; 'chmod 666 %s' by root lets users mount", mountpoint,
             FUSE_DEVICE, FUSE_DEVICE);
    return NACRE_ERR_PERMISSION;
  }
  if (access(mountpoint, W_OK) != 0) {
    snprintf(why, why_size, "%s: a user may only mount on a folder they can write to", mountpoint);
    return NACRE_ERR_PERMISSION;
  }
  return NACRE_OK;
}

enum nacre_err mount_check(const char *mountpoint, const struct mount_options *o, char *why, size_t why_size) {
  struct stat st;
  if (stat(mountpoint, &st) != 0)
    return check_readable_errno(mountpoint, errno, why, why_size);
  if (!S_ISDIR(st.st_mode))
    return check_readable_errno(mountpoint, ENOTDIR, why, why_size);
  if (access(FUSE_DEVICE, F_OK) != 0) {
    snprintf(why, why_size, "%s is missing: this machine cannot mount; 'nacre get' and 'nacre put' work without",
             FUSE_DEVICE);
    return NACRE_ERR_UNSUPPORTED;
  }
  enum nacre_err err = check_user(mountpoint, o, why, why_size);
  if (err == NACRE_OK && !o->nonempty)
    err = check_empty(mountpoint, why, why_size);
  return err;
}
