/* Included before every source of the library when it is built to have its locks watched: each call names the lock as
 * the source does, and the function it is in. No other build has any of this. */
#ifndef NACRE_BENCH_LOCKS_WATCH_H
#define NACRE_BENCH_LOCKS_WATCH_H

#include <pthread.h>

int watch_mutex_lock(pthread_mutex_t *lock, const char *what, const char *where);
int watch_mutex_unlock(pthread_mutex_t *lock);
int watch_rdlock(pthread_rwlock_t *lock, const char *what, const char *where);
int watch_wrlock(pthread_rwlock_t *lock, const char *what, const char *where);
int watch_try(int (*take)(pthread_rwlock_t *lock), pthread_rwlock_t *lock, int shared, const char *what,
              const char *where);
int watch_rwlock_unlock(pthread_rwlock_t *lock);
int watch_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, const char *what, const char *where);
int watch_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until, const char *what,
                         const char *where);

#ifndef WATCH_KEEP_PTHREAD
#define pthread_mutex_lock(lock) watch_mutex_lock((lock), #lock, __func__)
#define pthread_mutex_unlock(lock) watch_mutex_unlock((lock))
#define pthread_rwlock_rdlock(lock) watch_rdlock((lock), #lock, __func__)
#define pthread_rwlock_wrlock(lock) watch_wrlock((lock), #lock, __func__)
#define pthread_rwlock_tryrdlock(lock) watch_try(pthread_rwlock_tryrdlock, (lock), 1, #lock, __func__)
#define pthread_rwlock_trywrlock(lock) watch_try(pthread_rwlock_trywrlock, (lock), 0, #lock, __func__)
#define pthread_rwlock_unlock(lock) watch_rwlock_unlock((lock))
#define pthread_cond_wait(cond, lock) watch_cond_wait((cond), (lock), #cond, __func__)
#define pthread_cond_timedwait(cond, lock, until) watch_cond_timedwait((cond), (lock), (until), #cond, __func__)
#endif

#endif
