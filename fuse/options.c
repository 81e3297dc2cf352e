#include "fuse/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_MAX_BYTES (MOUNT_FSNAME_MAX_BYTES + 32)
#define THREADS_MAX 64

/* ---- What a user may write after -o ---- */

struct word {
  const char *text;
  void (*apply)(struct mount_options *o);
};

static void set_ro(struct mount_options *o) {
  o->read_only = true;
}
static void set_rw(struct mount_options *o) {
  o->read_only = false;
}
static void set_allow_other(struct mount_options *o) {
  o->allow_other = true;
}
static void set_allow_root(struct mount_options *o) {
  o->allow_root = true;
}
static void set_nonempty(struct mount_options *o) {
  o->nonempty = true;
}
static void set_owner_me(struct mount_options *o) {
  o->owner_me = true;
}
static void set_writeback(struct mount_options *o) {
  o->writeback = true;
}
static void set_auto_unmount(struct mount_options *o) {
  o->auto_unmount = true;
}
static void set_suid(struct mount_options *o) {
  o->suid = true;
}
static void set_nosuid(struct mount_options *o) {
  o->suid = false;
}
static void set_dev(struct mount_options *o) {
  o->dev = true;
}
static void set_nodev(struct mount_options *o) {
  o->dev = false;
}
static void set_exec(struct mount_options *o) {
  o->noexec = false;
}
static void set_noexec(struct mount_options *o) {
  o->noexec = true;
}
static void set_sync(struct mount_options *o) {
  o->sync = true;
}
static void set_async(struct mount_options *o) {
  o->sync = false;
}
static void set_dirsync(struct mount_options *o) {
  o->dirsync = true;
}
static void set_relatime(struct mount_options *o) {
  o->atime = MOUNT_ATIME_RELATIVE;
}
static void set_noatime(struct mount_options *o) {
  o->atime = MOUNT_ATIME_NEVER;
}
static void set_strictatime(struct mount_options *o) {
  o->atime = MOUNT_ATIME_STRICT;
}
static void set_nodiratime(struct mount_options *o) {
  o->no_folder_atime = true;
}
static void set_diratime(struct mount_options *o) {
  o->no_folder_atime = false;
}
/* What holds in any case, and what mount(8) and fstab(5) keep for themselves. */
static void accept(struct mount_options *o) {
  (void)o;
}

static const struct word words[] = {
    {"ro", set_ro},
    {"rw", set_rw},
    {"allow_other", set_allow_other},
    {"allow_root", set_allow_root},
    {"nonempty", set_nonempty},
    {"owner=me", set_owner_me},
    {"writeback", set_writeback},
    {"auto_unmount", set_auto_unmount},
    {"suid", set_suid},
    {"nosuid", set_nosuid},
    {"dev", set_dev},
    {"nodev", set_nodev},
    {"exec", set_exec},
    {"noexec", set_noexec},
    {"sync", set_sync},
    {"async", set_async},
    {"dirsync", set_dirsync},
    {"atime", set_relatime},
    {"relatime", set_relatime},
    {"noatime", set_noatime},
    {"strictatime", set_strictatime},
    {"diratime", set_diratime},
    {"nodiratime", set_nodiratime},
    {"default_permissions", accept},
    {"kernel_cache", accept},
    {"acl", accept},
    {"user_xattr", accept},
    {"defaults", accept},
    {"auto", accept},
    {"noauto", accept},
    {"user", accept},
    {"nouser", accept},
    {"users", accept},
    {"nofail", accept},
    {"_netdev", accept},
};

static int take_threads(struct mount_options *o, const char *value, char *why, size_t why_size) {
  char *end = NULL;
  errno = 0;
  unsigned long count = strtoul(value, &end, 10);
  if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || count < 1 || count > THREADS_MAX) {
    snprintf(why, why_size, "max_threads takes a number from 1 to %d", THREADS_MAX);
    return -1;
  }
  o->max_threads = (unsigned)count;
  return 0;
}

