#include "fuzz/drive.h"

#include <dirent.h>
#include <sys/stat.h>

#define STEPS_MAX 48u
#define OPEN_MAX 3u
#define BYTES_MAX (64u << 10)
#define WALK_ENTRIES_MAX 1000u
#define WALK_DEPTH_MAX 6u

struct drive {
  nacre_volume *vol;
  struct feed *f;
  nacre_file *files[OPEN_MAX];
  bool sound;
  uint8_t buf[BYTES_MAX];
};

static void judge(const struct drive *d, enum nacre_err err) {
  bool wrong = err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO || err == NACRE_ERR_READ_ONLY;
  if (d->sound && wrong) {
    fprintf(stderr, "a sound volume: %s\n", nacre_last_error());
    abort();
  }
}

static const char *path(struct drive *d) {
  return fuzz_paths[feed_u8(d->f) % FUZZ_PATHS];
}

static nacre_file **slot(struct drive *d) {
  return &d->files[feed_u8(d->f) % OPEN_MAX];
}

/* ---- Each step ---- */

static void step_open(struct drive *d) {
  nacre_file **file = slot(d);
  if (*file != NULL)
    nacre_close(*file);
  *file = NULL;
  unsigned flags = NACRE_O_READ | NACRE_O_WRITE | (feed_u8(d->f) & 0x7cu);
  judge(d, nacre_open(d->vol, path(d), flags, 0644, NULL, file));
}

static void step_write(struct drive *d) {
  nacre_file *file = *slot(d);
  uint64_t offset = feed_wide(d->f);
  size_t len = (size_t)(feed_wide(d->f) % BYTES_MAX);
  memset(d->buf, feed_u8(d->f), len);
  if (file != NULL)
    judge(d, nacre_write(file, d->buf, len, offset));
}

static void step_read(struct drive *d) {
  nacre_file *file = *slot(d);
  uint64_t offset = feed_wide(d->f);
  size_t done, len = (size_t)(feed_wide(d->f) % BYTES_MAX);
  if (file != NULL)
    judge(d, nacre_read(file, d->buf, len, offset, &done));
}

static void step_resize(struct drive *d) {
  nacre_file *file = *slot(d);
  uint64_t offset = feed_wide(d->f), len = feed_wide(d->f);
  unsigned mode = feed_u8(d->f);
  if (file == NULL)
    return;
  if (mode & 8)
    judge(d, nacre_ftruncate(file, offset));
  else
    judge(d, nacre_fallocate(file, mode & 7, offset, len));
}

static void step_seek(struct drive *d) {
  nacre_file *file = *slot(d);
  uint64_t found, offset = feed_wide(d->f);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  if (file == NULL)
    return;
  judge(d, nacre_seek_data(file, offset, &found));
  judge(d, nacre_seek_hole(file, offset, &found));
  judge(d, nacre_fstat(file, &attr));
}

static void step_sync(struct drive *d) {
  nacre_file *file = *slot(d);
  struct nacre_statfs st = {.struct_size = sizeof st};
  struct nacre_volume_info info = {.struct_size = sizeof info};
  judge(d, file != NULL ? nacre_fsync(file) : nacre_volume_sync(d->vol));
  judge(d, nacre_statfs(d->vol, &st));
  judge(d, nacre_volume_get_info(d->vol, &info));
}

static void step_name(struct drive *d) {
  uint8_t which = feed_u8(d->f);
  const char *a = path(d), *b = path(d);
  switch (which % 8) {
  case 0:
    judge(d, nacre_mkdir(d->vol, a, 0755, NULL));
    break;
  case 1:
    judge(d, nacre_mknod(d->vol, a, (which & 8 ? S_IFREG : S_IFCHR) | 0600, 259, NULL));
    break;
  case 2:
    judge(d, nacre_symlink(d->vol, b, a, NULL));
    break;
  case 3:
    judge(d, nacre_link(d->vol, a, b));
    break;
  case 4:
    judge(d, nacre_unlink(d->vol, a));
    break;
  case 5:
    judge(d, nacre_rmdir(d->vol, a));
    break;
  default:
    judge(d, nacre_rename(d->vol, a, b, which >> 3 & 3u));
    break;
  }
}

static void step_attributes(struct drive *d) {
  static const char *const names[] = {"user.small",
                                      "user.large",
                                      "user.new",
                                      "trusted.x",
                                      "system.posix_acl_access",
                                      "system.posix_acl_default",
                                      "user.empty",
                                      "security.capability"};
  const char *at = path(d), *name = names[feed_u8(d->f) % 8];
  uint8_t which = feed_u8(d->f);
  size_t len, value_len = (size_t)(feed_wide(d->f) % BYTES_MAX);
  switch (which % 4) {
  case 0:
    judge(d, nacre_getxattr(d->vol, at, name, d->buf, BYTES_MAX, &len));
    break;
  case 1:
    memset(d->buf, which, value_len);
    feed_copy(d->f, d->buf, value_len < 64 ? value_len : 64);
    judge(d, nacre_setxattr(d->vol, at, name, d->buf, value_len, which >> 2 & 3u));
    break;
  case 2:
    judge(d, nacre_removexattr(d->vol, at, name));
    break;
  default:
    judge(d, nacre_listxattr(d->vol, at, (char *)d->buf, BYTES_MAX, &len));
    break;
  }
}

