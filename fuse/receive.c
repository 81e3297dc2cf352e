#include "fuse/receive.h"

#include "fuse/dates.h"
#include "fuse/near.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WATCH_INTERVAL_NS 1000000L
/* The watch sleeps after so many looks that found nobody busy. */
#define WATCH_QUIET_LOOKS 20u
#define KICK_INTERVAL_NS 5000000L
/* How long what the kernel still has to write may take at the end. Whoever goes on writing gets no more. */
#define DRAIN_PATIENCE_NS 20000000000
#define DRAIN_INTERVAL_NS 1000000L
/* A read or write of that much is handed on: another thread may receive meanwhile. */
#define LONG_BYTES (128u << 10)
/* So many syncs are handed on after one that took so long that the watch took the lead away. */
#define SLOW_SYNCS 32u
/* A request that was there at once shows a queue, one that was waited for shows none. In between says nothing. */
#define QUEUED_NS 3000
#define WAITED_NS 8000
#define QUEUED_RUN 16u
#define WAITED_RUN 4u

/* A receiver's turn is odd while it leads and answers a request. */
#define TURN_BUSY 1u

struct receivers;

struct receiver {
  struct receivers *all;
  pthread_t thread;
  atomic_ullong turn; /* goes up by one at the start and at the end; if the watch does the latter, the lead is gone */
  unsigned long long turn_seen; /* by the watch */
  unsigned queued, waited;      /* requests in a row */
  atomic_ullong free_handed;    /* how often it was seen by itself to have no request */
  atomic_bool following;        /* has none, and waits for a lead */
  struct near near;
  struct fuse_buf buf;
};

/* Invariant: `leading` receivers lead, at most `leads` but for a moment in which one gives up the lead too many. */
struct receivers {
  struct fuse_session *session;
  pthread_mutex_t lock; /* guards the next block */
  pthread_cond_t lead_free;
  unsigned leads, leading, leads_max;
  bool ended;
  int error;

