/* Finding inodes by number: shards with a hash chain, a list of unused inodes, and the pins. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "fs/inode.h"

#define BUCKETS_FIRST 16u
#define PINS_FIRST 16u
#define SHARD_LRU_MIN 16u

static struct shard *shard_of(struct fs *fs, uint64_t ino) {
  return &fs->shards[ino % FS_SHARDS];
}

enum nacre_err inode_table_init(struct fs *fs, uint64_t memory_bytes) {
  fs->shard_lru_max = (size_t)(memory_bytes / 8 / sizeof(struct inode) / FS_SHARDS);
  if (fs->shard_lru_max < SHARD_LRU_MIN)
    fs->shard_lru_max = SHARD_LRU_MIN;
  for (unsigned i = 0; i < FS_SHARDS; i++) {
    struct shard *shard = &fs->shards[i];
    pthread_mutex_init(&shard->lock, NULL);
    shard->buckets = calloc(BUCKETS_FIRST, sizeof(struct inode *));
    shard->pins = calloc(PINS_FIRST, sizeof(struct pin));
    shard->bucket_count = BUCKETS_FIRST;
    shard->pins_cap = PINS_FIRST;
  }
  for (unsigned i = 0; i < FS_SHARDS; i++) {
    if (fs->shards[i].buckets == NULL || fs->shards[i].pins == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "no memory for the table of inodes");
  }
  return NACRE_OK;
}

void inode_table_free(struct fs *fs) {
  for (unsigned i = 0; i < FS_SHARDS; i++) {
    struct shard *shard = &fs->shards[i];
    for (size_t b = 0; shard->buckets != NULL && b < shard->bucket_count; b++) {
      struct inode *next;
      for (struct inode *inode = shard->buckets[b]; inode != NULL; inode = next) {
        next = inode->hash_next;
        inode_free(fs, inode);
      }
    }
    free(shard->buckets);
    free(shard->pins);
    pthread_mutex_destroy(&shard->lock);
  }
}

/* ---- Chains ---- */

static struct inode **bucket_of(struct shard *shard, uint64_t ino) {
  return &shard->buckets[ino / FS_SHARDS & (shard->bucket_count - 1)];
}

static struct inode *shard_find(struct shard *shard, uint64_t ino) {
  struct inode *inode = *bucket_of(shard, ino);
  while (inode != NULL && inode->ino != ino)
    inode = inode->hash_next;
  return inode;
}

/* Without memory the chains just get longer. */
static void shard_grow(struct shard *shard) {
  size_t count = shard->bucket_count * 2;
  struct inode **buckets = calloc(count, sizeof(struct inode *));
  if (buckets == NULL)
    return;
  struct inode **old = shard->buckets;
  size_t old_count = shard->bucket_count;
  shard->buckets = buckets;
  shard->bucket_count = count;
  for (size_t i = 0; i < old_count; i++) {
    struct inode *next;
    for (struct inode *inode = old[i]; inode != NULL; inode = next) {
      next = inode->hash_next;
      struct inode **at = bucket_of(shard, inode->ino);
      inode->hash_next = *at;
      *at = inode;
    }
  }
  free(old);
}

static void shard_insert(struct shard *shard, struct inode *inode) {
  if (shard->used >= shard->bucket_count)
    shard_grow(shard);
  struct inode **at = bucket_of(shard, inode->ino);
  inode->hash_next = *at;
  *at = inode;
  shard->used++;
}

static void shard_remove(struct shard *shard, struct inode *inode) {
  struct inode **at = bucket_of(shard, inode->ino);
  while (*at != inode)
    at = &(*at)->hash_next;
  *at = inode->hash_next;
  shard->used--;
  shard->removals++;
}

/* ---- Unused inodes ---- */

static void lru_remove(struct shard *shard, struct inode *inode) {
  if (inode->lru_prev != NULL)
    inode->lru_prev->lru_next = inode->lru_next;
  else
    shard->lru_first = inode->lru_next;
  if (inode->lru_next != NULL)
    inode->lru_next->lru_prev = inode->lru_prev;
  else
    shard->lru_last = inode->lru_prev;
  inode->lru_prev = inode->lru_next = NULL;
  inode->in_lru = false;
  shard->lru_count--;
}

