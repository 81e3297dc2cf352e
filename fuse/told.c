#include "fuse/told.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SLOTS 4096u
#define MANY UINT64_MAX
/* Long after its answer was written a thread has taken it. A folder that is one thread's again is so after that. */
#define REMEMBERED_S 10u

/* What a slot says holds for every folder whose number falls on it. All zero: nobody was about. */
struct slot {
  uint64_t changed_ino; /* changed, and nobody was told of it since; 0: none; MANY: not one alone */
  pid_t thread;         /* that was told or changed something last */
  uint32_t shared_s;    /* when that was last another one than before; monotonic */
};

struct told {
  atomic_ullong changes;
  pthread_mutex_t lock; /* guards the slots; nothing that waits is called under it */
  struct slot slots[SLOTS];
};

struct told *told_new(void) {
  struct told *told = calloc(1, sizeof *told);
  if (told != NULL)
    pthread_mutex_init(&told->lock, NULL);
  return told;
}

void told_free(struct told *told) {
  if (told == NULL)
    return;
  pthread_mutex_destroy(&told->lock);
  free(told);
}

unsigned long long told_begin(const struct told *told) {
  return atomic_load(&told->changes);
}

static uint32_t now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (uint32_t)now.tv_sec;
}

static bool exists(pid_t thread) {
  return kill(thread, 0) == 0 || errno != ESRCH;
}

/* Whether `former`, which was about before `thread`, has ended. `thread` waits for us: where not even that one is to
 * be found, the numbers are not of our namespace of processes and say nothing. */
static bool has_ended(pid_t former, pid_t thread) {
  return former > 0 && !exists(former) && exists(thread);
}

/* Note who is about; a thread from outside of the mount's namespace of processes is 0, and may be any. True where it
 * was another one a while ago, which may still have an answer to take. Locked. */
static bool slot_enter(struct slot *slot, pid_t thread) {
  uint32_t at_s = now_s();
  bool another = slot->thread != 0 && slot->thread != thread;
  if (thread <= 0 || (another && slot->shared_s != at_s && !has_ended(slot->thread, thread)))
    slot->shared_s = at_s;
  slot->thread = thread;
  return slot->shared_s != 0 && at_s - slot->shared_s <= REMEMBERED_S;
}

bool told_folder(struct told *told, uint64_t ino, pid_t thread, unsigned long long begun) {
  struct slot *slot = &told->slots[ino % SLOTS];
  pthread_mutex_lock(&told->lock);
  bool shared = slot_enter(slot, thread);
  bool current = told_begin(told) == begun;
  bool first = slot->changed_ino == ino || slot->changed_ino == MANY;
  if ((slot->changed_ino == ino && current) || !shared)
    slot->changed_ino = 0;
  pthread_mutex_unlock(&told->lock);
  return current && !(first && shared);
}

bool told_changed(struct told *told, uint64_t ino, pid_t thread) {
  struct slot *slot = &told->slots[ino % SLOTS];
  atomic_fetch_add(&told->changes, 1);
  pthread_mutex_lock(&told->lock);
  bool shared = slot_enter(slot, thread);
  slot->changed_ino = slot->changed_ino == 0 || slot->changed_ino == ino ? ino : MANY;
  pthread_mutex_unlock(&told->lock);
  return shared;
}
