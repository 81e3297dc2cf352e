/*
 * libnacre: a whole filesystem, encrypted and authenticated, in one file or block device.
 *
 * Conventions
 *   - Every call that can fail returns enum nacre_err; NACRE_OK is 0. On failure, nacre_last_error()
 *     gives one line for a person; it is thread-local, cleared on entry of each call, never secret.
 *   - Structs that start with `struct_size` are filled by the caller with sizeof before the call, so
 *     that they can grow. Zero in any other option means "the default".
 *   - Names and paths are bytes: any but NUL (and '/' inside a name). Lengths are in bytes.
 *   - Handles are opaque. A volume, its files and its dirs may be used by any number of threads at
 *     once, except that closing one must not race with another use of it.
 *   - The library never forks, executes, prints, installs signal handlers, or reads the environment.
 *     A handle used after fork() returns NACRE_ERR_FORKED.
 */
#ifndef NACRE_H
#define NACRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NACRE_MUST_USE __attribute__((warn_unused_result))
#define NACRE_API __attribute__((visibility("default")))
#else
#define NACRE_MUST_USE
#define NACRE_API
#endif
/* A call of the library's whose result says whether it did what it was to do. */
#define NACRE_CALL NACRE_API NACRE_MUST_USE

/* ---- Errors ------------------------------------------------------------------------------- */

/* Each value is a distinct thing for a caller to do. Values are stable. */
enum nacre_err {
  NACRE_OK = 0,
  NACRE_ERR_ARGUMENT = 1,     /* the call's arguments make no sense */
  NACRE_ERR_NO_MEMORY = 2,    /* out of memory, or over the volume's memory limit */
  NACRE_ERR_IO = 3,           /* the storage failed (read, write, sync) */
  NACRE_ERR_CREDENTIAL = 4,   /* no credential, or none that opens a slot */
  NACRE_ERR_DAMAGED = 5,      /* damaged or tampered with: something did not authenticate */
  NACRE_ERR_IN_USE = 6,       /* the container is open elsewhere, or the thing is busy */
  NACRE_ERR_NOT_VOLUME = 7,   /* no such container, or the bytes are not a Nacre volume */
  NACRE_ERR_NO_SPACE = 8,     /* the volume, or the host under it, is full */
  NACRE_ERR_UNSUPPORTED = 9,  /* unknown format version, feature or cipher; not possible here */
  NACRE_ERR_ROLLED_BACK = 10, /* older than its anchor or its header demands */
  NACRE_ERR_READ_ONLY = 11,   /* opened read-only, or gone read-only after a failure */
  NACRE_ERR_NOT_FOUND = 12,   /* no such name, inode, slot or attribute's owner */
  NACRE_ERR_EXISTS = 13,      /* the name exists */
  NACRE_ERR_NOT_DIRECTORY = 14,
  NACRE_ERR_IS_DIRECTORY = 15,
  NACRE_ERR_NOT_EMPTY = 16,
  NACRE_ERR_NAME_TOO_LONG = 17, /* a name over 255 bytes, a link target over 4095 */
  NACRE_ERR_TOO_LARGE = 18,     /* a file, a link count, or an attribute past its limit */
  NACRE_ERR_NO_ATTRIBUTE = 19,  /* no such extended attribute */
  NACRE_ERR_RANGE = 20,         /* the buffer is too small, or no data/hole past the offset */
  NACRE_ERR_PERMISSION = 21,    /* the host refused, or the operation is never allowed */
  NACRE_ERR_CANCELLED = 22,     /* a nacre_cancel token was fired */
  NACRE_ERR_LIMIT = 23,         /* a header asks for more KDF memory or time than the caller allows */
  NACRE_ERR_WEAK = 24,          /* KDF costs below the floor; the last credential without force */
  NACRE_ERR_FORKED = 25,        /* a handle used in a child of fork() */
  NACRE_ERR_LOOP = 26,          /* too many symbolic links in a path; one where NOFOLLOW allows none */
  NACRE_ERR_OTHER_VOLUME = 27   /* it opens, and is not the volume that was expected */
};

/* A short fixed description of a code, e.g. "no space left". Any thread. */
NACRE_API const char *nacre_strerror(enum nacre_err err);
/* What went wrong in this thread's last failed call: one line without newline. Valid until its next call. */
NACRE_API const char *nacre_last_error(void);
/* The errno that says the same to a POSIX program (NACRE_OK gives 0). */
NACRE_API int nacre_err_to_errno(enum nacre_err err);
/* Library version, "0.1.0". */
NACRE_API const char *nacre_version(void);
/* The container format version that this library writes (0: experimental). */
NACRE_API uint32_t nacre_format_version(void);

/* ---- Cancelling and progress ---------------------------------------------------------------- */

/* A token that another thread fires to end a blocking call (create, open, unlock, verify) with NACRE_ERR_CANCELLED.
 * May be fired from a signal handler. One key derivation cannot be broken off: the token is looked at before and
 * after each, so that up to a slot's whole cost may pass. A token that was fired stays fired. */
