#include "api/handle.h"

#include "base/err.h"

#include <stdlib.h>
#include <unistd.h>

enum nacre_err handle_volume(const struct nacre_volume *vol) {
  err_clear();
  if (!vol)
    return err_set(NACRE_ERR_ARGUMENT, "a handle is missing");
  if (vol->pid != getpid())
    return err_set(NACRE_ERR_FORKED, "the volume was opened by another process; a fork can't use it");
  return NACRE_OK;
}

enum nacre_err handle_file(const struct nacre_file *file) {
  return handle_volume(file ? file->vol : NULL);
}

enum nacre_err handle_dir(const struct nacre_dir *dir) {
  return handle_volume(dir ? dir->vol : NULL);
}

enum nacre_err handle_new_file(struct nacre_volume *vol, struct fs_file *file, struct nacre_file **out) {
  struct nacre_file *handle = malloc(sizeof *handle);
  if (!handle) {
    fs_close(file);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  *handle = (struct nacre_file){.vol = vol, .file = file};
  *out = handle;
  return NACRE_OK;
}

const struct nacre_caller *handle_caller(const struct nacre_caller *caller) {
  static const struct nacre_caller nobody_in_particular;
  return caller ? caller : &nobody_in_particular;
}
