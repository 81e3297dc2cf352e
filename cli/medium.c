#include "medium.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static const struct {
  unsigned long type;
  const char *name;
  bool writes_elsewhere;
} filesystems[] = {
    {0xef53, "ext2, ext3 or ext4", false},
    {0x58465342, "xfs", false},
    {0x9123683e, "btrfs", true},
    {0x2fc12fc1, "zfs", true},
    {0xca451a4e, "bcachefs", true},
    {0xf2f52010, "f2fs", true},
    {0x3434, "nilfs2", true},
    {0x01021994, "tmpfs", false},
    {0x794c7630, "overlay", false},
    {0x4d44, "vfat", false},
    {0x2011bab0, "exfat", false},
    {0x7366746e, "ntfs", false},
    {0x6969, "nfs", false},
    {0xff534d42, "cifs", false},
    {0xfe534d42, "smb2", false},
    {0x65735546, "a FUSE filesystem", false},
};

static void look_at_filesystem(const char *path, struct medium *medium) {
  struct statfs fs;
  if (statfs(path, &fs) != 0)
    return;
  const unsigned long type = (unsigned long)fs.f_type & 0xffffffffu;
  (void)snprintf(medium->filesystem, sizeof medium->filesystem, "type %#lx", type);
  for (size_t i = 0; i < sizeof filesystems / sizeof filesystems[0]; i++) {
    if (filesystems[i].type != type)
      continue;
    (void)snprintf(medium->filesystem, sizeof medium->filesystem, "%s", filesystems[i].name);
    medium->writes_elsewhere = filesystems[i].writes_elsewhere;
  }
}

/* The first line of DIR/NAME, without blanks around it. */
static bool read_line(const char *dir, const char *name, char *line, size_t size) {
  char path[PATH_MAX + 64];
  (void)snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return false;
  char text[256];
  const bool got = fgets(text, sizeof text, file) != NULL;
  (void)fclose(file);
  if (!got)
    return false;
  size_t len = strcspn(text, "\n");
  while (len > 0 && isspace((unsigned char)text[len - 1]))
    len--;
  text[len] = '\0';
  const char *from = text + strspn(text, " \t");
  (void)snprintf(line, size, "%s", from);
  return *line != '\0';
}

static void look_at_disk(dev_t number, struct medium *medium) {
  char link[64], line[8];
  (void)snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(number), minor(number));
  char *dir = realpath(link, NULL);
  if (dir == NULL)
    return;
  /* A partition is a folder in its disk's. */
  if (read_line(dir, "partition", line, sizeof line) && strrchr(dir, '/') != NULL)
    *strrchr(dir, '/') = '\0';
  const char *name = strrchr(dir, '/');
  (void)snprintf(medium->disk, sizeof medium->disk, "%s", name != NULL ? name + 1 : "");
  (void)read_line(dir, "device/model", medium->model, sizeof medium->model);
  if (!read_line(dir, "device/serial", medium->serial, sizeof medium->serial) &&
      !read_line(dir, "serial", medium->serial, sizeof medium->serial))
    (void)read_line(dir, "device/wwid", medium->serial, sizeof medium->serial);
  if (read_line(dir, "queue/rotational", line, sizeof line))
    medium->rotational = line[0] == '1';
  free(dir);
}

void medium_look(const char *path, struct medium *medium) {
  *medium = (struct medium){.rotational = -1};
  struct stat st;
  if (stat(path, &st) != 0)
    return;
  medium->device = S_ISBLK(st.st_mode);
  if (!medium->device)
    look_at_filesystem(path, medium);
  look_at_disk(medium->device ? st.st_rdev : st.st_dev, medium);
}
