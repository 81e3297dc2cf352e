#include "store/lock.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOCK_CIFS_MAGIC 0xff534d42u
#define LOCK_SMB2_MAGIC 0xfe534d42u

/* The kernel sees no conflict between two descriptors that were duplicated from one; this list does. Entries that
 * were inherited over a fork are the parent's and say nothing here. */
static pthread_mutex_t lock_list_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lock *lock_list;

static enum nacre_err lock_identify(int fd, struct lock *lock) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return err_set_errno(NACRE_ERR_IO, errno, "looking at the container");
  bool device = S_ISBLK(st.st_mode);
  *lock = (struct lock){
      .dev = device ? st.st_rdev : st.st_dev,
      .ino = device ? 0 : st.st_ino,
      .pid = getpid(),
      .fd = fd,
  };
  return NACRE_OK;
}

static bool lock_same(const struct lock *a, const struct lock *b) {
  return a->dev == b->dev && a->ino == b->ino && a->pid == b->pid;
}

/* Under the mutex. */
static const struct lock *lock_find(const struct lock *wanted) {
  for (const struct lock *l = lock_list; l != NULL; l = l->link) {
    if (lock_same(l, wanted))
      return l;
  }
  return NULL;
}

/* An SMB server's locks are mandatory and know nothing of who they belong to: flock would conflict with our own. */
static bool lock_one_kind_only(int fd) {
  struct statfs fs;
  if (fstatfs(fd, &fs) != 0)
    return false;
  unsigned long type = (unsigned long)fs.f_type & 0xffffffffu;
  return type == LOCK_CIFS_MAGIC || type == LOCK_SMB2_MAGIC;
}

static int lock_ofd(int fd, short type) {
  struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
  return fcntl(fd, F_OFD_SETLK, &whole) == 0 ? 0 : errno;
}

static bool lock_taken(int errnum) {
  return errnum == EAGAIN || errnum == EACCES || errnum == EWOULDBLOCK;
}

/* Both kinds where there are both: programs that keep off others' disks look for one or the other. */
static enum nacre_err lock_kernel(int fd, bool exclusive) {
  int ofd = lock_ofd(fd, exclusive ? F_WRLCK : F_RDLCK);
  if (lock_taken(ofd))
    return err_set(NACRE_ERR_IN_USE, "the container is open elsewhere");
  if (ofd == 0 && lock_one_kind_only(fd))
    return NACRE_OK;
  int whole = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 ? 0 : errno;
  if (lock_taken(whole)) {
    (void)lock_ofd(fd, F_UNLCK);
    return err_set(NACRE_ERR_IN_USE, "the container is open elsewhere");
  }
  if (ofd != 0 && whole != 0)
    return err_set_errno(NACRE_ERR_UNSUPPORTED, ofd, "the filesystem under the container can't lock it");
  return NACRE_OK;
}

enum nacre_err lock_take(int fd, bool exclusive, struct lock *lock) {
  ERR_TRY(lock_identify(fd, lock));
  lock->exclusive = exclusive;
  pthread_mutex_lock(&lock_list_mutex);
  const struct lock *other = lock_find(lock);
  enum nacre_err err = NACRE_OK;
  if (other != NULL && (exclusive || other->exclusive))
    err = err_set(NACRE_ERR_IN_USE, "the container is open already in this process");
  else
    err = lock_kernel(fd, exclusive);
  if (err == NACRE_OK) {
    lock->link = lock_list;
    lock_list = lock;
  }
  pthread_mutex_unlock(&lock_list_mutex);
  return err;
}

/* Unlocked by hand, since a duplicate that lives on elsewhere would hold it; but not while a second reader of this
 * process relies on the same one. */
void lock_drop(struct lock *lock) {
  if (lock->pid != getpid())
    return;
  pthread_mutex_lock(&lock_list_mutex);
  struct lock **at = &lock_list;
  while (*at != NULL && *at != lock)
    at = &(*at)->link;
  if (*at == lock)
    *at = lock->link;
  if (lock_find(lock) == NULL) {
    (void)lock_ofd(lock->fd, F_UNLCK);
    (void)flock(lock->fd, LOCK_UN);
  }
  pthread_mutex_unlock(&lock_list_mutex);
}

enum nacre_err lock_held(int fd, bool *held) {
  struct lock wanted = {0};
  *held = false;
  ERR_TRY(lock_identify(fd, &wanted));
  pthread_mutex_lock(&lock_list_mutex);
  *held = lock_find(&wanted) != NULL;
  pthread_mutex_unlock(&lock_list_mutex);
  if (*held)
    return NACRE_OK;
  struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_GETLK, &probe) == 0)
    *held = probe.l_type != F_UNLCK;
  else if (flock(fd, LOCK_SH | LOCK_NB) != 0)
    *held = lock_taken(errno);
  return NACRE_OK;
}
