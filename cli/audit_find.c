#include "audit.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"
#include "volume.h"

static int unreadable(struct audit *audit, const char *path, int error) {
  audit->unreadable++;
  return report_errno(path, "cannot look at it", error);
}

static int look(struct audit *audit, const char *path) {
  bool marked;
  const int error = public_view_is_marked(path, &marked);
  if (error != 0)
    return unreadable(audit, path, error);
  if (!marked)
    return EXIT_DONE;
  struct audit_volume *volume = audit_add(audit, path);
  if (volume == NULL)
    return report_no_memory();
  const struct nacre_target target = volume_plain_target(path);
  (void)public_view_take(&volume->seen, path, &target); /* the error is its problem */
  return EXIT_DONE;
}

static int visit(struct audit *audit, const FTSENT *entry) {
  switch (entry->fts_info) {
  case FTS_DNR:
  case FTS_ERR:
  case FTS_NS:
    return unreadable(audit, entry->fts_path, entry->fts_errno);
  case FTS_F:
    return look(audit, entry->fts_path);
  case FTS_DEFAULT:
    return S_ISBLK(entry->fts_statp->st_mode) ? look(audit, entry->fts_path) : EXIT_DONE;
  default:
    return EXIT_DONE;
  }
}

/* A link that is named is followed, one that is found is not. */
int audit_find(struct audit *audit, const char *path) {
  char *copy = strdup(path);
  char *const paths[] = {copy, NULL};
  FTS *walk = copy != NULL
                  ? fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | (audit->cross ? 0 : FTS_XDEV), NULL)
                  : NULL;
  int code = walk != NULL ? EXIT_DONE : report_no_memory();
  const FTSENT *entry;
  while (walk != NULL && (entry = fts_read(walk)) != NULL) {
    const int seen = visit(audit, entry);
    code = code == EXIT_DONE ? seen : code;
  }
  if (walk != NULL)
    (void)fts_close(walk);
  free(copy);
  return code;
}
