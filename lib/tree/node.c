#include "tree/node.h"

#include "base/secmem.h"

#include <assert.h>
#include <stdlib.h>

#define LEAF_SLOTS_START ((unsigned)(PAGES_BYTES / sizeof(struct leaf_slot)))
#define LEAF_SLOTS_MAX ((FORMAT_NODE_BYTES - FORMAT_NODE_HEADER_BYTES) / NODE_LEAF_RECORD_BYTES)

static_assert(LEAF_SLOTS_MAX * sizeof(struct leaf_slot) <= PAGES_MOST_BYTES &&
                  NODE_BRANCH_MAX * sizeof(struct branch_entry) <= PAGES_MOST_BYTES,
              "a node's parts can be had");

static size_t slots_bytes(unsigned room) {
  return room * sizeof(struct leaf_slot);
}

static size_t entries_bytes(void) {
  return NODE_BRANCH_MAX * sizeof(struct branch_entry);
}

struct node *node_new(struct pages *pages, uint8_t level) {
  struct node *n = calloc(1, sizeof *n);
  if (n == NULL)
    return NULL;
  n->pages = pages;
  n->level = level;
  n->state = NODE_DIRTY;
  n->used_bytes = FORMAT_NODE_HEADER_BYTES;
  if (level == 0) {
    n->slots = pages_take(pages, slots_bytes(LEAF_SLOTS_START));
    n->slots_room = LEAF_SLOTS_START;
    n->heap = pages_take(pages, FORMAT_NODE_BYTES);
    n->heap_low = FORMAT_NODE_BYTES;
  } else {
    n->entries = pages_take(pages, entries_bytes());
  }
  if (level == 0 ? n->slots == NULL || n->heap == NULL : n->entries == NULL) {
    node_free(n);
    return NULL;
  }
  return n;
}

void node_free(struct node *n) {
  if (n == NULL)
    return;
  if (n->heap != NULL)
    secmem_wipe(n->heap, FORMAT_NODE_BYTES);
  pages_give(n->pages, n->heap, FORMAT_NODE_BYTES);
  pages_give(n->pages, n->slots, slots_bytes(n->slots_room));
  pages_give(n->pages, n->entries, entries_bytes());
  free(n);
}

size_t node_memory_bytes(const struct node *n) {
  size_t own = sizeof *n;
  if (n->level > 0)
    return own + pages_bytes(entries_bytes());
  return own + FORMAT_NODE_BYTES + pages_bytes(slots_bytes(n->slots_room));
}

static bool slots_grow(struct node *n, unsigned needed) {
  if (needed <= n->slots_room)
    return true;
  unsigned room = n->slots_room;
  while (room < needed)
    room *= 2;
  if (room > LEAF_SLOTS_MAX)
    room = LEAF_SLOTS_MAX;
  struct leaf_slot *slots = pages_take(n->pages, slots_bytes(room));
  if (slots == NULL)
    return false;
  memcpy(slots, n->slots, n->count * sizeof *slots);
  pages_give(n->pages, n->slots, slots_bytes(n->slots_room));
  n->slots = slots;
  n->slots_room = (uint16_t)room;
  return true;
}

struct node *node_copy(const struct node *n) {
  struct node *c = node_new(n->pages, n->level);
  if (c == NULL)
    return NULL;
  if (n->level == 0) {
    assert(c->slots != NULL);
    if (!leaf_append(c, n, 0, n->count)) {
      node_free(c);
      return NULL;
    }
    c->last_insert = n->last_insert;
    c->insert_run = n->insert_run;
    return c;
  }
  assert(c->entries != NULL && n->entries != NULL);
  memcpy(c->entries, n->entries, n->count * sizeof *c->entries);
  c->count = n->count;
  c->used_bytes = n->used_bytes;
  for (uint16_t i = 0; i < c->count; i++) {
    if (c->entries[i].kid != NULL)
      c->entries[i].kid->refs++;
  }
  return c;
}

/* ---- Leaves ---- */

