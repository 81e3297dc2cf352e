/* A backup of the header: taking one, and putting it back. */
#ifndef NACRE_OPS_RESTORE_H
#define NACRE_OPS_RESTORE_H

#include "ops/volume.h"

/* The header that a backup is to have, where no credential tells whether it is authentic. */
NACRE_MUST_USE enum nacre_err backup_header(struct store *store, uint8_t *raw);

/* While a volume is opened by a backup, before anything is written: NACRE_ERR_ROLLED_BACK where the container's
 * header has keys of a later epoch, or, without force, may have. */
NACRE_MUST_USE enum nacre_err restore_admit(struct volume *v, struct engine *e, bool force);
/* Where the opening by a backup failed by NACRE_ERR_DAMAGED before it was admitted, with the message of that and a
 * credential that opens the backup: NACRE_ERR_ROLLED_BACK where the backup is from before a rotation of the keys,
 * which a credential that opens the present header shows, or may be, which a later header under other keys gives
 * reason to say. Else what it was, or why that can't be told. Nothing is let in by it. */
NACRE_MUST_USE enum nacre_err restore_explain(struct volume *v, const struct nacre_credential *cred,
                                              const struct unlock_options *options);
/* Of a volume whose header is borrowed. */
NACRE_MUST_USE enum nacre_err restore_header(struct volume *v, bool dry_run, struct nacre_restore_report *report);

#endif
