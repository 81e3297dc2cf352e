/*
 * The keys of a volume: its keyslots, the rotation of what they protect, the header that holds them, and their end.
 * A part of nacre.h, which includes it where it belongs: include that.
 */
#ifndef NACRE_KEYS_H
#define NACRE_KEYS_H

#ifndef NACRE_H
#error "include <nacre.h>, which has this as a part"
#endif

/* ---- Keyslots ------------------------------------------------------------------------------------------ */

struct nacre_slot_info {
  size_t struct_size;
  uint32_t index;
  enum nacre_slot_kind kind;
  struct nacre_kdf_cost kdf;
  int64_t created_s; /* seconds since 1970 */
  char name[64];
};
/* Fill infos[0..*count), *count being its room on entry and the number of slots on return, which may be more.
 * infos[0].struct_size is the size of each. */
NACRE_CALL enum nacre_err nacre_slot_list(nacre_volume *vol, struct nacre_slot_info *infos, size_t *count);
/* Each of these is durable in both header copies and bound by a superblock on return. kdf NULL: defaults. */
NACRE_CALL enum nacre_err nacre_slot_add(nacre_volume *vol, const nacre_credential *cred,
                                         const struct nacre_kdf_cost *kdf, const char *name, uint32_t *index);
/* The last slot is NACRE_ERR_WEAK without force. */
NACRE_CALL enum nacre_err nacre_slot_remove(nacre_volume *vol, uint32_t index, bool force);
/* Replace what opens a slot; a new key pair is drawn. name NULL: it keeps the one that it has; "": none. */
NACRE_CALL enum nacre_err nacre_slot_change(nacre_volume *vol, uint32_t index, const nacre_credential *cred,
                                            const struct nacre_kdf_cost *kdf, const char *name);
/* Give a slot another name; NULL or "": none. What opens it stays, and so does its date. */
NACRE_CALL enum nacre_err nacre_slot_rename(nacre_volume *vol, uint32_t index, const char *name);

/* How a header is unlocked without opening the volume, which may be in use. NULL: all zero. */
struct nacre_unlock_options {
  size_t struct_size;
  uint64_t kdf_memory_max_bytes; /* ceiling; 0: NACRE_KDF_MEMORY_MAX_BYTES */
  int slot;                      /* use only this slot if use_slot is set */
  bool use_slot;
  nacre_progress_fn progress; /* "keyslots": so many of the total were tried */
  void *progress_arg;
  nacre_cancel *cancel;
};
/* Which slot a credential opens. */
NACRE_CALL enum nacre_err nacre_slot_test(const struct nacre_target *target, const nacre_credential *cred,
                                          const struct nacre_unlock_options *options, uint32_t *index);

/* The header of a volume, unlocked: what a credential tells of a volume that another process may have open, at the
 * price of one key derivation however much is asked. Used by one thread at a time. The store of its target stays open
 * until nacre_header_free. */
typedef struct nacre_header nacre_header;
NACRE_CALL enum nacre_err nacre_header_unlock(const struct nacre_target *target, const nacre_credential *cred,
                                              const struct nacre_unlock_options *options, nacre_header **out);
NACRE_API void nacre_header_free(nacre_header *header);
struct nacre_header_info {
  size_t struct_size;
  uint8_t volume_id[16];
  uint8_t fingerprint[32]; /* as in struct nacre_volume_info */
  uint32_t slot;           /* the one that the credential opened */
};
NACRE_CALL enum nacre_err nacre_header_get_info(nacre_header *header, struct nacre_header_info *info);
/* As nacre_slot_list: what there was when it was unlocked, or since the last order that was made from it. */
NACRE_CALL enum nacre_err nacre_header_list(nacre_header *header, struct nacre_slot_info *infos, size_t *count);

/* Orders: a change of the keyslots of a volume that another process has open. One that can open a slot makes the
 * order, the one that has the volume open carries it out; nothing in it is secret, and it is good once, for the
 * header that it was made from. */
enum nacre_slot_change { NACRE_SLOT_ADD = 1, NACRE_SLOT_CHANGE = 2, NACRE_SLOT_REMOVE = 3, NACRE_SLOT_RENAME = 4 };
struct nacre_slot_order {
  size_t struct_size;
  enum nacre_slot_change what;
  uint32_t slot;                    /* to change, remove or rename */
  bool force;                       /* remove even the last one */
  const nacre_credential *cred;     /* add, change: the new one */
  const struct nacre_kdf_cost *kdf; /* add, change; NULL: the default */
  const char *name;                 /* add, rename; NULL: none. change; NULL: the old one */
};
#define NACRE_SLOT_ORDER_MAX_BYTES 8192
/* `buf` has NACRE_SLOT_ORDER_MAX_BYTES; *len_bytes of them are the order. It is made from the header as it is now,
 * which is read again: NACRE_ERR_IN_USE where what unlocked it does no more. */