typedef struct nacre_cancel nacre_cancel;
NACRE_CALL enum nacre_err nacre_cancel_new(nacre_cancel **out);
NACRE_API void nacre_cancel_fire(nacre_cancel *cancel);
NACRE_API void nacre_cancel_free(nacre_cancel *cancel);

/* Called now and then by long work, from the calling thread. total is 0 while unknown. */
typedef void (*nacre_progress_fn)(void *arg, const char *what, uint64_t done, uint64_t total);

/* ---- Credentials ----------------------------------------------------------------------------- */

enum nacre_slot_kind {
  NACRE_SLOT_EMPTY = 0,
  NACRE_SLOT_PASSPHRASE = 1,              /* Argon2id over bytes that a person knows */
  NACRE_SLOT_KEY_FILE = 2,                /* Argon2id over the hash of a file's bytes */
  NACRE_SLOT_RECOVERY = 3,                /* 160 random bits made by Nacre; no Argon2 */
  NACRE_SLOT_RAW_KEY = 4,                 /* 32 random bytes from a platform's key store; no Argon2 */
  NACRE_SLOT_PASSPHRASE_AND_KEY_FILE = 5, /* Argon2id over both: neither opens it alone */
  /* The slot's key is 32 random bytes that nobody keeps. The slot's public body is what gives them back: */
  NACRE_SLOT_ESCROW = 6,     /* an age file, to whoever holds the identity */
  NACRE_SLOT_UNATTENDED = 7, /* a JWE, to clevis, where the pin's server or TPM is as it was */
  NACRE_SLOT_FIDO2 = 8       /* a FIDO2 credential's name, to the token that made it (hmac-secret) */
};

/* One opaque type for every kind of key. Contents are copied into locked memory and wiped on free. */
typedef struct nacre_credential nacre_credential;
NACRE_CALL enum nacre_err nacre_credential_passphrase(const void *bytes, size_t len_bytes, nacre_credential **out);
/* The contents of a key file: any bytes, at least one, at most 16 MiB. */
NACRE_CALL enum nacre_err nacre_credential_key_file(const void *bytes, size_t len_bytes, nacre_credential **out);
/* The text that nacre_recovery_generate made: case and separators do not matter. NACRE_ERR_CREDENTIAL
 * with the number of the mistyped group in the message where a group's check character is wrong. */
NACRE_CALL enum nacre_err nacre_credential_recovery(const char *text, nacre_credential **out);
NACRE_CALL enum nacre_err nacre_credential_raw_key(const uint8_t key[32], nacre_credential **out);
/* Both of the above, within their limits: whoever has one of them has nothing. */
NACRE_CALL enum nacre_err nacre_credential_passphrase_and_key_file(const void *passphrase, size_t passphrase_bytes,
                                                                   const void *file, size_t file_bytes,
                                                                   nacre_credential **out);
/* An age recipient, "age1..." (X25519): makes slots that open with its identity, and opens none. Each slot has a key
 * of its own, which only the slot's body holds: a standard age file that the ordinary age program decrypts. */
NACRE_CALL enum nacre_err nacre_credential_escrow_recipient(const char *text, nacre_credential **out);
/* An age identity, "AGE-SECRET-KEY-1...": opens the escrow slots whose age file it decrypts, and makes none. */
NACRE_CALL enum nacre_err nacre_credential_escrow_identity(const char *text, nacre_credential **out);
/* The key of a slot of kind ESCROW, UNATTENDED or FIDO2, as what is outside gave it back from the slot's body: opens
 * that slot. It makes none. */
NACRE_CALL enum nacre_err nacre_credential_slot_key(enum nacre_slot_kind kind, const uint8_t key[32],
                                                    nacre_credential **out);
/* The same with the body that was made for that key, 1 to NACRE_SLOT_BODY_MAX_BYTES: what a slot is added with. The
 * key is 32 random bytes, drawn for this slot alone. */
#define NACRE_SLOT_BODY_MAX_BYTES 6948
NACRE_CALL enum nacre_err nacre_credential_sealed_outside(enum nacre_slot_kind kind, const uint8_t key[32],
                                                          const void *body, size_t body_bytes,
                                                          nacre_credential **out);
NACRE_API enum nacre_slot_kind nacre_credential_kind(const nacre_credential *cred);
NACRE_API void nacre_credential_free(nacre_credential *cred);

/* Size of a recovery key's text with its NUL. */
#define NACRE_RECOVERY_TEXT_BYTES 64
/* Draw 160 random bits and write them as groups of typeable characters, each group with a check
 * character. The caller wipes the text after showing it. */
NACRE_CALL enum nacre_err nacre_recovery_generate(char text[NACRE_RECOVERY_TEXT_BYTES]);

/* ---- Where a container lives ------------------------------------------------------------------ */

/* An app's own storage. Each call returns 0 or a positive errno; reads and writes are complete or fail.
 * Calls come from several threads at once. read past the end fails with EIO. resize makes the container
 * exactly that long with space really allocated where it can be (ENOSPC otherwise). sync returns when all
 * completed writes are durable. discard is a hint and may be NULL. close is called once, at the end. */