uint16_t leaf_find(const struct node *n, const struct key *key, bool *equal) {
  unsigned low = 0, high = n->count;
  while (low < high) {
    unsigned mid = (low + high) / 2;
    if (key_compare(&n->slots[mid].key, key) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  *equal = low < n->count && key_compare(&n->slots[low].key, key) == 0;
  return (uint16_t)low;
}

bool leaf_fits(const struct node *n, size_t value_len) {
  return n->used_bytes + NODE_LEAF_RECORD_BYTES + value_len <= FORMAT_NODE_BYTES;
}

/* Close the gaps that removed values left. The values alone always fit: keys are not in the heap. */
static void heap_compact(struct node *n) {
  uint8_t heap[FORMAT_NODE_BYTES];
  unsigned low = FORMAT_NODE_BYTES;
  for (uint16_t i = 0; i < n->count; i++) {
    low -= n->slots[i].len;
    memcpy(heap + low, n->heap + n->slots[i].offset, n->slots[i].len);
    n->slots[i].offset = (uint16_t)low;
  }
  memcpy(n->heap + low, heap + low, FORMAT_NODE_BYTES - low);
  secmem_wipe(heap + low, FORMAT_NODE_BYTES - low);
  n->heap_low = (uint16_t)low;
}

static void leaf_put_value(struct node *n, struct leaf_slot *slot, const uint8_t *value, size_t len) {
  if (len > n->heap_low)
    heap_compact(n);
  n->heap_low = (uint16_t)(n->heap_low - len);
  if (len > 0)
    memcpy(n->heap + n->heap_low, value, len);
  slot->offset = n->heap_low;
  slot->len = (uint16_t)len;
}

bool leaf_insert(struct node *n, uint16_t index, const struct key *key, const uint8_t *value, size_t len) {
  struct leaf_slot slot = {.key = *key};
  if (!slots_grow(n, n->count + 1u))
    return false;
  leaf_put_value(n, &slot, value, len);
  memmove(n->slots + index + 1, n->slots + index, (size_t)(n->count - index) * sizeof *n->slots);
  n->slots[index] = slot;
  n->count++;
  n->used_bytes += NODE_LEAF_RECORD_BYTES + (uint32_t)len;
  n->insert_run = (uint16_t)(index == n->last_insert + 1u && n->insert_run < UINT16_MAX ? n->insert_run + 1u : 0u);
  n->last_insert = index;
  return true;
}

void leaf_remove(struct node *n, uint16_t index) {
  uint16_t len = n->slots[index].len;
  n->used_bytes -= NODE_LEAF_RECORD_BYTES + len;
  n->count--;
  memmove(n->slots + index, n->slots + index + 1, (size_t)(n->count - index) * sizeof *n->slots);
}

bool leaf_append(struct node *dst, const struct node *src, uint16_t from, uint16_t to) {
  if (!slots_grow(dst, dst->count + (unsigned)(to - from)))
    return false;
  for (uint16_t i = from; i < to; i++) {
    struct leaf_slot slot = {.key = src->slots[i].key};
    leaf_put_value(dst, &slot, leaf_value(src, i), src->slots[i].len);
    dst->slots[dst->count++] = slot;
    dst->used_bytes += NODE_LEAF_RECORD_BYTES + slot.len;
  }
  return true;
}

void leaf_truncate(struct node *n, uint16_t count) {
  while (n->count > count)
    leaf_remove(n, (uint16_t)(n->count - 1));
  n->insert_run = 0;
}

/* ---- Branches ---- */

uint16_t branch_find(const struct node *n, const struct key *key) {
  unsigned low = 0, high = n->count;
  while (high - low > 1) {
    unsigned mid = (low + high) / 2;
    if (key_compare(&n->entries[mid].key, key) <= 0)
      low = mid;
    else
      high = mid;
  }
  return (uint16_t)low;
}

void branch_insert(struct node *n, uint16_t index, const struct key *key, struct node *kid) {
  memmove(n->entries + index + 1, n->entries + index, (size_t)(n->count - index) * sizeof *n->entries);
  n->entries[index] = (struct branch_entry){.key = *key, .kid = kid};
  n->count++;
  n->used_bytes += NODE_BRANCH_ENTRY_BYTES;
}

void branch_remove(struct node *n, uint16_t index) {
  struct key bound = n->entries[index].key;
  n->count--;
  n->used_bytes -= NODE_BRANCH_ENTRY_BYTES;
  memmove(n->entries + index, n->entries + index + 1, (size_t)(n->count - index) * sizeof *n->entries);
  if (index == 0 && n->count > 0)
    n->entries[0].key = bound;
}