NACRE_CALL enum nacre_err nacre_header_order(nacre_header *header, const struct nacre_slot_order *order, void *buf,
                                             size_t *len_bytes);
/* Durable on return, like the calls above. NACRE_ERR_IN_USE where the keyslots were changed since it was made. */
NACRE_CALL enum nacre_err nacre_slot_order_apply(nacre_volume *vol, const void *buf, size_t len_bytes,
                                                 uint32_t *index);
/* ---- Backup of the header: without its header nobody opens a volume, and it is 256 KiB -------------------- */

#define NACRE_HEADER_BYTES 262144u
/* Copy the header. With a credential that opens it, it is the authentic one, and works also while the volume is in
 * use and being changed. Without one (NULL) nothing tells whether it is: NACRE_ERR_DAMAGED where the two copies are
 * there and differ. What was copied opens the volume with the credentials that it has now for as long as its master
 * key is that of the volume's content, also those that are removed later. */
NACRE_CALL enum nacre_err nacre_header_backup(const struct nacre_target *target, const nacre_credential *cred,
                                              const struct nacre_unlock_options *options,
                                              uint8_t header[NACRE_HEADER_BYTES]);
/* The same of a header that is unlocked already, as it was then. */
NACRE_CALL enum nacre_err nacre_header_copy(nacre_header *header, uint8_t bytes[NACRE_HEADER_BYTES]);

struct nacre_restore_report {
  size_t struct_size;
  uint64_t backup_sequence;
  uint64_t demanded_sequence; /* below it, the backup is one that the volume would not open with by itself */
  uint64_t new_sequence;
  bool header_there;  /* the container had a header of this volume that can be compared with */
  uint32_t slots;     /* bit i: slot i is in use in the backup */
  uint32_t returning; /* and it is not, or not the same, in the container's header */
  uint32_t vanishing; /* the container's header has that slot, and the backup has it not, or not the same */
  bool older_key;     /* the backup is from the midst of a rotation: the key before is in the header (again), until
                       * nacre_rekey, or an opening that carries rotations on, has brought it to its end */
};
/* Of a volume that was opened by a backup of its header: make that the container's own, with a sequence above all
 * that is there, so that no older one opens it any more. Durable in both copies and bound by a superblock on return.
 * With dry_run only say what would come of it; then the volume may be open read-only. */
NACRE_CALL enum nacre_err nacre_header_restore(nacre_volume *vol, bool dry_run, struct nacre_restore_report *report);

/* ---- Rotation -------------------------------------------------------------------------------------------- */

struct nacre_rekey_options {
  size_t struct_size;
  /* A new master key alone, sealed to each slot: quick. The content stays under the key that it has, which whoever
   * has an older copy of the header, and a credential of that time, still gets from there. */
  bool slots_only;
  enum nacre_cipher cipher; /* from now on; NACRE_CIPHER_AUTO: as it is */
  uint32_t drop_slots;      /* bit i: slot i opens nothing any more. One must be left */
  uint64_t rate_bytes;      /* to rewrite a second; 0: as many as it goes */
  nacre_progress_fn progress;
  void *progress_arg;
  nacre_cancel *cancel;
};
struct nacre_rekey_report {
  size_t struct_size;
  bool resumed;             /* it was under way already, and was brought to its end */
  uint32_t epoch;           /* number of the key in use */
  uint64_t rewritten_bytes; /* by this call */
  uint64_t wiped_bytes;     /* of free space, with random bytes, by this call */
};

/* Draw new keys, seal all that the volume holds under them, forget the old ones: blocking, while the volume is in use
 * by other threads. All slots are kept but those that are dropped; nobody's credential is needed. Where a rotation is
 * under way it is brought to its end, at rate_bytes, and nothing else may be asked for (NACRE_ERR_IN_USE).
 * What breaks off, by NACRE_ERR_CANCELLED, an error or a crash, is carried on: by the next call; or, where a volume
 * is opened for writing with threads, by one of its own. Until it ends both keys are kept, and nothing is lost.
 * NACRE_ERR_DAMAGED, NACRE_ERR_IO: something cannot be read, or a free place not be written, so the old key is kept;
 * all else is done. NACRE_ERR_NO_SPACE: no room for a step.
 * Whoever has a copy of the container and a credential of that time can still read that copy. The old blocks are
 * overwritten, for which all free space is ("wipe" in progress), and what a file has behind its volume's end is cut.
 * NACRE_ERR_DAMAGED also, before anything is written, where the public key of the slot that opened the volume is not
 * its own: whoever had the keys may have put his there. */