  pthread_cond_t watch_wanted;
  atomic_bool watching;
  sem_t one_ended; /* or more */
  atomic_uint ended_count;
  atomic_ullong answered; /* requests */
  atomic_uint slow_syncs; /* so many are handed on; more or less, where two count */
  unsigned count;
  struct receiver *list;
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- Leads ---- */

/* False when all is over. */
static bool lead_take(struct receiver *r) {
  struct receivers *all = r->all;
  pthread_mutex_lock(&all->lock);
  atomic_store(&r->following, true);
  while (all->leading >= all->leads && !all->ended)
    pthread_cond_wait(&all->lead_free, &all->lock);
  atomic_store(&r->following, false);
  bool go_on = !all->ended;
  if (go_on)
    all->leading++;
  pthread_mutex_unlock(&all->lock);
  return go_on;
}

static void lead_give(struct receivers *all) {
  pthread_mutex_lock(&all->lock);
  all->leading--;
  if (all->leading < all->leads)
    pthread_cond_signal(&all->lead_free);
  pthread_mutex_unlock(&all->lock);
}

static void leads_more(struct receivers *all) {
  pthread_mutex_lock(&all->lock);
  if (all->leads < all->leads_max) {
    all->leads++;
    pthread_cond_signal(&all->lead_free);
  }
  pthread_mutex_unlock(&all->lock);
}

/* Whether the caller's lead is one too many. */
static bool leads_fewer(struct receivers *all) {
  pthread_mutex_lock(&all->lock);
  bool fewer = all->leads > 1;
  if (fewer)
    all->leads--;
  pthread_mutex_unlock(&all->lock);
  return fewer;
}

/* ---- The watch ---- */

/* Take the lead from who was busy with the same request at the last look. True if anybody was busy. */
static bool watch_look(struct receivers *all) {
  bool busy = false;
  for (unsigned i = 0; i < all->count; i++) {
    struct receiver *r = &all->list[i];
    unsigned long long turn = atomic_load(&r->turn);
    bool same = turn == r->turn_seen;
    r->turn_seen = turn;
    busy = busy || !same || (turn & TURN_BUSY);
    if ((turn & TURN_BUSY) && same && atomic_compare_exchange_strong(&r->turn, &turn, turn + 1))
      lead_give(all);
  }
  return busy;
}

static bool anybody_busy(const struct receivers *all) {
  for (unsigned i = 0; i < all->count; i++) {
    if (atomic_load(&all->list[i].turn) & TURN_BUSY)
      return true;
  }
  return false;
}

static void *watch_main(void *arg) {
  struct receivers *all = arg;
  const struct timespec interval = {.tv_nsec = WATCH_INTERVAL_NS};
  unsigned quiet = 0;
  pthread_mutex_lock(&all->lock);
  while (!all->ended) {
    if (quiet >= WATCH_QUIET_LOOKS) {
      atomic_store(&all->watching, false);
      /* Who becomes busy from here on sees that nobody watches. */
      while (!all->ended && !atomic_load(&all->watching) && !anybody_busy(all))
        pthread_cond_wait(&all->watch_wanted, &all->lock);
      atomic_store(&all->watching, true);
      quiet = 0;
    }
    pthread_mutex_unlock(&all->lock);
    nanosleep(&interval, NULL);
    quiet = watch_look(all) ? 0 : quiet + 1;
    pthread_mutex_lock(&all->lock);
  }
  pthread_mutex_unlock(&all->lock);
  return NULL;
}

static void watch_wake(struct receivers *all) {
  pthread_mutex_lock(&all->lock);
  atomic_store(&all->watching, true);
  pthread_cond_signal(&all->watch_wanted);
  pthread_mutex_unlock(&all->lock);
}

/* ---- Receiving ---- */

/* The lead of this thread, while it answers a request, and its turn. */
static _Thread_local struct receiver *answering;
static _Thread_local unsigned long long answering_turn;

static bool request_is_there(const struct receivers *all) {
  struct pollfd waiting = {.fd = fuse_session_fd(all->session), .events = POLLIN};
  return poll(&waiting, 1, 0) > 0;
}

void receive_waiting(void) {
  struct receiver *r = answering;
  if (r == NULL || !request_is_there(r->all))
    return;
  unsigned long long turn = answering_turn;
  answering = NULL;
  if (atomic_compare_exchange_strong(&r->turn, &turn, turn + 1))
    lead_give(r->all);
}

/* A sync may be over in a moment, and then is no more than a short one. */
enum duration { DURATION_SHORT, DURATION_SYNC, DURATION_LONG };

/* *client: the thread whose request it is, as far as that is known. */
static enum duration request_duration(const struct fuse_buf *buf, pid_t *client) {
  struct fuse_in_header header;
  struct fuse_read_in io; /* a write's begins in the same way */
  *client = 0;
  if (buf->flags & FUSE_BUF_IS_FD || buf->size < sizeof header)
    return DURATION_LONG;
  memcpy(&header, buf->mem, sizeof header);
  *client = (pid_t)header.pid;
  switch (header.opcode) {
  case FUSE_FSYNC:
  case FUSE_FSYNCDIR:
    return DURATION_SYNC;
  case FUSE_READ:
  case FUSE_WRITE:
    if (buf->size < sizeof header + sizeof io)
      return DURATION_SHORT;
    memcpy(&io, (const char *)buf->mem + sizeof header, sizeof io);
    return io.size >= LONG_BYTES ? DURATION_LONG : DURATION_SHORT;
  default:
    return DURATION_SHORT;
  }
}

/* Whether to let another thread receive first. That wakes one up, and moves the client's next request to another
 * core: for a sync only where somebody waits already, or where syncs are slow. */
static bool is_handed_on(struct receivers *all, enum duration duration) {
  if (duration != DURATION_SYNC)
    return duration == DURATION_LONG;
  unsigned slow = atomic_load(&all->slow_syncs);
  if (slow > 0)
    atomic_store(&all->slow_syncs, slow - 1);
  return slow > 0 || request_is_there(all);
}

/* Answer it as the leader. False when the lead was taken away meanwhile. */
static bool answer_leading(struct receiver *r) {
  unsigned long long busy = atomic_fetch_add(&r->turn, 1) + 1;
  if (!atomic_load(&r->all->watching))
    watch_wake(r->all);
  answering = r;
  answering_turn = busy;
  fuse_session_process_buf(r->all->session, &r->buf);
  answering = NULL;
  return atomic_compare_exchange_strong(&r->turn, &busy, busy + 1);
}

/* More leads where requests were there without waiting again and again; false to give this one up. */
static bool lead_is_wanted(struct receiver *r, int64_t took_ns) {
  r->queued = took_ns < QUEUED_NS ? r->queued + 1 : 0;
  r->waited = took_ns > WAITED_NS ? r->waited + 1 : 0;
  if (r->queued == QUEUED_RUN) {
    r->queued = 0;
    leads_more(r->all);
  }
  if (r->waited < WAITED_RUN)
    return true;
  r->waited = 0;
  return !leads_fewer(r->all);
}

/* Receive and answer until the lead is gone. False at the end of the session. */
static bool lead(struct receiver *r) {
  struct receivers *all = r->all;
  for (;;) {
    atomic_fetch_add(&r->free_handed, 1);
    int64_t before_ns = now_ns();
    int got = fuse_session_receive_buf(all->session, &r->buf);
    if (got == -EINTR && !fuse_session_exited(all->session))
      continue;
    if (got <= 0) {
      pthread_mutex_lock(&all->lock);
      if (got < 0 && got != -EINTR && all->error == 0)
        all->error = got;
      pthread_mutex_unlock(&all->lock);
      return false;
    }
    dates_fit_request(&r->buf);
    pid_t client;
    enum duration duration = request_duration(&r->buf, &client);
    if (!lead_is_wanted(r, now_ns() - before_ns) || is_handed_on(all, duration)) {
      near_free(&r->near);
      lead_give(all);
      fuse_session_process_buf(all->session, &r->buf);
      atomic_fetch_add(&all->answered, 1);
      return true;
    }
    near_request(&r->near, client);
    bool still_leads = answer_leading(r);
    atomic_fetch_add(&all->answered, 1);
    if (!still_leads) {
      if (duration == DURATION_SYNC)
        atomic_store(&all->slow_syncs, SLOW_SYNCS);
      near_free(&r->near);
      return true;
    }
  }
}

static void all_end(struct receivers *all) {
  fuse_session_exit(all->session);
  pthread_mutex_lock(&all->lock);
  all->ended = true;
  pthread_cond_broadcast(&all->lead_free);
  pthread_cond_broadcast(&all->watch_wanted);
  pthread_mutex_unlock(&all->lock);
}

static void *receiver_main(void *arg) {
  struct receiver *r = arg;
  while (lead_take(r)) {
    if (!lead(r))
      all_end(r->all);
  }
  free(r->buf.mem);
  atomic_fetch_add(&r->all->ended_count, 1);
  sem_post(&r->all->one_ended);
  return NULL;
}

/* ---- The end ---- */

/* Every receiver has had no request in its hands at some moment from now on. False where one has ended. */
static bool see_all_free(struct receivers *all, unsigned started, int64_t deadline_ns) {
  const struct timespec pause = {.tv_nsec = DRAIN_INTERVAL_NS};
  for (unsigned i = 0; i < started; i++) {
    struct receiver *r = &all->list[i];
    const unsigned long long before = atomic_load(&r->free_handed);
    while (atomic_load(&r->free_handed) == before && !atomic_load(&r->following)) {
      if (atomic_load(&all->ended_count) > 0 || now_ns() >= deadline_ns)
        return false;
      pthread_kill(r->thread, SIGUSR1); /* out of read(2), if that is where it is, and into it again */
      nanosleep(&pause, NULL);
    }
  }
  return true;
}

/* Receive until the kernel has nothing more that was to be written: syncfs(2) hands pages of a mapping to a queue of
 * the kernel's and does not wait. A part of that queue is not shown to us before earlier requests are answered; but
 * if at some moment none was to be received, and none in a receiver's hands, then there is none behind. Nothing was
 * in anyone's hands at the moment of the poll if nothing was answered until all were seen without. */
static void drain(struct receivers *all, unsigned started) {
  const struct timespec pause = {.tv_nsec = DRAIN_INTERVAL_NS};
  const int64_t deadline_ns = now_ns() + DRAIN_PATIENCE_NS;
  for (;;) {
    const unsigned long long answered = atomic_load(&all->answered);
    struct pollfd waiting = {.fd = fuse_session_fd(all->session), .events = POLLIN};
    if (poll(&waiting, 1, 0) == 0) {
      if (!see_all_free(all, started, deadline_ns) || atomic_load(&all->answered) == answered)
        return;
    } else if ((waiting.revents & ~POLLIN) != 0 || now_ns() >= deadline_ns) {
      return;
    } else {
      nanosleep(&pause, NULL);
    }
  }
}

/* ---- All of it ---- */

/* Signals are the other threads' but for the kick, which comes by pthread_kill. */
static unsigned threads_start(struct receivers *all, unsigned wanted, pthread_t *watch) {
  sigset_t most, before;
  unsigned started = 0;
  sigfillset(&most);
  sigdelset(&most, SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &most, &before);
  bool watched = pthread_create(watch, NULL, watch_main, all) == 0;
  while (watched && started < wanted &&
         pthread_create(&all->list[started].thread, NULL, receiver_main, &all->list[started]) == 0)
    started++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (watched && started == 0) {
    all_end(all);
    pthread_join(*watch, NULL);
  }
  return started;
}

/* Leaders wait in read(2): a signal gets them out, if it does not come just before. */
static void threads_end(struct receivers *all, unsigned started) {
  const struct timespec pause = {.tv_nsec = KICK_INTERVAL_NS};
  while (atomic_load(&all->ended_count) < started) {
    for (unsigned i = 0; i < started; i++)
      pthread_kill(all->list[i].thread, SIGUSR1);
    nanosleep(&pause, NULL);
  }
  for (unsigned i = 0; i < started; i++)
    pthread_join(all->list[i].thread, NULL);
}

int receive_loop(struct fuse_session *session, unsigned threads, const atomic_bool *ending) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  struct receivers all = {.session = session, .leads = 1, .leads_max = cores > 1 ? (unsigned)cores : 1};
  pthread_t watch;
  all.list = calloc(threads, sizeof *all.list);
  if (all.list == NULL)
    return -ENOMEM;
  all.count = threads;
  for (unsigned i = 0; i < threads; i++)
    all.list[i].all = &all;
  pthread_mutex_init(&all.lock, NULL);
  pthread_cond_init(&all.lead_free, NULL);
  pthread_cond_init(&all.watch_wanted, NULL);
  sem_init(&all.one_ended, 0, 0);
  atomic_init(&all.watching, true);

  unsigned started = threads_start(&all, threads, &watch);
  if (started > 0) {
    /* Interrupted by a signal, or when the first receiver has ended. */
    int ended = 0;
    while ((ended = sem_wait(&all.one_ended)) != 0 && !atomic_load(ending))
      ;
    if (ended != 0)
      drain(&all, started);
    all_end(&all);
    threads_end(&all, started);
    pthread_join(watch, NULL);
  }
  sem_destroy(&all.one_ended);
  pthread_cond_destroy(&all.watch_wanted);
  pthread_cond_destroy(&all.lead_free);
  pthread_mutex_destroy(&all.lock);
  free(all.list);
  return started > 0 ? all.error : -ENOMEM;
}
