/* Calls on open files and folders. */
#include "api/handle.h"
#include "api/structs.h"
#include "base/err.h"

#include <stdlib.h>

enum nacre_err nacre_read(nacre_file *file, void *buf, size_t len_bytes, uint64_t offset_bytes, size_t *done) {
  ERR_TRY(handle_file(file));
  if ((!buf && len_bytes > 0) || !done)
    return err_set(NACRE_ERR_ARGUMENT, "a buffer is missing");
  *done = 0;
  return fs_read(file->file, buf, len_bytes, offset_bytes, done);
}

enum nacre_err nacre_write(nacre_file *file, const void *buf, size_t len_bytes, uint64_t offset_bytes) {
  ERR_TRY(handle_file(file));
  if (!buf && len_bytes > 0)
    return err_set(NACRE_ERR_ARGUMENT, "a buffer is missing");
  return fs_write(file->file, buf, len_bytes, offset_bytes);
}

/* The combinations that mean something, as fallocate(2) has them. */
static bool fallocate_mode_valid(unsigned mode) {
  const unsigned punch = NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE;
  if (mode & NACRE_FALLOCATE_PUNCH_HOLE)
    return mode == punch;
  return (mode & ~(unsigned)(NACRE_FALLOCATE_KEEP_SIZE | NACRE_FALLOCATE_ZERO_RANGE)) == 0;
}

enum nacre_err nacre_fallocate(nacre_file *file, unsigned mode, uint64_t offset_bytes, uint64_t len_bytes) {
  ERR_TRY(handle_file(file));
  if (len_bytes == 0)
    return err_set(NACRE_ERR_ARGUMENT, "a range of no bytes");
  if (!fallocate_mode_valid(mode))
    return err_set(NACRE_ERR_UNSUPPORTED, "no such mode of fallocate");
  return fs_fallocate(file->file, mode, offset_bytes, len_bytes);
}

enum nacre_err nacre_seek_data(nacre_file *file, uint64_t offset_bytes, uint64_t *found) {
  ERR_TRY(handle_file(file));
  if (!found)
    return err_set(NACRE_ERR_ARGUMENT, "room for the result is missing");
  return fs_seek_data(file->file, offset_bytes, found);
}

enum nacre_err nacre_seek_hole(nacre_file *file, uint64_t offset_bytes, uint64_t *found) {
  ERR_TRY(handle_file(file));
  if (!found)
    return err_set(NACRE_ERR_ARGUMENT, "room for the result is missing");
  return fs_seek_hole(file->file, offset_bytes, found);
}

enum nacre_err nacre_fstat(nacre_file *file, struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(handle_file(file));
  ERR_TRY(struct_check(attr));
  ERR_TRY(fs_fstat(file->file, &ours));
  struct_give(attr, &ours, sizeof ours);
  return NACRE_OK;
}

enum nacre_err nacre_ftruncate(nacre_file *file, uint64_t size_bytes) {
  ERR_TRY(handle_file(file));
  return fs_ftruncate(file->file, size_bytes);
}

enum nacre_err nacre_fsync(nacre_file *file) {
  ERR_TRY(handle_file(file));
  return fs_fsync(file->file);
}

enum nacre_err nacre_file_error(nacre_file *file) {
  ERR_TRY(handle_file(file));
  return fs_file_error(file->file);
}

void nacre_close(nacre_file *file) {
  if (!file || handle_file(file) != NACRE_OK)
    return;
  fs_close(file->file);
  free(file);
}

enum nacre_err nacre_readdir(nacre_dir *dir, uint64_t offset, bool with_attr, nacre_dirent_fn fn, void *arg) {
  ERR_TRY(handle_dir(dir));
  if (!fn)
    return err_set(NACRE_ERR_ARGUMENT, "a callback is missing");
  return fs_readdir(dir->vol->v->fs, dir->ino, offset, with_attr, fn, arg);
}

void nacre_closedir(nacre_dir *dir) {
  if (!dir || handle_dir(dir) != NACRE_OK)
    return;
  if (dir->pinned)
    fs_unpin(dir->vol->v->fs, dir->ino, 1);
  free(dir);
}
