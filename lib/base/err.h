/* The thread-local error message. Every failing function says why, once, where the failure is first seen. */
#ifndef NACRE_BASE_ERR_H
#define NACRE_BASE_ERR_H

#include <nacre.h>
#include <stdarg.h>

#if defined(__GNUC__)
#define NACRE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define NACRE_PRINTF(fmt, args)
#endif

/* Store the message (cut at 255 bytes) and return the code. Never pass secrets. */
enum nacre_err err_set(enum nacre_err code, const char *fmt, ...) NACRE_PRINTF(2, 3);
/* The same with ": strerror(errnum)" after it. */
enum nacre_err err_set_errno(enum nacre_err code, int errnum, const char *fmt, ...) NACRE_PRINTF(3, 4);
/* Put "context: " before the message that is there. */
enum nacre_err err_prefix(enum nacre_err code, const char *fmt, ...) NACRE_PRINTF(2, 3);
/* Lets compilers and analysers see that what is returned is the code that went in. */
#define err_set(code, ...)                                                                                           \
  (__extension__({                                                                                                   \
    enum nacre_err err_given_ = (code);                                                                              \
    (void)err_set(err_given_, __VA_ARGS__);                                                                          \
    err_given_;                                                                                                      \
  }))
void err_clear(void);
const char *err_message(void);

/* Return at once when a call fails. For functions with nothing to clean up. */
#define ERR_TRY(expr)                                                                                                \
  do {                                                                                                               \
    enum nacre_err err_try_ = (expr);                                                                                \
    if (err_try_ != NACRE_OK)                                                                                        \
      return err_try_;                                                                                               \
  } while (0)

#endif
