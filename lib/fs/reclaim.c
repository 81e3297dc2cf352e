#include "fs/reclaim.h"

#include "base/err.h"

/* A transaction deletes that many records of an inode at most. */
#define STEP_RECORDS 32u
/* They lie side by side: no more leaves than for so many records apart from each other, with the orphan's. */
#define STEP_APART 6u
#define ORPHANS_BATCH 64u

/* What giving an extent's space back takes: all but the tags. */
struct space {
  uint64_t unit, birth, alloc;
  uint32_t chunk_bytes, count, last_bytes, epoch;
};

/* Records of one step. */
struct step {
  unsigned count;
  bool bad;
  bool more;
  uint64_t units_end;
  struct key keys[STEP_RECORDS];
  struct space spaces[STEP_RECORDS]; /* count 0: another type of record */
  struct extent scratch;
};

static bool step_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct step *s = arg;
  if (s->count == STEP_RECORDS) {
    s->more = true;
    return false;
  }
  struct space *space = &s->spaces[s->count];
  space->count = 0;
  if (key->type == FORMAT_RECORD_EXTENT) {
    struct extent *x = &s->scratch;
    if (extent_decode(value, len, s->units_end, x) != NACRE_OK) {
      s->bad = true;
      return false;
    }
    *space = (struct space){x->unit, x->birth, x->alloc, x->chunk_bytes, x->count, x->last_bytes, x->epoch};
  }
  s->keys[s->count++] = *key;
  return true;
}

/* The records behind the inode's own. */
static enum nacre_err step_collect(struct fs *fs, uint64_t ino, struct step *s) {
  s->count = 0;
  s->bad = s->more = false;
  s->units_end = engine_units_end(fs->engine);
  struct key low = key_make(ino, FORMAT_RECORD_INODE, 1);
  struct key high = key_make(ino, UINT8_MAX, UINT64_MAX);
  ERR_TRY(tree_scan(fs->engine, &low, &high, step_visit, s));
  return s->bad ? err_set(NACRE_ERR_DAMAGED, "a deleted file's extent is malformed") : NACRE_OK;
}

static void give_back(struct txn *txn, struct extent *x, const struct space *space) {
  x->unit = space->unit;
  x->birth = space->birth;
  x->alloc = space->alloc;
  x->chunk_bytes = space->chunk_bytes;
  x->count = space->count;
  x->last_bytes = space->last_bytes;
  x->epoch = space->epoch;
  data_free(txn, x);
}

/* One step; the last takes the inode and its orphan record too. */
static enum nacre_err step_delete(struct fs *fs, struct txn *txn, uint64_t ino, struct step *s) {
  bool changed = false;
  enum nacre_err err = step_collect(fs, ino, s);
  for (unsigned i = 0; i < s->count && err == NACRE_OK; i++) {
    err = tree_delete(txn, &s->keys[i]);
    if (err == NACRE_OK && s->spaces[i].count > 0)
      give_back(txn, &s->scratch, &s->spaces[i]);
    changed = changed || err == NACRE_OK;
  }
  struct key inode = key_make(ino, FORMAT_RECORD_INODE, 0);
  struct key orphan = key_make(0, FORMAT_RECORD_ORPHAN, ino);
  if (err == NACRE_OK && !s->more) {
    err = tree_delete(txn, &inode);
    changed = changed || err == NACRE_OK;
    if (err == NACRE_OK)
      err = tree_delete(txn, &orphan);
    if (err == NACRE_OK)
      engine_count_inodes(txn, -1);
  }
  return err != NACRE_OK && changed ? txn_abort(txn, err) : err;
}

/* Only what is listed as deleted is: an inode without names in a hostile tree is none. */
static enum nacre_err check_listed(struct fs *fs, uint64_t ino) {
  uint8_t value[RECORD_ORPHAN_BYTES];
  size_t len;
  struct key key = key_make(0, FORMAT_RECORD_ORPHAN, ino);
  enum nacre_err err = tree_get(fs->engine, &key, value, sizeof value, &len);
  return err == NACRE_ERR_NOT_FOUND ? err_set(NACRE_ERR_DAMAGED, "a deleted file is not listed as such") : err;
}

static enum nacre_err delete_records(struct fs *fs, uint64_t ino) {
  struct step s;
  ERR_TRY(check_listed(fs, ino));
  do {
    struct txn txn;
    ERR_TRY(txn_begin(fs->engine, TXN_FREEING, STEP_APART, &txn));
    enum nacre_err err = step_delete(fs, &txn, ino, &s);
    txn_end(&txn);
    if (err != NACRE_OK)
      return err;
  } while (s.more);
  return NACRE_OK;
}

void reclaim_zombies(struct fs *fs) {
  while (atomic_load(&fs->zombie_count) > 0) {
    pthread_mutex_lock(&fs->zombie_lock);
    struct inode *inode = fs->zombies;
    if (inode != NULL) {
      fs->zombies = inode->lru_next;
      inode->lru_next = NULL;
      atomic_fetch_sub(&fs->zombie_count, 1);
    }
    pthread_mutex_unlock(&fs->zombie_lock);
    if (inode == NULL)
      return;
    /* A failure costs space until the next opening, and is none of the caller's business. */
    (void)delete_records(fs, inode->ino);
    inode_destroy(fs, inode);
  }
}

/* ---- After a crash ---- */

struct orphans {
  unsigned count;
  uint64_t inos[ORPHANS_BATCH];
};

static bool orphan_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct orphans *o = arg;
  (void)value;
  (void)len;
  o->inos[o->count++] = key->offset;
  return o->count < ORPHANS_BATCH;
}

static enum nacre_err recover_one(struct fs *fs, uint64_t ino) {
  struct inode *inode;
  ERR_TRY(inode_get(fs, ino, &inode));
  pthread_mutex_lock(&inode->lock);
  bool nameless = inode->rec.nlink == 0;
  pthread_mutex_unlock(&inode->lock);
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return nameless ? NACRE_OK : err_set(NACRE_ERR_DAMAGED, "an inode with a name is listed as deleted");
}

enum nacre_err fs_recover(struct fs *fs) {
  uint64_t next = 0;
  struct orphans o;
  do {
    o.count = 0;
    struct key low = key_make(0, FORMAT_RECORD_ORPHAN, next);
    struct key high = key_make(0, FORMAT_RECORD_ORPHAN, UINT64_MAX);
    ERR_TRY(tree_scan(fs->engine, &low, &high, orphan_visit, &o));
    for (unsigned i = 0; i < o.count; i++) {
      /* One that can't be deleted is left for verify to name; the rest of the volume is fine. */
      enum nacre_err err = recover_one(fs, o.inos[i]);
      if (err != NACRE_OK && err != NACRE_ERR_DAMAGED && err != NACRE_ERR_NOT_FOUND && err != NACRE_ERR_UNSUPPORTED)
        return err;
      if (o.inos[i] == UINT64_MAX)
        return NACRE_OK;
      next = o.inos[i] + 1;
    }
  } while (o.count == ORPHANS_BATCH);
  return NACRE_OK;
}
