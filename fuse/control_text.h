/* The text of the control socket: fields of bytes in one line, and where the sockets are. */
#ifndef NACRE_FUSE_CONTROL_TEXT_H
#define NACRE_FUSE_CONTROL_TEXT_H

#include "fuse/control.h"

#define CONTROL_REQUEST_MAX_BYTES (2 * NACRE_SLOT_ORDER_MAX_BYTES + 64) /* of the longest, "key" */
#define CONTROL_LINE_MAX_BYTES 32768
#define CONTROL_SUFFIX ".sock"

/* A line that grows by fields; what does not fit is cut, which `full` tells. */
struct control_line {
  char text[CONTROL_LINE_MAX_BYTES];
  size_t len;
  bool full;
};

void control_add_text(struct control_line *line, const char *text);
void control_add_bytes(struct control_line *line, const char *key, const char *value);
void control_add_number(struct control_line *line, const char *key, uint64_t value);

/* The newline, for which there is room also where the last field had to be cut. */
void control_end_line(struct control_line *line);

/* The value of a field of a line, decoded, to be freed; NULL where it is missing or malformed. */
char *control_field(const char *line, const char *key);
uint64_t control_field_number(const char *line, const char *key);

/* The folder in which this process looks for sockets and puts its own; -1 with errno. */
int control_own_path(char *path, size_t size);
/* The same, made if need be and certainly its user's own. */
int control_own_folder(char *path, size_t size);
/* Whether the folder is `uid`'s and closed to all others. */
bool control_folder_is_safe(const char *path, uid_t uid);

#endif
