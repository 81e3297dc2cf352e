#include "fuse/notify.h"

#include "fuse/files.h"

#include <errno.h>
#include <stdlib.h>

struct job {
  fuse_req_t req;
  fuse_ino_t ino;
  off_t offset;
  size_t size;              /* of a write; 0: an open */
  struct fuse_file_info fi; /* of an open */
  struct job *next;
};

struct notifier {
  struct mount *m;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t work, idle;
  struct job *first, **last;
  bool busy;     /* a job is being done */
  bool draining; /* nothing more is taken in */
  bool stopping;
};

static void answer(struct mount *m, const struct job *job) {
  if (job->size != 0) {
    fuse_reply_write(job->req, job->size);
    return;
  }
  opened_settled(m->opened, opened_of(&job->fi));
  files_answer_open(m, job->req, &job->fi);
}

static void drop_and_answer(struct mount *m, const struct job *job) {
  /* Fails with ENOENT where the kernel has forgotten the inode, and on a dead connection: nothing is stale then. */
  fuse_lowlevel_notify_inval_inode(m->session, job->ino, job->offset, (off_t)job->size);
  answer(m, job);
}

static void *notify_main(void *arg) {
  struct notifier *n = arg;
  pthread_mutex_lock(&n->lock);
  while (!n->stopping || n->first != NULL) {
    struct job *job = n->first;
    if (job == NULL) {
      pthread_cond_wait(&n->work, &n->lock);
      continue;
    }
    n->first = job->next;
    if (n->first == NULL)
      n->last = &n->first;
    n->busy = true;
    pthread_mutex_unlock(&n->lock);
    drop_and_answer(n->m, job);
    free(job);
    pthread_mutex_lock(&n->lock);
    n->busy = false;
    if (n->first == NULL)
      pthread_cond_broadcast(&n->idle);
  }
  pthread_mutex_unlock(&n->lock);
  return NULL;
}

struct notifier *notify_start(struct mount *m) {
  struct notifier *n = calloc(1, sizeof *n);
  if (n == NULL)
    return NULL;
  n->m = m;
  n->last = &n->first;
  pthread_mutex_init(&n->lock, NULL);
  pthread_cond_init(&n->work, NULL);
  pthread_cond_init(&n->idle, NULL);
  if (pthread_create(&n->thread, NULL, notify_main, n) != 0) {
    free(n);
    return NULL;
  }
  return n;
}

void notify_drain(struct notifier *n) {
  pthread_mutex_lock(&n->lock);
  n->draining = true;
  while (n->first != NULL || n->busy)
    pthread_cond_wait(&n->idle, &n->lock);
  pthread_mutex_unlock(&n->lock);
}

void notify_stop(struct notifier *n) {
  pthread_mutex_lock(&n->lock);
  n->stopping = true;
  pthread_cond_signal(&n->work);
  pthread_mutex_unlock(&n->lock);
  pthread_join(n->thread, NULL);
  pthread_cond_destroy(&n->idle);
  pthread_cond_destroy(&n->work);
  pthread_mutex_destroy(&n->lock);
  free(n);
}

/* Whether the job, which then is the queue's, was taken in. */
static bool take_in(struct notifier *n, struct job *job) {
  pthread_mutex_lock(&n->lock);
  bool taken = !n->draining;
  if (taken) {
    *n->last = job;
    n->last = &job->next;
    pthread_cond_signal(&n->work);
  }
  pthread_mutex_unlock(&n->lock);
  return taken;
}

static void enqueue(struct notifier *n, const struct job *wanted) {
  struct job *job = malloc(sizeof *job);
  if (job != NULL) {
    *job = *wanted;
    if (take_in(n, job))
      return;
    free(job);
  }
  answer(n->m, wanted);
}

void notify_written(struct notifier *n, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset) {
  enqueue(n, &(struct job){.req = req, .ino = ino, .offset = offset, .size = size});
}

void notify_opened(struct notifier *n, fuse_req_t req, const struct fuse_file_info *fi) {
  enqueue(n, &(struct job){.req = req, .ino = opened_of(fi)->inode->ino, .fi = *fi});
}

void notify_attributes(struct mount *m, fuse_ino_t ino) {
  /* A negative offset leaves the pages alone. */
  fuse_lowlevel_notify_inval_inode(m->session, ino, -1, 0);
}
