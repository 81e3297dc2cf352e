#include "api/structs.h"

#include "base/bytes.h"
#include "base/err.h"

/* No struct of this interface will ever be that large: what is above was not set. */
#define STRUCT_SIZE_MAX_BYTES 65536u

static size_t size_of(const void *theirs) {
  size_t size_bytes;
  memcpy(&size_bytes, theirs, sizeof size_bytes);
  return size_bytes;
}

enum nacre_err struct_check(const void *theirs) {
  if (!theirs)
    return err_set(NACRE_ERR_ARGUMENT, "a struct to fill is missing");
  size_t size_bytes = size_of(theirs);
  if (size_bytes < sizeof(size_t) || size_bytes > STRUCT_SIZE_MAX_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, "a struct's struct_size is not set");
  return NACRE_OK;
}

enum nacre_err struct_take(void *ours, size_t size_bytes, const void *theirs) {
  memset(ours, 0, size_bytes);
  memcpy(ours, &size_bytes, sizeof size_bytes);
  if (!theirs)
    return NACRE_OK;
  ERR_TRY(struct_check(theirs));
  size_t their_bytes = size_of(theirs);
  size_t common = their_bytes < size_bytes ? their_bytes : size_bytes;
  if (their_bytes > size_bytes && !bytes_all_zero((const uint8_t *)theirs + size_bytes, their_bytes - size_bytes))
    return err_set(NACRE_ERR_ARGUMENT, "an option that this version of the library does not know is set");
  memcpy((uint8_t *)ours + sizeof(size_t), (const uint8_t *)theirs + sizeof(size_t), common - sizeof(size_t));
  return NACRE_OK;
}

void struct_give(void *theirs, const void *ours, size_t size_bytes) {
  size_t their_bytes = size_of(theirs);
  size_t common = their_bytes < size_bytes ? their_bytes : size_bytes;
  memcpy((uint8_t *)theirs + sizeof(size_t), (const uint8_t *)ours + sizeof(size_t), common - sizeof(size_t));
  if (their_bytes > common)
    memset((uint8_t *)theirs + common, 0, their_bytes - common);
}
