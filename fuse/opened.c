#include "fuse/opened.h"

#include <stdlib.h>

#define BUCKETS 4096

struct open_table {
  pthread_mutex_t lock;
  uint64_t count;
  struct opened_file files; /* head of the ring of all open files */
  struct opened_inode *buckets[BUCKETS];
};

struct open_table *opened_table_new(void) {
  struct open_table *table = calloc(1, sizeof *table);
  if (table == NULL)
    return NULL;
  if (pthread_mutex_init(&table->lock, NULL) != 0) {
    free(table);
    return NULL;
  }
  table->files.previous = table->files.next = &table->files;
  return table;
}

void opened_table_free(struct open_table *table) {
  if (table == NULL)
    return;
  while (table->files.next != &table->files)
    opened_remove(table, table->files.next);
  pthread_mutex_destroy(&table->lock);
  free(table);
}

uint64_t opened_count(struct open_table *table) {
  pthread_mutex_lock(&table->lock);
  uint64_t count = table->count;
  pthread_mutex_unlock(&table->lock);
  return count;
}

static struct opened_inode **inode_slot(struct open_table *table, fuse_ino_t ino) {
  struct opened_inode **slot = &table->buckets[ino % BUCKETS];
  while (*slot != NULL && (*slot)->ino != ino)
    slot = &(*slot)->next;
  return slot;
}

static void link_file(struct open_table *table, struct opened_file *opened) {
  opened->next = &table->files;
  opened->previous = table->files.previous;
  opened->previous->next = opened;
  table->files.previous = opened;
  table->count++;
}

/* Decides how the kernel is to open the file. Returns whether its pages have to be dropped first. */
static bool count_in(struct opened_inode *inode, struct opened_file *opened, enum opened_want want) {
  bool first = inode->cached + inode->direct == 0;
  opened->direct = want != OPENED_CACHED && inode->cached == 0;
  if (!opened->direct) {
    inode->cached++;
    inode->cached_since = true;
    atomic_store(&inode->pages, true);
    return false;
  }
  inode->direct++;
  bool settle = first && want == OPENED_DIRECT;
  if (settle)
    atomic_store(&inode->pages, true);
  return settle;
}

struct opened_file *opened_add(struct open_table *table, fuse_ino_t ino, nacre_file *file, enum opened_want want,
                               bool *settle) {
  struct opened_file *opened = calloc(1, sizeof *opened);
  struct opened_inode *fresh = calloc(1, sizeof *fresh);
  if (opened == NULL || fresh == NULL) {
    free(opened);
    free(fresh);
    return NULL;
  }
  opened->file = file;

  pthread_mutex_lock(&table->lock);
  struct opened_inode **slot = inode_slot(table, ino);
  if (*slot == NULL) {
    fresh->ino = ino;
    *slot = fresh;
    fresh = NULL;
  }
  opened->inode = *slot;
  *settle = count_in(opened->inode, opened, want);
  link_file(table, opened);
  pthread_mutex_unlock(&table->lock);

  free(fresh);
  return opened;
}

void opened_settled(struct open_table *table, struct opened_file *opened) {
  pthread_mutex_lock(&table->lock);
  if (!opened->inode->cached_since)
    atomic_store(&opened->inode->pages, false);
  pthread_mutex_unlock(&table->lock);
}

void opened_remove(struct open_table *table, struct opened_file *opened) {
  struct opened_inode *gone = NULL;
  pthread_mutex_lock(&table->lock);
  opened->previous->next = opened->next;
  opened->next->previous = opened->previous;
  table->count--;
  struct opened_inode *inode = opened->inode;
  if (opened->direct)
    inode->direct--;
  else
    inode->cached--;
  if (inode->cached + inode->direct == 0) {
    gone = inode;
    *inode_slot(table, inode->ino) = inode->next;
  }
  pthread_mutex_unlock(&table->lock);

  nacre_close(opened->file);
  free(gone);
  free(opened);
}

void opened_attributes_changed(struct open_table *table, fuse_ino_t ino) {
  pthread_mutex_lock(&table->lock);
  struct opened_inode *inode = *inode_slot(table, ino);
  if (inode != NULL) {
    atomic_store(&inode->plain, false);
    atomic_store(&inode->atime_settled, false);
  }
  pthread_mutex_unlock(&table->lock);
}
