/* The keyslots of a volume, wherever it is: opened here, or, where it is mounted, its header unlocked beside the
 * mount's process and changed by an order to it. One key derivation either way. Errors are said; what is returned is
 * an exit code. */
#ifndef NACRE_CLI_SLOT_ACCESS_H
#define NACRE_CLI_SLOT_ACCESS_H

#include "mounts.h"
#include "volume.h"

struct slot_access {
  const char *path;
  const struct volume_options *options;
  nacre_credential *opener; /* what opened it */
  uint32_t opened;          /* the slot of that */
  uint8_t fingerprint[32];  /* the volume's */
  nacre_volume *vol;        /* opened here; else NULL, and then it is: */
  nacre_header *header;
  struct mounts mounts;
  const struct control_mount *mount;
  const char *container; /* of the mount */
};

/* What is to be done: changes, reading all that there is to know, or, whoever has it open, reading the header. */
enum slot_access_use { SLOT_ACCESS_CHANGE, SLOT_ACCESS_READ, SLOT_ACCESS_HEADER };

int slot_access_open(struct slot_access *a, const char *path, const struct volume_options *options,
                     enum slot_access_use use);
/* Returns `code`, or the failure's code if that was EXIT_DONE. */
int slot_access_close(struct slot_access *a, int code);

/* infos has NACRE_SLOTS_MAX. */
int slot_access_list(struct slot_access *a, struct nacre_slot_info *infos, size_t *count);
int slot_access_add(struct slot_access *a, const nacre_credential *cred, const struct nacre_kdf_cost *cost,
                    const char *name, uint32_t *index);
/* name NULL: it stays. */
int slot_access_change(struct slot_access *a, uint32_t slot, const nacre_credential *cred,
                       const struct nacre_kdf_cost *cost, const char *name);
int slot_access_rename(struct slot_access *a, uint32_t slot, const char *name);
int slot_access_remove(struct slot_access *a, uint32_t slot, bool force);

#endif
