/* What anybody can tell of a volume who has it, without a credential: what nacre info shows, what a saved record of
 * that keeps, and what an audit judges. */
#ifndef NACRE_CLI_PUBLIC_VIEW_H
#define NACRE_CLI_PUBLIC_VIEW_H

#include <stdbool.h>

#include <json-c/json_types.h>
#include <nacre.h>

enum public_origin {
  PUBLIC_CONTAINER,
  PUBLIC_BACKUP, /* of a header */
  PUBLIC_HEADER  /* a detached one */
};

struct public_view {
  enum public_origin origin;
  struct nacre_public_info info;
  char problem[256]; /* why its header can't be used; "" where it can */
  char *mounted_on;  /* NULL: not known to be */
};

/* Look at what is at a path, whose target that is. The error is that of nacre_probe, and `problem` its text. Free
 * with public_view_free in any case. */
enum nacre_err public_view_take(struct public_view *view, const char *path, const struct nacre_target *target);
void public_view_free(struct public_view *view);
/* Whether a header's first bytes are where one of its copies stands, whatever became of the rest. Returns 0 or an
 * errno. */
int public_view_is_marked(const char *path, bool *marked);

/* ---- Words ---- */

const char *public_origin_text(enum public_origin origin);
const char *public_cipher_text(enum nacre_cipher cipher);
bool public_view_has_id(const struct public_view *view);
#define PUBLIC_ID_BYTES 33
/* As digits, or "unknown", into text; returns text. */
const char *public_id_text(const struct public_view *view, char text[PUBLIC_ID_BYTES]);
#define PUBLIC_HEADERS_BYTES 64
/* "2 of 2 readable", and whether they differ, into text; returns text. */
const char *public_headers_text(const struct public_view *view, char text[PUBLIC_HEADERS_BYTES]);
/* Add the fields that nacre info and an audit have alike. */
void public_view_add_json(const struct public_view *view, struct json_object *object);
/* Read them. Anybody may have written them: false where they can't have come from public_view_add_json. What older
 * ones lack is taken to be as it usually is. */
bool public_view_read_json(struct public_view *view, struct json_object *object);

#endif
