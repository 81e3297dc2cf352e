/* What the parts of a check share. */
#ifndef NACRE_OPS_CHECK_STATE_H
#define NACRE_OPS_CHECK_STATE_H

#include "format/lineage.h"
#include "format/record.h"
#include "ops/check.h"

/* Of an inode, from its own record and from the names that lead to it, whichever comes first. */
struct check_link {
  uint64_t ino;      /* 0: a free place of the table */
  uint64_t named_in; /* the folder of the first name seen; 0: none */
  uint64_t parent;   /* what a folder's record says */
  uint32_t nlink;
  uint32_t names;
  uint8_t type;       /* DT_* of its record; 0: no record seen */
  uint8_t named_type; /* DT_* that the names say */
  bool names_differ;  /* they contradict each other in that */
  bool orphan;        /* has an ORPHAN record */
  bool reaches_root;  /* a folder: found to be connected */
  uint32_t visit;     /* of the search for circles */
};

struct check_links {
  struct check_link *slots;
  size_t room, used;
};

/* A problem kept until the paths are known. */
struct check_finding {
  uint64_t ino; /* 0: none in particular */
  char text[160];
};
#define CHECK_FINDINGS_MAX 256u

/* Parts of an attribute's value that are still to come. */
struct check_parts {
  uint64_t offset; /* of part 0 */
  uint32_t value_len, done;
  uint32_t parts;
};

/* The inode whose records are passing. */
struct check_current {
  uint64_t ino; /* 0: none */
  bool has_record;
  bool dying; /* on the list of orphans and without a name: a crash may have left it half deleted */
  struct record_inode inode;
  uint64_t entries, folders; /* names in a folder; how many of them are folders */
  uint64_t units;
  uint64_t chunks_end; /* behind the last extent's last chunk */
  uint64_t target_len, target_parts;
  bool has_tail, has_xattrs, has_acl_access, has_acl_default;
  struct check_parts *parts;
  size_t parts_count, parts_room, parts_at;
};

/* The branches that have passed. */
struct check_lineage {
  uint64_t count;
  uint64_t last_first; /* where the last one begins */
  struct lineage_record last;
};

struct check {
  struct engine *engine;
  const struct check_options *options;
  struct nacre_verify_report report;
  struct engine_info info;
  uint8_t *taken;   /* a bit a unit */
  uint8_t *pending; /* the same, for what waits to be freed */
  struct ptr leaf;  /* the leaf whose records are passing */
  struct check_links links;
  struct check_current current;
  struct check_lineage lineage;
  struct check_finding *findings;
  size_t finding_count;
  uint8_t *data; /* room for CHECK_DATA_BYTES */
  uint64_t done_units, told_units;
};
#define CHECK_DATA_BYTES (1u << 20)

/* Count a problem of that inode (0: of none) and keep or tell its sentence. */
void check_problem(struct check *c, uint64_t ino, const char *fmt, ...) NACRE_PRINTF(3, 4);
/* Units that a block takes; a problem where one of them is taken already. */
void check_take(struct check *c, uint64_t ino, uint64_t unit, uint64_t units);
NACRE_MUST_USE enum nacre_err check_pause(struct check *c);

/* check_inode: one record, in order; then the end of the last inode. */
NACRE_MUST_USE enum nacre_err check_inode_record(struct check *c, const struct key *key, const uint8_t *value,
                                                 size_t len);
NACRE_MUST_USE enum nacre_err check_inode_end(struct check *c);

/* check_lineage: one branch, in order; then the end, if all could be read. */
NACRE_MUST_USE enum nacre_err check_lineage_record(struct check *c, uint64_t first, const uint8_t *value, size_t len);
void check_lineage_end(struct check *c);

/* check_links */
NACRE_MUST_USE enum nacre_err check_link_at(struct check *c, uint64_t ino, struct check_link **out);
NACRE_MUST_USE enum nacre_err check_link_name(struct check *c, uint64_t folder, uint64_t ino, uint8_t type);
void check_links_end(struct check *c);
/* Path of an inode by way of the first names seen; NULL where it is not known. Freed by the caller. */
char *check_path(struct check *c, uint64_t ino);

#endif