struct nacre_store_ops {
  size_t struct_size;
  int (*read)(void *ctx, void *buf, size_t len_bytes, uint64_t offset_bytes);
  int (*write)(void *ctx, const void *buf, size_t len_bytes, uint64_t offset_bytes);
  int (*sync)(void *ctx);
  int (*size)(void *ctx, uint64_t *size_bytes);
  int (*resize)(void *ctx, uint64_t size_bytes); /* NULL: the size is fixed */
  int (*discard)(void *ctx, uint64_t offset_bytes, uint64_t len_bytes);
  void (*close)(void *ctx);
};

/* Exactly one of path, fd, ops is given. With `header`, which has none itself, the headers of the container are not
 * in it but there, one behind the other: 2 * NACRE_HEADER_BYTES. What is left in the container has nothing that says
 * what it is. A descriptor stays the caller's. A store's ctx is closed through ops->close once by each call that
 * takes a target: by nacre_volume_open when it fails or the volume is closed, by the others before they return. An
 * app that goes on using it counts, or has a close that does nothing. */
struct nacre_target {
  size_t struct_size;
  const char *path; /* a regular file or a block device */
  int fd;           /* used when use_fd is set */
  bool use_fd;
  const struct nacre_store_ops *ops;
  void *ctx;
  const struct nacre_target *header; /* NULL: the container has its own */
};

/* ---- Creating ----------------------------------------------------------------------------------- */

enum nacre_cipher {
  NACRE_CIPHER_AUTO = 0, /* the faster on this machine of the next two */
  NACRE_CIPHER_AES_256_GCM = 1,
  NACRE_CIPHER_XCHACHA20_POLY1305 = 2,
  NACRE_CIPHER_AEGIS_256 = 3 /* where libsodium has it (1.0.19 and later); never the default */
};
/* "aes-256-gcm", ...; NULL for a number that names none. */
NACRE_API const char *nacre_cipher_name(enum nacre_cipher cipher);
/* Whether this build and machine can use it. */
NACRE_API bool nacre_cipher_available(enum nacre_cipher cipher);

/* Argon2id costs (RFC 9106). Zero fields are chosen, as by nacre_kdf_choose with no aim. */
struct nacre_kdf_cost {
  uint64_t memory_bytes;
  uint32_t passes;
  uint32_t lanes;
};
#define NACRE_KDF_MEMORY_MIN_BYTES (32ull << 20) /* floor for new slots */
#define NACRE_KDF_MEMORY_MAX_BYTES (4ull << 30)  /* default ceiling on open */
/* What the costs of a new slot are chosen for. */
struct nacre_kdf_aim {
  size_t struct_size;
  uint64_t memory_max_bytes; /* at most so much; 0: 256 MiB */
  uint32_t passes_min;       /* at least so many, however long they take; 0: 1 */
  uint32_t target_ms;        /* as many as take about so long here; 0: 1000 */
};
/* Fill the zero fields of *cost: memory up to the aim's and a quarter of what this process may have (the RAM, or less
 * by a cgroup or RLIMIT_AS), but never below NACRE_KDF_MEMORY_MIN_BYTES; then 4 lanes; then passes, by measuring.
 * *had_bytes, unless NULL, is what it may have. aim NULL: all zero. NACRE_ERR_NO_MEMORY where not even the floor is
 * to be had. Takes up to a second. */
NACRE_CALL enum nacre_err nacre_kdf_choose(const struct nacre_kdf_aim *aim, struct nacre_kdf_cost *cost,
                                           uint64_t *had_bytes);
#define NACRE_VOLUME_SIZE_MIN_BYTES (24ull << 20)

struct nacre_create_options {
  size_t struct_size;
  uint64_t size_bytes; /* limit of the container; 0: 1 TiB where it can grow, else all of the device or store */
  enum nacre_cipher cipher;
  uint32_t chunk_bytes; /* 4096, 16384 or 65536; 0: 16384 */
  struct nacre_kdf_cost kdf;
  const char *label;           /* public, at most 63 bytes; NULL: none */
  const char *slot_name;       /* sealed; NULL: none */
  uint32_t root_uid, root_gid; /* owner of the root folder */
  uint32_t root_mode;          /* permission bits; 0: 0700 */
  bool force;                  /* overwrite what is there; never one that is in use */
  nacre_progress_fn progress;
  void *progress_arg;
  nacre_cancel *cancel;
};

/* Make a volume with one keyslot for `cred`. On a path that does not exist a file is made, 0600; it is the caller's
 * to remove if the call fails. A target that is not empty is NACRE_ERR_EXISTS without force: a file of any bytes, a
 * device or store with other than zeroes at its start, at its end or where the second header goes. Durable on return;
 * a call that fails leaves no volume. */
NACRE_CALL enum nacre_err nacre_create(const struct nacre_target *target, const struct nacre_create_options *options,
                                       const nacre_credential *cred);

/* ---- What can be known without a credential ------------------------------------------------------- */

#define NACRE_SLOTS_MAX 32
#define NACRE_NAME_MAX_BYTES 255
#define NACRE_LABEL_MAX_BYTES 63

