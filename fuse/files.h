/* What the notifier needs of the file handlers. */
#ifndef NACRE_FUSE_FILES_H
#define NACRE_FUSE_FILES_H

#include "fuse/session.h"

/* Answer an open, and close the file again if the answer does not arrive. */
void files_answer_open(struct mount *m, fuse_req_t req, const struct fuse_file_info *fi);

#endif
