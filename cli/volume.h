/* Opening and closing a volume for a command, with every error said. */
#ifndef NACRE_CLI_VOLUME_H
#define NACRE_CLI_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

#include "credential.h"
#include "options.h"

struct volume_options {
  struct credential_source credential;
  uint64_t kdf_memory_max_bytes; /* 0: the library's ceiling */
  uint64_t memory_bytes;         /* 0: the library's default */
  int slot;                      /* the only one to open; -1: any */
  const char *expect_id;         /* a fingerprint; NULL: any volume's */
  bool no_anchor, accept_rollback;
};
#define VOLUME_OPTIONS_NONE                                                                                          \
  { .credential = CREDENTIAL_SOURCE_NONE, .slot = -1 }

/* --kdf-memory-max, --memory, --expect-id, --no-anchor and --accept-rollback, offsets into struct volume_options. */
extern const struct option_spec volume_specs[];
/* --slot, which slot is opened; and --open-slot, the same where --slot is another. */
extern const struct option_spec volume_slot_specs[], volume_open_slot_specs[];
/* --header, where the header of the command's volume is kept; NULL: in the container. One run of the program works on
 * one volume, so that it is kept here, where volume_target finds it. */
struct volume_header {
  const char *path;
};
extern struct volume_header volume_header;
extern const struct option_spec volume_header_specs[];
/* The groups of a command that opens a volume, for the end of its list; `o` is a struct volume_options. */
#define VOLUME_GROUPS(o) VOLUME_GROUPS_WITH(o, credential_token_specs, volume_slot_specs)
/* For a command that has a --slot of its own, a --fido2, or both. */
#define VOLUME_GROUPS_BESIDE_SLOT(o) VOLUME_GROUPS_WITH(o, credential_token_specs, volume_open_slot_specs)
#define VOLUME_GROUPS_BESIDE_TOKEN(o) VOLUME_GROUPS_WITH(o, credential_open_token_specs, volume_slot_specs)
#define VOLUME_GROUPS_BESIDE_BOTH(o) VOLUME_GROUPS_WITH(o, credential_open_token_specs, volume_open_slot_specs)
#define VOLUME_GROUPS_WITH(o, token_specs, slot_specs)                                                               \
  {"Credential", credential_specs, &(o)->credential}, {"", token_specs, &(o)->credential},                           \
      {"Opening", slot_specs, (o)}, {"", volume_specs, (o)}, {                                                       \
    "", volume_header_specs, &volume_header                                                                          \
  }
#define VOLUME_GROUPS_COUNT 5

/* A backup of a header to open by, and what can be known of it. */
struct volume_backup {
  const char *path;
  uint8_t *bytes; /* NACRE_HEADER_BYTES */
  struct nacre_public_info info;
  bool force;
};

struct volume_request {
  const char *path;
  const struct volume_options *options;
  bool read_only;
  int threads;                        /* as in nacre_open_options */
  const nacre_credential *cred;       /* NULL: from the options or the terminal */
  nacre_credential **kept;            /* NULL, or gets the credential that opened it, the caller's to free */
  uint32_t commit_interval_ms;        /* 0: the library's default */
  void (*waiting)(void *arg);         /* as in nacre_open_options, with an `arg` of NULL */
  const struct volume_backup *backup; /* NULL: the container's own header */
};

/* With the header that was named. The target is valid while that is. */
struct nacre_target volume_target(const char *path);
/* Of any file, which has its own. */
struct nacre_target volume_plain_target(const char *path);
/* Before anything is asked or opened: exit code, error said. */
int volume_check_options(const char *path, const struct volume_options *options);
/* Whether a volume of that fingerprint is what --expect-id asks for. */
bool volume_is_expected(const struct volume_options *options, const uint8_t fingerprint[32]);
/* Whether it can be opened at all, before anybody types a passphrase: exit code, error said. */
int volume_check(const char *path, bool read_only, struct nacre_public_info *info);
/* The same of a container whose header may be anything. */
int volume_check_any(const char *path, bool read_only);
/* Whether no process has it open, or nothing can be known. */
bool volume_is_free(const char *path);
/* Wait for that so long. */
bool volume_wait_free(const char *path, unsigned seconds);
/* Exit code; on EXIT_DONE *out is open. Hardens the process first. */
int volume_open(const struct volume_request *request, nacre_volume **out);
/* Close, and return `code`, or the failure's code if that was EXIT_DONE. */
int volume_close(const char *path, nacre_volume *vol, int code);
/* Say that a container is in use, and where it is mounted if that is known. EXIT_IN_USE. */
int volume_report_in_use(const char *path);
/* The folder where this user (for root: anyone) has the container mounted; NULL if nowhere. The caller frees it. */
char *volume_mounted_on(const char *path);

#endif