struct nacre_public_slot {
  enum nacre_slot_kind kind;
  struct nacre_kdf_cost kdf; /* zero where the kind has no KDF */
};

struct nacre_public_info {
  size_t struct_size;
  uint8_t volume_id[16];
  uint32_t format_version;
  enum nacre_cipher cipher;
  uint64_t container_bytes;
  char label[NACRE_LABEL_MAX_BYTES + 1];
  bool in_use;                  /* the container is open somewhere; known for a path only */
  uint32_t header_copies_valid; /* structurally, 0 to 2 */
  struct nacre_public_slot slots[NACRE_SLOTS_MAX];
  /* Both are there, byte for byte the same. Else the other fields are of the copy with the higher sequence, and one
   * of the two is damaged, or a change broke off or is just being made: which one is good only a credential tells. */
  bool header_copies_equal;
};
/* Also with NACRE_ERR_NOT_VOLUME, NACRE_ERR_DAMAGED and NACRE_ERR_UNSUPPORTED container_bytes and in_use are given,
 * and with the last one what stands in its place in every version: volume_id, format_version, cipher. */
NACRE_CALL enum nacre_err nacre_probe(const struct nacre_target *target, struct nacre_public_info *info);
/* The public body of a slot that has one, from the header copy that nacre_probe reports: as it stands there, which
 * somebody else may have written. NACRE_ERR_NOT_FOUND for an empty slot or a kind without one; NACRE_ERR_RANGE, with
 * *len_bytes set, where it is longer than the room. Works while the volume is in use. */
NACRE_CALL enum nacre_err nacre_slot_body(const struct nacre_target *target, uint32_t slot, void *buf,
                                          size_t cap_bytes, size_t *len_bytes);

/* ---- Volumes ------------------------------------------------------------------------------------------ */

typedef struct nacre_volume nacre_volume;

/* Where an app keeps a volume's anchor: a few bytes outside the container by which an older state of the whole is
 * noticed when it is put back. They are sealed under a key of the volume's: nobody learns from them what a volume
 * holds, and nobody makes one up. Losing them is no error; it makes the next opening trust what it finds. Keep them
 * by fingerprint, where whoever may write the container may not: on the machine, not beside the container.
 * It is stored when the volume is opened, by a commit that is 30 s or more after the last time, and at a clean close.
 * Both return 0 or a positive errno; store replaces what is there whole or not at all. Calls come one at a time, from
 * the threads that open, commit and close the volume, which wait for them; they make no call on the volume. */
#define NACRE_ANCHOR_MAX_BYTES 1024
struct nacre_anchor_ops {
  size_t struct_size;
  /* Fill buf and *len_bytes; 0 bytes where nothing is kept for that volume. ERANGE if it is more than cap_bytes. */
  int (*load)(void *ctx, const uint8_t fingerprint[32], void *buf, size_t cap_bytes, size_t *len_bytes);
  int (*store)(void *ctx, const uint8_t fingerprint[32], const void *buf, size_t len_bytes);
};

struct nacre_open_options {
  size_t struct_size;
  bool read_only;
  uint64_t memory_bytes;         /* limit for caches and dirty data; 0: 64 MiB. At least 8 MiB */
  int threads;                   /* worker threads; 0: only the caller's; -1: as many as cores, up to 16 */
  uint32_t commit_interval_ms;   /* 0: 5000. Needs a thread; with threads 0 only sync and close commit */
  uint64_t kdf_memory_max_bytes; /* ceiling on open; 0: NACRE_KDF_MEMORY_MAX_BYTES */
  int slot;                      /* use only this slot if use_slot is set */
  bool use_slot;
  /* Asked for a credential when `cred` is NULL, at most `ask_attempts` times (0: 3) while it is wrong. The
   * library frees what it gets. Return false to give up. */
  bool (*ask)(void *arg, int attempt, nacre_credential **out);
  void *ask_arg;
  int ask_attempts;
  nacre_progress_fn progress;
  void *progress_arg;
  nacre_cancel *cancel;
  const struct nacre_anchor_ops *anchor; /* NULL: an older state is not noticed. Outlives the volume, as its ctx */
  void *anchor_ctx;
  /* Open also what the anchor says was rolled back; and for writing what lacks superblocks that no power cut
   * destroys, so that newer commits may be gone, or whose intent log is damaged. What is written then is a new branch
   * of history. */
  bool accept_rollback;
  bool hold_rekey; /* do not carry on a rotation that is under way */
  /* Whose fingerprint it has to be: another volume in its place, which the same credential opens as well, is
   * NACRE_ERR_OTHER_VOLUME before anything of it is read or written. */
  bool use_expect_fingerprint;
  uint8_t expect_fingerprint[32];
  /* The bytes of a backup of its header (nacre_header_backup): open by that, whatever is left of the container's own,
   * and however old it is. NACRE_ERR_ROLLED_BACK where the container's header has keys that the backup lacks, or,
   * without force, may have: one that the backup's keys don't authenticate, and later than what they open. It is the
   * error also where the backup opens nothing at all, and the container's header is later and of other keys, unless
   * the credential opens that header and shows that the keys were not rotated: then, and else, NACRE_ERR_DAMAGED.
   * Keyslots can't be changed until nacre_header_restore. */
  const void *header_backup;
  size_t header_backup_bytes; /* NACRE_HEADER_BYTES */
  bool header_backup_force;
  /* Called by a thread that is about to wait until the medium has read something, of the caller's or of the library's
   * own, several at once; for containers that are files or devices of the host alone, and where the system can tell.
   * A server can let another thread receive its next request. Locks of the library may be held: return soon, and
   * call nothing of it. Not called after the volume was closed. */
  void (*waiting)(void *arg);
  void *waiting_arg;
};