static void lru_add(struct shard *shard, struct inode *inode) {
  inode->lru_prev = NULL;
  inode->lru_next = shard->lru_first;
  if (shard->lru_first != NULL)
    shard->lru_first->lru_prev = inode;
  else
    shard->lru_last = inode;
  shard->lru_first = inode;
  inode->in_lru = true;
  shard->lru_count++;
}

/* ---- Pins ---- */

static size_t pin_slot(const struct shard *shard, uint64_t ino) {
  size_t at = (size_t)(ino / FS_SHARDS) & (shard->pins_cap - 1);
  while (shard->pins[at].ino != 0 && shard->pins[at].ino != ino)
    at = (at + 1) & (shard->pins_cap - 1);
  return at;
}

static bool pins_grow(struct shard *shard) {
  struct shard grown = {.pins_cap = shard->pins_cap * 2};
  grown.pins = calloc(grown.pins_cap, sizeof(struct pin));
  if (grown.pins == NULL)
    return false;
  for (size_t i = 0; i < shard->pins_cap; i++) {
    if (shard->pins[i].ino != 0)
      grown.pins[pin_slot(&grown, shard->pins[i].ino)] = shard->pins[i];
  }
  free(shard->pins);
  shard->pins = grown.pins;
  shard->pins_cap = grown.pins_cap;
  return true;
}

/* Close the gap: move back what the gap would hide. */
static void pin_remove(struct shard *shard, size_t gap) {
  size_t mask = shard->pins_cap - 1;
  for (size_t at = (gap + 1) & mask; shard->pins[at].ino != 0; at = (at + 1) & mask) {
    size_t home = (size_t)(shard->pins[at].ino / FS_SHARDS) & mask;
    if (((at - home) & mask) >= ((at - gap) & mask)) {
      shard->pins[gap] = shard->pins[at];
      gap = at;
    }
  }
  shard->pins[gap] = (struct pin){0};
  shard->pins_used--;
}

enum nacre_err inode_pin(struct fs *fs, uint64_t ino) {
  struct shard *shard = shard_of(fs, ino);
  enum nacre_err err = NACRE_OK;
  pthread_mutex_lock(&shard->lock);
  size_t at = pin_slot(shard, ino);
  if (shard->pins[at].ino != 0) {
    shard->pins[at].count++;
  } else if (shard->pins_used * 3 >= shard->pins_cap * 2 && !pins_grow(shard)) {
    err = err_set(NACRE_ERR_NO_MEMORY, "no memory for an inode's pin");
  } else {
    shard->pins[pin_slot(shard, ino)] = (struct pin){.ino = ino, .count = 1};
    shard->pins_used++;
  }
  pthread_mutex_unlock(&shard->lock);
  return err;
}

/* ---- References ---- */

/* Under the shard's lock, when nobody uses it: the inode's fate. Returns one that is to be freed, or NULL. */
static struct inode *settle(struct fs *fs, struct shard *shard, struct inode *inode) {
  if (inode->refs > 0 || inode->dead)
    return NULL;
  if (inode->rec.nlink == 0) {
    if (shard->pins[pin_slot(shard, inode->ino)].ino != 0)
      return NULL;
    inode->dead = true;
    inode->refs = 1;
    pthread_mutex_lock(&fs->zombie_lock);
    inode->lru_next = fs->zombies;
    fs->zombies = inode;
    pthread_mutex_unlock(&fs->zombie_lock);
    atomic_fetch_add(&fs->zombie_count, 1);
    return NULL;
  }
  /* A loss that nobody was told of is for who opens it next. */
  if (inode->listed || inode->loss_count != inode->losses_told)
    return NULL;
  lru_add(shard, inode);
  if (shard->lru_count <= fs->shard_lru_max)
    return NULL;
  struct inode *oldest = shard->lru_last;
  lru_remove(shard, oldest);
  shard_remove(shard, oldest);
  return oldest;
}

