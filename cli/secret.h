/* Memory for passphrases and keys: locked where the system allows it, out of core dumps, wiped when freed. */
#ifndef NACRE_CLI_SECRET_H
#define NACRE_CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct secret {
  char *bytes; /* bytes[len] is always NUL and inside the room */
  size_t len;
  size_t room; /* bytes that fit, without that NUL */
};

/* Before any secret is read: no core dumps, and no other process of this user may look inside. */
void secret_harden_process(void);
bool secret_alloc(struct secret *secret, size_t room);
/* Wipe and free; a secret that is all zero is left alone. */
void secret_free(struct secret *secret);
void secret_wipe(void *bytes, size_t len);
bool secret_equal(const struct secret *a, const struct secret *b);

enum secret_read { SECRET_READ_OK, SECRET_READ_TOO_LONG, SECRET_READ_FAILED /* errno says why */ };
/* Read up to and without the first LF or CRLF, or up to the end. What follows the line stays unread. */
enum secret_read secret_read_line(int fd, struct secret *secret);
/* Read to the end. */
enum secret_read secret_read_all(int fd, struct secret *secret);

#endif
