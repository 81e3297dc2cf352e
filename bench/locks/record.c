#define WATCH_KEEP_PTHREAD
#include "record.h"
#include "watch.h"

#include "../measure.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define SITES 1024u    /* places in the source, a power of two */
#define OBJECTS 65536u /* locks that are there, a power of two */
#define HELD_MAX 32u
#define CALIBRATION_ROUNDS 100000u

struct site {
  const char *what, *where;
  enum record_mode mode;
  uint64_t count, waits, wait_ns, longest_wait_ns, held_ns, longest_held_ns;
};

struct object {
  const void *lock;
  const char *what;
  uint64_t held_ns;
};

struct held {
  const void *lock;
  struct site *site;
  uint64_t since;
};

/* Only its own thread touches it while the recording runs. */
struct thread {
  struct thread *next;
  struct site sites[SITES];
  struct object objects[OBJECTS];
  struct held held[HELD_MAX];
  unsigned held_count;
};

static atomic_bool recording;
static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread *threads;
static _Thread_local struct thread *self;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_recording(void) {
  if (!atomic_load_explicit(&recording, memory_order_relaxed))
    return false;
  if (self == NULL) {
    self = calloc(1, sizeof *self);
    MEASURE_OK(self == NULL);
    pthread_mutex_lock(&threads_lock);
    self->next = threads;
    threads = self;
    pthread_mutex_unlock(&threads_lock);
  }
  return true;
}

static size_t hash(const void *p, size_t room) {
  return (size_t)(((uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15ull) >> 40) & (room - 1);
}

static struct site *site_of(const char *what, const char *where, enum record_mode mode) {
  for (size_t at = hash(where, SITES) + mode;; at++) {
    struct site *s = &self->sites[at & (SITES - 1)];
    if (s->what == what && s->where == where && s->mode == mode)
      return s;
    if (s->what == NULL) {
      *s = (struct site){.what = what, .where = where, .mode = mode};
      return s;
    }
  }
}

static void object_add(const void *lock, const char *what, uint64_t ns) {
  for (size_t at = hash(lock, OBJECTS), tries = 0; tries < OBJECTS; at++, tries++) {
    struct object *o = &self->objects[at & (OBJECTS - 1)];
    if (o->lock == NULL)
      *o = (struct object){.lock = lock, .what = what};
    if (o->lock == lock) {
      o->held_ns += ns;
      return;
    }
  }
}

static void waited(struct site *s, uint64_t since, uint64_t now) {
  uint64_t ns = now - since;
  s->waits++;
  s->wait_ns += ns;
  if (ns > s->longest_wait_ns)
    s->longest_wait_ns = ns;
}

static void hold(const void *lock, struct site *s) {
  s->count++;
  if (self->held_count == HELD_MAX) /* leftovers of a recording that ended under this thread */
    self->held_count = 0;
  self->held[self->held_count++] = (struct held){.lock = lock, .site = s, .since = now_ns()};
}

/* What was taken before the recording began is not known, and not counted. */
static struct site *let_go(const void *lock) {
  uint64_t now = now_ns();
  unsigned at = self->held_count;
  while (at > 0 && self->held[at - 1].lock != lock)
    at--;
  if (at == 0)
    return NULL;
  struct held h = self->held[at - 1];
  memmove(self->held + at - 1, self->held + at, (self->held_count - at) * sizeof h);
  self->held_count--;
  if (h.site->what == NULL) /* a new recording has begun meanwhile */
    return NULL;
  uint64_t ns = now - h.since;
  h.site->held_ns += ns;
  if (ns > h.site->longest_held_ns)
    h.site->longest_held_ns = ns;
  if (h.site->mode == RECORD_ALONE)
    object_add(lock, h.site->what, ns);
  return h.site;
}

int watch_mutex_lock(pthread_mutex_t *lock, const char *what, const char *where) {
  if (!is_recording())
    return pthread_mutex_lock(lock);
  struct site *s = site_of(what, where, RECORD_ALONE);
  int failure = pthread_mutex_trylock(lock);
  if (failure != 0) {
    uint64_t since = now_ns();
    failure = pthread_mutex_lock(lock);
    waited(s, since, now_ns());
  }
  hold(lock, s);
  return failure;
}

int watch_mutex_unlock(pthread_mutex_t *lock) {
  if (is_recording())
    (void)let_go(lock);
  return pthread_mutex_unlock(lock);
}

int watch_rdlock(pthread_rwlock_t *lock, const char *what, const char *where) {
  if (!is_recording())
    return pthread_rwlock_rdlock(lock);
  struct site *s = site_of(what, where, RECORD_SHARED);
  int failure = pthread_rwlock_tryrdlock(lock);
  if (failure != 0) {
    uint64_t since = now_ns();
    failure = pthread_rwlock_rdlock(lock);
    waited(s, since, now_ns());
  }
  hold(lock, s);
  return failure;
}

int watch_wrlock(pthread_rwlock_t *lock, const char *what, const char *where) {
  if (!is_recording())
    return pthread_rwlock_wrlock(lock);
  struct site *s = site_of(what, where, RECORD_ALONE);
  int failure = pthread_rwlock_trywrlock(lock);
  if (failure != 0) {
    uint64_t since = now_ns();
    failure = pthread_rwlock_wrlock(lock);
    waited(s, since, now_ns());
  }
  hold(lock, s);
  return failure;
}

/* Looking and finding it taken is no waiting. */
int watch_try(int (*take)(pthread_rwlock_t *lock), pthread_rwlock_t *lock, int shared, const char *what,
              const char *where) {
  int failure = take(lock);
  if (failure == 0 && is_recording())
    hold(lock, site_of(what, where, shared ? RECORD_SHARED : RECORD_ALONE));
  return failure;
}

int watch_rwlock_unlock(pthread_rwlock_t *lock) {
  if (is_recording())
    (void)let_go(lock);
  return pthread_rwlock_unlock(lock);
}

/* The waiting is the condition's; its mutex is let go meanwhile, and then held by the same place as before. */
static struct site *condition_begin(pthread_mutex_t *lock, uint64_t *since) {
  struct site *holder = let_go(lock);
  *since = now_ns();
  return holder;
}

static void condition_end(pthread_mutex_t *lock, struct site *holder, const char *what, const char *where,
                          uint64_t since) {
  struct site *s = site_of(what, where, RECORD_CONDITION);
  s->count++;
  waited(s, since, now_ns());
  if (holder != NULL)
    hold(lock, holder);
}

int watch_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, const char *what, const char *where) {
  uint64_t since;
  if (!is_recording())
    return pthread_cond_wait(cond, lock);
  struct site *holder = condition_begin(lock, &since);
  int failure = pthread_cond_wait(cond, lock);
  condition_end(lock, holder, what, where, since);
  return failure;
}