/* Open a volume. Exclusive: NACRE_ERR_IN_USE while any process (this one included) has it open, except that
 * several may hold it read-only. NACRE_ERR_ROLLED_BACK if the container is older than its anchor, or went another
 * way; nothing was written then. */
NACRE_CALL enum nacre_err nacre_volume_open(const struct nacre_target *target,
                                            const struct nacre_open_options *options, const nacre_credential *cred,
                                            nacre_volume **out);
/* Commit, wipe and free, also when it fails; then what was not durable before is lost, and the error says so. As
 * nacre_volume_sync, it also tells of what was lost before. All files and dirs must be closed. */
NACRE_API enum nacre_err nacre_volume_close(nacre_volume *vol);
/* Free without a commit: what was not synced is dropped. */
NACRE_API void nacre_volume_abandon(nacre_volume *vol);
/* Make everything done so far durable; concurrent calls share one commit. NACRE_OK for a volume that was opened
 * read-only, the failure for one that went read-only. Where buffered data had to be given up since this was asked
 * last, because what is stored of its file is damaged (NACRE_ERR_DAMAGED) or cannot be read for long (NACRE_ERR_IO),
 * it fails so once, and all else is durable, as a second call shows: nacre_last_error has the file's number.
 * nacre_fsync of the file tells, too. */
NACRE_CALL enum nacre_err nacre_volume_sync(nacre_volume *vol);
/* The same, as nacre_fsync does it: where little has changed that is a record of the intent log and no commit. The
 * next opening brings it back; space that was freed is free after commits only. It tells of no loss. */
NACRE_CALL enum nacre_err nacre_volume_fsync(nacre_volume *vol);

struct nacre_volume_info {
  size_t struct_size;
  uint8_t volume_id[16];
  uint8_t fingerprint[32]; /* of the identity secret: what cannot be copied without a credential */
  enum nacre_cipher cipher;
  uint32_t chunk_bytes;
  uint32_t slot;       /* the slot that opened it */
  uint64_t generation; /* of the last durable commit */
  uint8_t commit_id[16];
  uint64_t size_bytes;      /* limit */
  uint64_t container_bytes; /* now */
  uint64_t used_bytes;      /* allocated blocks, metadata and fixed areas included */
  uint64_t free_bytes;      /* what can still be written */
  uint64_t inodes;          /* live inodes */
  uint64_t dirty_bytes;     /* not yet committed */
  uint64_t memory_bytes;    /* held by caches now */
  bool read_only;
  bool failed;    /* went read-only after a failure; failure says why */
  bool fell_back; /* not, or perhaps not, at the newest state: a commit or the intent log is damaged, or superblocks
                     are gone or unreadable */
  char failure[160];
  /* Sealed under the key in use, since it was drawn: at least so much, as what a crash cut off is not counted. */
  uint64_t sealed_blocks, sealed_bytes;
};
/* From here on a key is better rotated: with so many blocks, each in a write session of its own at the worst, two
 * sessions are the same with a probability of 2^-33. */
#define NACRE_SEALED_BLOCKS_ADVISED (1ull << 48)
NACRE_CALL enum nacre_err nacre_volume_get_info(nacre_volume *vol, struct nacre_volume_info *info);

/* What the anchor said when the volume was opened. */
enum nacre_anchor_state {
  NACRE_ANCHOR_NONE = 0,       /* none is kept */
  NACRE_ANCHOR_NEW = 1,        /* nothing was remembered of this volume */
  NACRE_ANCHOR_FOUND = 2,      /* the volume is what was remembered, or came from it */
  NACRE_ANCHOR_CUT_OFF = 3,    /* older than what was remembered, by the last minutes of an opening that did not end
                                  well: a medium that lied about its flush, or somebody put an older state back */
  NACRE_ANCHOR_FORGOTTEN = 4,  /* it was opened elsewhere so many times (4096) since that nobody can tell */
  NACRE_ANCHOR_UNREADABLE = 5, /* something was remembered, and it is damaged or could not be read (error) */
  NACRE_ANCHOR_ACCEPTED = 6    /* rolled back, and accepted as that */
};
struct nacre_anchor_report {
  size_t struct_size;
  enum nacre_anchor_state state;
  int error;                  /* errno of load, where it failed */
  int store_error;            /* errno of the last store; 0: it succeeded */
  uint64_t volume_generation; /* as found when it was opened */
  int64_t volume_time_s;      /* of that commit, seconds since 1970 */
  uint64_t seen_generation;   /* as remembered; 0: nothing was */
  int64_t seen_time_s;
};
NACRE_CALL enum nacre_err nacre_volume_get_anchor(nacre_volume *vol, struct nacre_anchor_report *report);

