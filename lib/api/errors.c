/* What a code says: to a person, and to a POSIX program. And what version this is. */
#include "base/err.h"
#include "format/format.h"

#include <errno.h>

static const struct {
  const char *text;
  int errnum;
} codes[] = {
    [NACRE_OK] = {"done", 0},
    [NACRE_ERR_ARGUMENT] = {"invalid argument", EINVAL},
    [NACRE_ERR_NO_MEMORY] = {"out of memory", ENOMEM},
    [NACRE_ERR_IO] = {"the storage failed", EIO},
    [NACRE_ERR_CREDENTIAL] = {"no credential that opens it", EACCES},
    [NACRE_ERR_DAMAGED] = {"damaged or tampered with", EIO},
    [NACRE_ERR_IN_USE] = {"in use", EBUSY},
    [NACRE_ERR_NOT_VOLUME] = {"not a Nacre volume", ENOENT},
    [NACRE_ERR_NO_SPACE] = {"no space left", ENOSPC},
    [NACRE_ERR_UNSUPPORTED] = {"not supported here", EOPNOTSUPP},
    [NACRE_ERR_ROLLED_BACK] = {"rolled back to an older state", ESTALE},
    [NACRE_ERR_READ_ONLY] = {"read-only", EROFS},
    [NACRE_ERR_NOT_FOUND] = {"not found", ENOENT},
    [NACRE_ERR_EXISTS] = {"exists already", EEXIST},
    [NACRE_ERR_NOT_DIRECTORY] = {"not a folder", ENOTDIR},
    [NACRE_ERR_IS_DIRECTORY] = {"is a folder", EISDIR},
    [NACRE_ERR_NOT_EMPTY] = {"folder not empty", ENOTEMPTY},
    [NACRE_ERR_NAME_TOO_LONG] = {"name too long", ENAMETOOLONG},
    [NACRE_ERR_TOO_LARGE] = {"too large", EFBIG},
    [NACRE_ERR_NO_ATTRIBUTE] = {"no such extended attribute", ENODATA},
    [NACRE_ERR_RANGE] = {"out of range", ERANGE},
    [NACRE_ERR_PERMISSION] = {"not permitted", EPERM},
    [NACRE_ERR_CANCELLED] = {"cancelled", ECANCELED},
    [NACRE_ERR_LIMIT] = {"over a limit that the caller set", E2BIG},
    [NACRE_ERR_WEAK] = {"too weak", EPERM},
    [NACRE_ERR_FORKED] = {"handle used after fork", EBADF},
    [NACRE_ERR_OTHER_VOLUME] = {"not the volume that was expected", ESTALE},
    [NACRE_ERR_LOOP] = {"too many symbolic links, or a folder under itself", ELOOP},
};

static bool known(enum nacre_err err) {
  return (unsigned)err < sizeof codes / sizeof codes[0];
}

const char *nacre_strerror(enum nacre_err err) {
  return known(err) ? codes[err].text : "unknown error";
}

int nacre_err_to_errno(enum nacre_err err) {
  return known(err) ? codes[err].errnum : EIO;
}

const char *nacre_last_error(void) {
  return err_message();
}

const char *nacre_version(void) {
  return NACRE_VERSION;
}

uint32_t nacre_format_version(void) {
  return FORMAT_VERSION;
}