int watch_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until, const char *what,
                         const char *where) {
  uint64_t since;
  if (!is_recording())
    return pthread_cond_timedwait(cond, lock, until);
  struct site *holder = condition_begin(lock, &since);
  int failure = pthread_cond_timedwait(cond, lock, until);
  condition_end(lock, holder, what, where, since);
  return failure;
}

/* ---- Adding up ---- */

void record_begin(void) {
  pthread_mutex_lock(&threads_lock);
  for (struct thread *t = threads; t != NULL; t = t->next) {
    memset(t->sites, 0, sizeof t->sites);
    memset(t->objects, 0, sizeof t->objects);
    t->held_count = 0;
  }
  pthread_mutex_unlock(&threads_lock);
  atomic_store(&recording, true);
}

void record_end(void) {
  atomic_store(&recording, false);
}

/* The field's struct, from what the source calls a pointer to it. The longest prefix counts. */
static void name_of(const char *what, char name[48]) {
  static const char *const prefixes[][2] = {
      {"&inode->", "inode."},     {"&dir->", "inode."},      {"&file->inode->", "inode."},
      {"&m->inode->", "inode."},  {"&w->inode->", "inode."}, {"&l->dir->", "inode."},
      {"&sorted[i]->", "inode."}, {"&file->", "fs_file."},   {"&shard->", "shard."},
      {"&fs->", "fs."},           {"&a->", "alloc."},        {"&t->", "tree."},
      {"&e->tree.", "tree."},     {"&e->", "engine."},       {"&g->", "gate."},
      {"&io->", "block_io."},     {"&in->", "intent."},      {"&k->", "xaes_key."},
      {"&w->", "workers."},       {"&v->", "volume."},       {"&slot->", "gate_slot."},
  };
  size_t best = 0;
  snprintf(name, 48, "%s", what);
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t len = strlen(prefixes[i][0]);
    if (len > best && strncmp(what, prefixes[i][0], len) == 0) {
      best = len;
      snprintf(name, 48, "%s%s", prefixes[i][1], what + len);
    }
  }
}