NACRE_CALL enum nacre_err nacre_rekey(nacre_volume *vol, const struct nacre_rekey_options *options,
                                      struct nacre_rekey_report *report);
struct nacre_rekey_status {
  size_t struct_size;
  bool under_way;                   /* the volume holds blocks of two keys */
  bool running;                     /* and a thread of this process is at it */
  uint32_t epoch;                   /* number of the key that is sealed under */
  uint64_t done_bytes, total_bytes; /* of the pass over the volume */
  enum nacre_err stopped;           /* why the last one ended, in this opening */
  char why[160];
};
NACRE_CALL enum nacre_err nacre_rekey_get_status(nacre_volume *vol, struct nacre_rekey_status *status);

/* ---- Erasing: every key that a container has is destroyed, after which nobody opens it, with whatever
 *      credential ------------------------------------------------------------------------------------------ */

/* What becomes of the blocks, which nobody can read once the keys are gone. */
enum nacre_erase_rest {
  NACRE_ERASE_REST_AUTO = 0,      /* discarded where the storage can, else overwritten */
  NACRE_ERASE_REST_OVERWRITE = 1, /* overwritten with random bytes */
  NACRE_ERASE_REST_LEAVE = 2      /* left as they are */
};

struct nacre_erase_options {
  size_t struct_size;
  enum nacre_erase_rest rest;
  bool force; /* also where no header of a version that is known says what it is */
  nacre_progress_fn progress;
  void *progress_arg;
  nacre_cancel *cancel; /* looked at only once the keys are gone */
};

enum nacre_erased { NACRE_ERASED_LEFT = 0, NACRE_ERASED_OVERWRITTEN = 1, NACRE_ERASED_DISCARDED = 2 };

struct nacre_erase_range {
  uint64_t offset_bytes, len_bytes;
  bool keys; /* a header's place and half of the superblocks'; else blocks */
  enum nacre_erased how;
  /* Read again, past the system's cache where the store is the host's: it is what was written, and where there were
   * keys, no 16 bytes are those of before. Always so for what was overwritten. */
  bool read_back;
  uint8_t hash[32]; /* BLAKE2b-256 of what was read back */
};
#define NACRE_ERASE_RANGES_MAX 8

struct nacre_erase_report {
  size_t struct_size;
  bool identified; /* a header said what it was; else id, version and label are zero */
  uint8_t volume_id[16];
  uint32_t format_version;
  char label[NACRE_LABEL_MAX_BYTES + 1];
  uint64_t container_bytes;
  bool purged; /* the medium was told, first of all, to erase every copy that it has, and agreed */
  int64_t started_s, finished_s;
  uint32_t range_count;
  struct nacre_erase_range ranges[NACRE_ERASE_RANGES_MAX];
};
/* Overwrite both headers and all superblocks, then do with the rest what is asked. Needs no credential. Exclusive:
 * NACRE_ERR_IN_USE while anyone has it open. NACRE_OK says that all that the report has was read back. One that
 * failed or was cut, also by a power cut, is begun anew by the next call, without force up to the end. What it is
 * about is one container: not copies of it, and not what a medium keeps elsewhere of what was overwritten. */
NACRE_CALL enum nacre_err nacre_erase(const struct nacre_target *target, const struct nacre_erase_options *options,
                                      struct nacre_erase_report *report);

enum nacre_erase_verdict {
  NACRE_ERASE_MATCHES = 0, /* all that was overwritten is as the report says */
  NACRE_ERASE_CHANGED = 1, /* some of it is, and some has been written since */
  NACRE_ERASE_OTHER = 2    /* none of it is: another container, or all was written since */
};
struct nacre_erase_check {
  size_t struct_size;
  enum nacre_erase_verdict verdict;
  uint32_t ranges_equal, ranges_changed; /* of those with a hash; what was discarded or left is not looked at */
  bool volume_there;                     /* a header stands there now, of the volume with this id */
  uint8_t volume_id[16];
};
/* Compare a container with the report of its erasing, by its ranges and container_bytes. Reads alone. */
NACRE_CALL enum nacre_err nacre_erase_verify(const struct nacre_target *target,
                                             const struct nacre_erase_report *report, nacre_progress_fn progress,
                                             void *progress_arg, nacre_cancel *cancel,
                                             struct nacre_erase_check *check);

#endif