static int take_fsname(struct mount_options *o, const char *value, char *why, size_t why_size) {
  if (value[0] == '\0' || strlen(value) >= sizeof o->fsname) {
    snprintf(why, why_size, "fsname takes a name of at most %zu bytes", sizeof o->fsname - 1);
    return -1;
  }
  memcpy(o->fsname, value, strlen(value) + 1);
  return 0;
}

static const char *value_after(const char *opt, const char *key) {
  size_t len = strlen(key);
  return strncmp(opt, key, len) == 0 ? opt + len : NULL;
}

static int take_one(struct mount_options *o, const char *opt, char *why, size_t why_size) {
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strcmp(opt, words[i].text) == 0) {
      words[i].apply(o);
      return 0;
    }
  }
  const char *value = value_after(opt, "max_threads=");
  if (value != NULL)
    return take_threads(o, value, why, why_size);
  value = value_after(opt, "fsname=");
  if (value != NULL)
    return take_fsname(o, value, why, why_size);
  if (value_after(opt, "subtype=") != NULL || value_after(opt, "x-") != NULL || value_after(opt, "user=") != NULL)
    return 0;
  snprintf(why, why_size, "unknown mount option '%.100s'", opt);
  return -1;
}

int mount_parse_option(struct mount_options *o, const char *opt, char *why, size_t why_size) {
  char one[OPTION_MAX_BYTES];
  size_t len = 0;
  for (const char *p = opt;; p++) {
    if (*p != '\0' && *p != ',') {
      if (*p == '\\' && p[1] != '\0') /* as libfuse has it: a backslash takes the meaning from a comma */
        p++;
      if (len + 1 == sizeof one) {
        snprintf(why, why_size, "a mount option is too long");
        return -1;
      }
      one[len++] = *p;
      continue;
    }
    one[len] = '\0';
    if (len > 0 && take_one(o, one, why, why_size) != 0)
      return -1;
    len = 0;
    if (*p == '\0')
      return 0;
  }
}

/* ---- What libfuse is given ---- */

static int add_flags(const struct mount_options *o, bool read_only, char **list) {
  const struct {
    bool given;
    const char *text;
  } flags[] = {
      {true, "default_permissions"},
      {read_only, "ro"},
      {o->allow_other, "allow_other"},
      {o->allow_root && !o->allow_other, "allow_root"},
      {o->auto_unmount, "auto_unmount"},
      {o->suid, "suid"},
      {o->dev, "dev"},
      {o->noexec, "noexec"},
      {o->sync, "sync"},
      {o->dirsync, "dirsync"},
      {o->atime == MOUNT_ATIME_NEVER, "noatime"},
  };
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
    if (flags[i].given && fuse_opt_add_opt(list, flags[i].text) != 0)
      return -1;
  return 0;
}

static int add_names(const struct mount_options *o, char **list) {
  char text[OPTION_MAX_BYTES];
  const char *name = o->fsname[0] != '\0' ? o->fsname : o->volume_path;
  snprintf(text, sizeof text, "fsname=%s", name != NULL ? name : "nacre");
  if (fuse_opt_add_opt_escaped(list, text) != 0 || fuse_opt_add_opt(list, "subtype=nacre") != 0)
    return -1;
  snprintf(text, sizeof text, "max_read=%u", SESSION_MAX_IO_BYTES);
  return fuse_opt_add_opt(list, text);
}

int options_to_args(const struct mount_options *o, bool read_only, struct fuse_args *args) {
  char *list = NULL;
  *args = (struct fuse_args)FUSE_ARGS_INIT(0, NULL);
  int result = -1;
  if (add_flags(o, read_only, &list) == 0 && add_names(o, &list) == 0 && fuse_opt_add_arg(args, "nacre") == 0 &&
      fuse_opt_add_arg(args, "-o") == 0 && fuse_opt_add_arg(args, list) == 0)
    result = 0;
  if (result != 0)
    fuse_opt_free_args(args);
  free(list);
  return result;
}