/* ---- Keyslots, rotation, the header and its backup, erasing ------------------------------------------------- */

#include "nacre_keys.h"

/* ---- Attributes ------------------------------------------------------------------------------------------ */

struct nacre_time {
  int64_t s;
  uint32_t ns;
};

struct nacre_attr {
  size_t struct_size;
  uint64_t ino;
  uint64_t generation; /* of the inode number: (ino, generation) never repeats */
  uint32_t mode;       /* type and permission bits as in struct stat */
  uint32_t uid, gid;
  uint32_t nlink;
  uint64_t size_bytes;
  uint64_t allocated_bytes;
  uint64_t rdev;
  uint32_t chunk_bytes;
  struct nacre_time atime, mtime, ctime, btime;
};

enum nacre_set {
  NACRE_SET_MODE = 1,
  NACRE_SET_UID = 2,
  NACRE_SET_GID = 4,
  NACRE_SET_SIZE = 8,
  NACRE_SET_ATIME = 16,
  NACRE_SET_MTIME = 32,
  NACRE_SET_ATIME_NOW = 64,
  NACRE_SET_MTIME_NOW = 128,
  NACRE_SET_CTIME = 256,
  /* Clear setuid, setgid and security.capability as an unprivileged write or chown does. */
  NACRE_SET_KILL_PRIV = 512,
  /* Leave the change time as it is, unless NACRE_SET_CTIME or a size is set too: for what is no change to POSIX, such
   * as the access time of a read. */
  NACRE_SET_KEEP_CTIME = 1024,
  /* Beside NACRE_SET_KILL_PRIV: setgid goes also where the group may not run the file. For a caller outside of that
   * group. */
  NACRE_SET_KILL_SETGID = 2048
};

struct nacre_statfs {
  size_t struct_size;
  uint64_t block_bytes;
  uint64_t blocks, free_blocks, available_blocks;
  uint64_t files, free_files;
};
NACRE_CALL enum nacre_err nacre_statfs(nacre_volume *vol, struct nacre_statfs *out);

/* Who makes a new object. mode and umask as the kernel's: a default ACL of the folder takes the umask's place. NULL
 * where one is asked for: uid, gid and umask 0. */
struct nacre_caller {
  uint32_t uid, gid, umask;
};

/* ---- Files: the same handle from a path or an inode --------------------------------------------------------- */

typedef struct nacre_file nacre_file;
typedef struct nacre_dir nacre_dir;

enum nacre_open_flags {
  NACRE_O_READ = 1,
  NACRE_O_WRITE = 2,
  NACRE_O_CREATE = 4,
  NACRE_O_EXCLUSIVE = 8,
  NACRE_O_TRUNCATE = 16,
  NACRE_O_APPEND = 32, /* every write goes to the end, atomically */
  NACRE_O_NOFOLLOW = 64
};

/* Short only at the end of the file. *done is set also on error (what was done before it). */
NACRE_CALL enum nacre_err nacre_read(nacre_file *file, void *buf, size_t len_bytes, uint64_t offset_bytes,
                                     size_t *done);
/* All or an error, before which a part may have been written. Answered when buffered with its space reserved;
 * nacre_fsync makes it durable. */
NACRE_CALL enum nacre_err nacre_write(nacre_file *file, const void *buf, size_t len_bytes, uint64_t offset_bytes);
enum nacre_fallocate_mode {
  NACRE_FALLOCATE_KEEP_SIZE = 1,
  NACRE_FALLOCATE_PUNCH_HOLE = 2, /* with KEEP_SIZE */
  NACRE_FALLOCATE_ZERO_RANGE = 4
};
/* mode 0 and KEEP_SIZE check that the space is there now and extend the size; copy-on-write keeps no reservation. */
NACRE_CALL enum nacre_err nacre_fallocate(nacre_file *file, unsigned mode, uint64_t offset_bytes, uint64_t len_bytes);
/* Next data or hole at or after the offset, chunk by chunk; NACRE_ERR_RANGE where there is none (ENXIO). */
NACRE_CALL enum nacre_err nacre_seek_data(nacre_file *file, uint64_t offset_bytes, uint64_t *found);
NACRE_CALL enum nacre_err nacre_seek_hole(nacre_file *file, uint64_t offset_bytes, uint64_t *found);
NACRE_CALL enum nacre_err nacre_fstat(nacre_file *file, struct nacre_attr *attr);
NACRE_CALL enum nacre_err nacre_ftruncate(nacre_file *file, uint64_t size_bytes);
NACRE_CALL enum nacre_err nacre_fsync(nacre_file *file);
/* An error of write-behind that no call on this handle has reported yet, then forgets it. nacre_fsync reports those
 * that have cost data, also one from before the handle was opened if no handle has reported it; the data of the
 * others is stored by then. */
NACRE_CALL enum nacre_err nacre_file_error(nacre_file *file);
/* Frees the handle. An unlinked file whose last handle and pin go away is deleted. */
NACRE_API void nacre_close(nacre_file *file);