static void step_setattr(struct drive *d) {
  const char *at = path(d);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  unsigned set = feed_u16(d->f) & 1023u;
  attr.mode = feed_u16(d->f);
  attr.uid = feed_u8(d->f);
  attr.gid = feed_u8(d->f);
  attr.size_bytes = feed_wide(d->f);
  attr.atime.s = attr.mtime.s = (int64_t)feed_u32(d->f);
  judge(d, nacre_setattr(d->vol, at, &attr, set));
  judge(d, nacre_stat(d->vol, at, &attr));
}

static void step_verify(struct drive *d) {
  struct nacre_verify_report report = {.struct_size = sizeof report};
  judge(d, nacre_verify(d->vol, &report, NULL, NULL, NULL, NULL, NULL));
}

void drive(nacre_volume *vol, struct feed *f, bool sound) {
  static void (*const steps[])(struct drive *) = {step_open,    step_write, step_read, step_resize,
                                                  step_seek,    step_sync,  step_name, step_attributes,
                                                  step_setattr, step_name,  step_open, step_write};
  struct drive *d = calloc(1, sizeof *d);
  FUZZ_CHECK(d != NULL);
  d->vol = vol;
  d->f = f;
  d->sound = sound;
  for (unsigned i = 0; i < STEPS_MAX && f->left > 0; i++) {
    uint8_t which = feed_u8(f);
    if (which == 0xff)
      step_verify(d);
    else
      steps[which % (sizeof steps / sizeof steps[0])](d);
  }
  for (unsigned i = 0; i < OPEN_MAX; i++) {
    if (d->files[i] != NULL)
      nacre_close(d->files[i]);
  }
  free(d);
}

/* ---- Walking ---- */

struct listing {
  unsigned count;
  uint64_t inos[WALK_ENTRIES_MAX];
  uint8_t types[WALK_ENTRIES_MAX];
};

static bool listed(void *arg, const struct nacre_dirent *entry) {
  struct listing *l = arg;
  if (entry->attr == NULL)
    return true; /* . and .. */
  if (l->count == WALK_ENTRIES_MAX)
    return false;
  FUZZ_CHECK(entry->name_len == strlen(entry->name));
  l->inos[l->count] = entry->ino;
  l->types[l->count++] = entry->type;
  return true;
}

static void read_ends(struct drive *d, uint64_t ino) {
  nacre_file *file;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  size_t done;
  enum nacre_err err = nacre_inode_open(d->vol, ino, NACRE_O_READ, &file);
  judge(d, err);
  if (err != NACRE_OK)
    return;
  judge(d, nacre_read(file, d->buf, BYTES_MAX, 0, &done));
  if (nacre_fstat(file, &attr) == NACRE_OK && attr.size_bytes > BYTES_MAX)
    judge(d, nacre_read(file, d->buf, BYTES_MAX, attr.size_bytes - 5000, &done));
  nacre_close(file);
}

static void walk_folder(struct drive *d, uint64_t ino, unsigned depth, unsigned *left);

static void walk_entry(struct drive *d, uint64_t ino, uint8_t type, unsigned depth, unsigned *left) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  size_t len;
  judge(d, nacre_inode_getattr(d->vol, ino, &attr));
  judge(d, nacre_inode_listxattr(d->vol, ino, (char *)d->buf, BYTES_MAX, &len));
  if (type == DT_REG)
    read_ends(d, ino);
  else if (type == DT_LNK)
    judge(d, nacre_inode_readlink(d->vol, ino, (char *)d->buf, BYTES_MAX));
  else if (type == DT_DIR && depth < WALK_DEPTH_MAX)
    walk_folder(d, ino, depth + 1, left);
}

static void walk_folder(struct drive *d, uint64_t ino, unsigned depth, unsigned *left) {
  struct listing *l = calloc(1, sizeof *l);
  nacre_dir *dir;
  FUZZ_CHECK(l != NULL);
  if (nacre_inode_opendir(d->vol, ino, &dir) == NACRE_OK) {
    judge(d, nacre_readdir(dir, 0, true, listed, l));
    nacre_closedir(dir);
  }
  for (unsigned i = 0; i < l->count; i++) {
    if (*left > 0) {
      (*left)--;
      walk_entry(d, l->inos[i], l->types[i], depth, left);
    }
    nacre_inode_unpin(d->vol, l->inos[i], 1);
  }
  free(l);
}

void drive_walk(nacre_volume *vol, bool sound) {
  struct drive *d = calloc(1, sizeof *d);
  unsigned left = WALK_ENTRIES_MAX;
  FUZZ_CHECK(d != NULL);
  d->vol = vol;
  d->sound = sound;
  walk_folder(d, NACRE_ROOT_INO, 0, &left);
  free(d);
}