static struct record_lock *lock_named(struct record_lock *list, unsigned *count, const char *what,
                                      enum record_mode mode) {
  char name[48];
  name_of(what, name);
  for (unsigned i = 0; i < *count; i++) {
    if (list[i].mode == mode && strcmp(list[i].name, name) == 0)
      return &list[i];
  }
  struct record_lock *l = &list[(*count)++];
  *l = (struct record_lock){.mode = mode};
  memcpy(l->name, name, sizeof name);
  return l;
}

static void add_site(struct record_lock *l, const struct site *s) {
  l->count += s->count;
  l->waits += s->waits;
  l->wait_ns += s->wait_ns;
  l->held_ns += s->held_ns;
  if (s->longest_wait_ns > l->longest_wait_ns) {
    l->longest_wait_ns = s->longest_wait_ns;
    l->longest_wait_in = s->where;
  }
  if (s->longest_held_ns > l->longest_held_ns) {
    l->longest_held_ns = s->longest_held_ns;
    l->longest_held_in = s->where;
  }
}

static uint64_t held_by_all(const void *lock) {
  uint64_t ns = 0;
  for (const struct thread *t = threads; t != NULL; t = t->next) {
    const struct object *o = &t->objects[hash(lock, OBJECTS)];
    for (size_t tries = 0; tries < OBJECTS && o->lock != NULL && o->lock != lock; tries++)
      o = o + 1 == t->objects + OBJECTS ? t->objects : o + 1;
    if (o->lock == lock)
      ns += o->held_ns;
  }
  return ns;
}

static int most_waited_first(const void *a, const void *b) {
  const struct record_lock *x = a, *y = b;
  if (x->wait_ns != y->wait_ns)
    return x->wait_ns < y->wait_ns ? 1 : -1;
  return (x->held_ns < y->held_ns) - (x->held_ns > y->held_ns);
}

unsigned record_locks(struct record_lock **out) {
  struct record_lock *list = calloc(SITES, sizeof *list);
  unsigned count = 0;
  MEASURE_OK(list == NULL);
  for (const struct thread *t = threads; t != NULL; t = t->next) {
    for (unsigned i = 0; i < SITES; i++) {
      if (t->sites[i].what != NULL)
        add_site(lock_named(list, &count, t->sites[i].what, t->sites[i].mode), &t->sites[i]);
    }
  }
  for (const struct thread *t = threads; t != NULL; t = t->next) {
    for (unsigned i = 0; i < OBJECTS; i++) {
      if (t->objects[i].lock == NULL)
        continue;
      struct record_lock *l = lock_named(list, &count, t->objects[i].what, RECORD_ALONE);
      uint64_t ns = held_by_all(t->objects[i].lock);
      l->hottest_held_ns = ns > l->hottest_held_ns ? ns : l->hottest_held_ns;
    }
  }
  qsort(list, count, sizeof *list, most_waited_first);
  *out = list;
  return count;
}

uint64_t record_own_ns(void) {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  struct record_lock *list;
  record_begin();
  for (unsigned i = 0; i < CALIBRATION_ROUNDS; i++) {
    watch_mutex_lock(&lock, "calibration", __func__);
    watch_mutex_unlock(&lock);
  }
  record_end();
  uint64_t ns = 0;
  unsigned count = record_locks(&list);
  for (unsigned i = 0; i < count; i++)
    ns = strcmp(list[i].name, "calibration") == 0 ? list[i].held_ns / CALIBRATION_ROUNDS : ns;
  free(list);
  return ns;
}
