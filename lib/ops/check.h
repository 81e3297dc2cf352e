/* Verifying a volume: every block of the committed state read and authenticated, every invariant proved.
 *
 * One walk of the tree, in the order of its keys. What concerns a single inode is checked as its records pass
 * (check_inode); what ties inodes together is gathered in a table and checked at the end (check_links); which units
 * are taken is gathered in a bitmap and compared with the allocator (check). Memory: a bit a unit, 48 bytes an inode.
 */
#ifndef NACRE_OPS_CHECK_H
#define NACRE_OPS_CHECK_H

#include "ops/cancel.h"
#include "ops/volume.h"

struct check_options {
  nacre_problem_fn problem; /* may be NULL */
  void *problem_arg;
  nacre_progress_fn progress; /* may be NULL */
  void *progress_arg;
  const struct nacre_cancel *cancel;
};

/* Commits, keeps mutations out meanwhile. NACRE_ERR_DAMAGED where there is any problem; report is filled then too. */
NACRE_MUST_USE enum nacre_err check_volume(struct volume *v, const struct check_options *options,
                                           struct nacre_verify_report *report);

#endif