struct nacre_dirent {
  uint64_t ino;
  uint64_t next; /* offset to continue after this entry */
  uint8_t type;  /* DT_REG, ... as in dirent.h */
  uint16_t name_len;
  const char *name;              /* NUL-terminated; valid inside the callback */
  const struct nacre_attr *attr; /* if attributes were asked for and it is not . or .. ; then it carries one pin */
};
/* Return false to stop: this entry is then not consumed (and its pin, if any, is taken back). */
typedef bool (*nacre_dirent_fn)(void *arg, const struct nacre_dirent *entry);
/* List from `offset` (0: the start, . and .. first), until the callback stops or the end. An entry that is neither
 * added nor removed meanwhile comes exactly once. */
NACRE_CALL enum nacre_err nacre_readdir(nacre_dir *dir, uint64_t offset, bool with_attr, nacre_dirent_fn fn,
                                        void *arg);
NACRE_API void nacre_closedir(nacre_dir *dir);

/* ---- Path calls: '/' separates, leading ones are ignored, "" is the root. Symbolic links are followed inside the
 *      volume (an absolute target starts at its root), the last one only where said. ------------------------------
 */

NACRE_CALL enum nacre_err nacre_open(nacre_volume *vol, const char *path, unsigned flags, uint32_t mode,
                                     const struct nacre_caller *caller, nacre_file **out); /* follows */
NACRE_CALL enum nacre_err nacre_opendir(nacre_volume *vol, const char *path, nacre_dir **out);
NACRE_CALL enum nacre_err nacre_stat(nacre_volume *vol, const char *path, struct nacre_attr *attr);
NACRE_CALL enum nacre_err nacre_lstat(nacre_volume *vol, const char *path, struct nacre_attr *attr);
NACRE_CALL enum nacre_err nacre_setattr(nacre_volume *vol, const char *path, const struct nacre_attr *attr,
                                        unsigned set); /* not followed */
NACRE_CALL enum nacre_err nacre_mkdir(nacre_volume *vol, const char *path, uint32_t mode,
                                      const struct nacre_caller *caller);
NACRE_CALL enum nacre_err nacre_mknod(nacre_volume *vol, const char *path, uint32_t mode, uint64_t rdev,
                                      const struct nacre_caller *caller);
NACRE_CALL enum nacre_err nacre_symlink(nacre_volume *vol, const char *target, const char *path,
                                        const struct nacre_caller *caller);
NACRE_CALL enum nacre_err nacre_readlink(nacre_volume *vol, const char *path, char *buf,
                                         size_t size_bytes); /* NUL-terminated */
NACRE_CALL enum nacre_err nacre_link(nacre_volume *vol, const char *from, const char *to);
NACRE_CALL enum nacre_err nacre_unlink(nacre_volume *vol, const char *path);
NACRE_CALL enum nacre_err nacre_rmdir(nacre_volume *vol, const char *path);
enum nacre_rename_flags { NACRE_RENAME_NOREPLACE = 1, NACRE_RENAME_EXCHANGE = 2 };
NACRE_CALL enum nacre_err nacre_rename(nacre_volume *vol, const char *from, const char *to, unsigned flags);
NACRE_CALL enum nacre_err nacre_getxattr(nacre_volume *vol, const char *path, const char *name, void *buf,
                                         size_t size_bytes, size_t *len); /* none of these follow */
NACRE_CALL enum nacre_err nacre_setxattr(nacre_volume *vol, const char *path, const char *name, const void *value,
                                         size_t len_bytes, unsigned flags);
NACRE_CALL enum nacre_err nacre_listxattr(nacre_volume *vol, const char *path, char *buf, size_t size_bytes,
                                          size_t *len);
NACRE_CALL enum nacre_err nacre_removexattr(nacre_volume *vol, const char *path, const char *name);

/* ---- Inode calls: what a mount uses -------------------------------------------------------------------------------
 * An inode that a call returns in *attr from lookup, create, mkdir, mknod, symlink, link or tmpfile carries one pin:
 * while pinned or open, an unlinked inode stays usable. nacre_inode_unpin gives pins back. The root never needs one.
 * Where an object is made or linked, attr may be NULL: then there is no pin. A folder's handle holds none.
 */

#define NACRE_ROOT_INO 1ull

/* "." is the inode itself, of any kind, as long as it has a name; ".." is the folder's parent, or the root's own. */
NACRE_CALL enum nacre_err nacre_inode_lookup(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                             struct nacre_attr *attr);
NACRE_API void nacre_inode_unpin(nacre_volume *vol, uint64_t ino, uint64_t pins);
NACRE_CALL enum nacre_err nacre_inode_getattr(nacre_volume *vol, uint64_t ino, struct nacre_attr *attr);
/* Sets what `set` names from *attr and returns the result in *attr. */
NACRE_CALL enum nacre_err nacre_inode_setattr(nacre_volume *vol, uint64_t ino, struct nacre_attr *attr, unsigned set);
/* flags: READ, WRITE, APPEND, TRUNCATE. */
NACRE_CALL enum nacre_err nacre_inode_open(nacre_volume *vol, uint64_t ino, unsigned flags, nacre_file **out);
NACRE_CALL enum nacre_err nacre_inode_opendir(nacre_volume *vol, uint64_t ino, nacre_dir **out);
/* Create a regular file and open it; NACRE_ERR_EXISTS where the name exists. */
NACRE_CALL enum nacre_err nacre_inode_create(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                             uint32_t mode, unsigned flags, const struct nacre_caller *caller,
                                             struct nacre_attr *attr, nacre_file **out);
