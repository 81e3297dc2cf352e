/*
 * Which threads were told a folder's attributes, so that the kernel remembers no old ones.
 *
 * The kernel drops what it remembers of a folder when the answer to a change of its names arrives. Two things can go
 * wrong with another thread's LOOKUP or GETATTR at that moment, and rsync, which looks whether a folder still has the
 * time that it gave it, then leaves a wrong one:
 *   - An answer from before the change arrives after it, and is believed. An invalidation sent after the change, and
 *     before its answer, gives the folder a new version by which the kernel knows older answers.
 *   - While the kernel puts a new answer in the place of what it remembered, who looks without its lock sees
 *     that there is something to remember before he sees what. So the first answer after a change is not to be
 *     remembered, and the second, which puts nothing new in its place, is.
 * Both cost a request, or half of one, for each change. A thread waits for its answers: where only one is about, as
 * in most folders, or each has ended before the next one came, neither can happen, and neither is done.
 *
 * Invariants: `changes` goes up after a change and before the table is asked whom to contradict. An answer is entered
 * into the table before `changes` is compared with what it was when the attributes were read. So either the change
 * finds the answer, or the answer is told not to be remembered.
 */
#ifndef NACRE_FUSE_TOLD_H
#define NACRE_FUSE_TOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct told;

/* NULL without memory. All may be called by any thread. */
struct told *told_new(void);
void told_free(struct told *told);

/* To be called before the attributes of an answer are read. */
unsigned long long told_begin(const struct told *told);

/* Enter that `thread`, as a request names it, is told a folder's attributes that were read after told_begin. False
 * where the kernel must not remember them. */
bool told_folder(struct told *told, uint64_t ino, pid_t thread, unsigned long long begun);

/* `thread` changed a folder's names, and was not answered yet. True where it has to be preceded by an invalidation.
 */
bool told_changed(struct told *told, uint64_t ino, pid_t thread);

#endif