void inode_unpin(struct fs *fs, uint64_t ino, uint64_t pins) {
  struct shard *shard = shard_of(fs, ino);
  struct inode *evicted = NULL;
  pthread_mutex_lock(&shard->lock);
  size_t at = pin_slot(shard, ino);
  if (shard->pins[at].ino != 0) {
    shard->pins[at].count -= u64_min(pins, shard->pins[at].count);
    if (shard->pins[at].count == 0) {
      pin_remove(shard, at);
      struct inode *inode = shard_find(shard, ino);
      if (inode != NULL && !inode->in_lru)
        evicted = settle(fs, shard, inode);
    }
  }
  pthread_mutex_unlock(&shard->lock);
  if (evicted != NULL)
    inode_free(fs, evicted);
}

static void shard_take(struct shard *shard, struct inode *inode) {
  if (inode->in_lru)
    lru_remove(shard, inode);
  inode->refs++;
}

enum nacre_err inode_get(struct fs *fs, uint64_t ino, struct inode **out) {
  *out = NULL;
  struct shard *shard = shard_of(fs, ino);
  struct inode *fresh = NULL;
  uint64_t removals = 0;
  for (;;) {
    pthread_mutex_lock(&shard->lock);
    struct inode *inode = shard_find(shard, ino);
    if (inode == NULL && fresh != NULL && shard->removals == removals) {
      shard_insert(shard, fresh);
      pthread_mutex_unlock(&shard->lock);
      *out = fresh;
      return NACRE_OK;
    }
    bool dead = inode != NULL && inode->dead;
    if (inode != NULL && !dead)
      shard_take(shard, inode);
    removals = shard->removals;
    pthread_mutex_unlock(&shard->lock);
    if (fresh != NULL)
      inode_free(fs, fresh);
    if (dead)
      return err_set(NACRE_ERR_NOT_FOUND, "the file was deleted");
    *out = inode;
    if (inode != NULL)
      return NACRE_OK;
    struct record_inode rec;
    if (ino == 0 || ino > FORMAT_INO_MAX)
      return err_set(NACRE_ERR_NOT_FOUND, "no such inode");
    ERR_TRY(inode_load_record(fs, ino, &rec));
    fresh = inode_new(fs, ino, &rec);
    if (fresh == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "no memory for an inode");
  }
}

enum nacre_err inode_get_dir(struct fs *fs, uint64_t ino, struct inode **out) {
  ERR_TRY(inode_get(fs, ino, out));
  if (S_ISDIR((*out)->rec.mode))
    return NACRE_OK;
  inode_put(fs, *out);
  *out = NULL;
  return err_set(NACRE_ERR_NOT_DIRECTORY, "not a folder");
}

void inode_ref(struct fs *fs, struct inode *inode) {
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&shard->lock);
  shard_take(shard, inode);
  pthread_mutex_unlock(&shard->lock);
}

bool inode_ref_live(struct fs *fs, struct inode *inode) {
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&shard->lock);
  bool live = !inode->dead;
  if (live)
    shard_take(shard, inode);
  pthread_mutex_unlock(&shard->lock);
  return live;
}

void inode_put(struct fs *fs, struct inode *inode) {
  if (inode == NULL)
    return;
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&shard->lock);
  inode->refs--;
  struct inode *evicted = settle(fs, shard, inode);
  pthread_mutex_unlock(&shard->lock);
  if (evicted != NULL)
    inode_free(fs, evicted);
}

void inode_publish(struct fs *fs, struct inode *inode) {
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&shard->lock);
  shard_insert(shard, inode);
  pthread_mutex_unlock(&shard->lock);
}

void inode_destroy(struct fs *fs, struct inode *inode) {
  inode_unlist(fs, inode);
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&shard->lock);
  shard_remove(shard, inode);
  pthread_mutex_unlock(&shard->lock);
  inode_free(fs, inode);
}