/* An unnamed file in that folder (O_TMPFILE); nacre_inode_link gives it a name. */
NACRE_CALL enum nacre_err nacre_inode_tmpfile(nacre_volume *vol, uint64_t dir, uint32_t mode, unsigned flags,
                                              const struct nacre_caller *caller, struct nacre_attr *attr,
                                              nacre_file **out);
NACRE_CALL enum nacre_err nacre_inode_mkdir(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                            uint32_t mode, const struct nacre_caller *caller,
                                            struct nacre_attr *attr);
/* Regular file, fifo, socket or device by the type bits of mode. */
NACRE_CALL enum nacre_err nacre_inode_mknod(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                            uint32_t mode, uint64_t rdev, const struct nacre_caller *caller,
                                            struct nacre_attr *attr);
NACRE_CALL enum nacre_err nacre_inode_symlink(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                              const char *target, const struct nacre_caller *caller,
                                              struct nacre_attr *attr);
NACRE_CALL enum nacre_err nacre_inode_readlink(nacre_volume *vol, uint64_t ino, char *buf,
                                               size_t size_bytes); /* NUL-terminated; 4096 always fits */
NACRE_CALL enum nacre_err nacre_inode_link(nacre_volume *vol, uint64_t ino, uint64_t dir, const char *name,
                                           size_t name_len, struct nacre_attr *attr);
NACRE_CALL enum nacre_err nacre_inode_unlink(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len);
NACRE_CALL enum nacre_err nacre_inode_rmdir(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len);
NACRE_CALL enum nacre_err nacre_inode_rename(nacre_volume *vol, uint64_t from_dir, const char *from, size_t from_len,
                                             uint64_t to_dir, const char *to, size_t to_len, unsigned flags);

/* Extended attributes: namespaces user., trusted., security. and system.posix_acl_access/default, which take effect:
 * the access ACL sets the mode, the default one is inherited. Values to 64 KiB, all names of an inode to 64 KiB.
 * get and list with size_bytes 0 only tell the length; a buffer too small is NACRE_ERR_RANGE. */
enum nacre_xattr_flags { NACRE_XATTR_CREATE = 1, NACRE_XATTR_REPLACE = 2 };
NACRE_CALL enum nacre_err nacre_inode_getxattr(nacre_volume *vol, uint64_t ino, const char *name, void *buf,
                                               size_t size_bytes, size_t *len);
NACRE_CALL enum nacre_err nacre_inode_setxattr(nacre_volume *vol, uint64_t ino, const char *name, const void *value,
                                               size_t len_bytes, unsigned flags);
NACRE_CALL enum nacre_err nacre_inode_listxattr(nacre_volume *vol, uint64_t ino, char *buf, size_t size_bytes,
                                                size_t *len);
NACRE_CALL enum nacre_err nacre_inode_removexattr(nacre_volume *vol, uint64_t ino, const char *name);

/* ---- Verify
 * ---------------------------------------------------------------------------------------------------------- */

struct nacre_verify_report {
  size_t struct_size;
  uint64_t nodes, chunks, inodes, directories, files;
  uint64_t data_bytes, metadata_bytes;
  uint64_t problems; /* 0: all is well */
};
/* One problem, one line. path is NULL where it is not known, or concerns no file. Called when the walk is done, but
 * at once for what goes past the first few hundred. */
typedef void (*nacre_problem_fn)(void *arg, const char *path, const char *problem);
/* Commit, then read and authenticate every block of the committed state and check every invariant. NACRE_ERR_DAMAGED
 * if there was any problem. The volume stays usable meanwhile, but mutations wait. */
NACRE_CALL enum nacre_err nacre_verify(nacre_volume *vol, struct nacre_verify_report *report,
                                       nacre_problem_fn problem, void *problem_arg, nacre_progress_fn progress,
                                       void *progress_arg, nacre_cancel *cancel);

/* ---- Measuring
 * ----------------------------------------------------------------------------------------------------------- */

/* Seal and open pieces of `piece_bytes` on one thread for about `duration_ms` each. */
NACRE_CALL enum nacre_err nacre_bench_cipher(enum nacre_cipher cipher, size_t piece_bytes, uint32_t duration_ms,
                                             double *seal_bytes_per_s, double *open_bytes_per_s);
/* One key derivation at that cost, in milliseconds; zero fields are filled with the defaults for this machine. */
NACRE_CALL enum nacre_err nacre_bench_kdf(struct nacre_kdf_cost *cost, double *ms);

#ifdef __cplusplus
}
#endif
#endif
