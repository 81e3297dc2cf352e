/* FIDO2 tokens: a slot's key is what the token's hmac-secret extension gives for the salt in the slot. The token
 * itself is behind a table of calls, so that another can stand in for it. */
#ifndef NACRE_CLI_FIDO2_H
#define NACRE_CLI_FIDO2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#define FIDO2_KEY_BYTES 32
#define FIDO2_SALT_BYTES 32
#define FIDO2_RP_MAX 255
#define FIDO2_ID_MAX 1024
#define FIDO2_BODY_MAX (40 + FIDO2_RP_MAX + FIDO2_ID_MAX)
#define FIDO2_TOKENS_MAX 8

/* The slot's body, as docs/format.md has it. */
enum fido2_flag { FIDO2_NEEDS_PIN = 1, FIDO2_NEEDS_USER = 2, FIDO2_NEEDS_TOUCH = 4 };
struct fido2_record {
  uint8_t flags;
  uint8_t salt[FIDO2_SALT_BYTES];
  char rp[FIDO2_RP_MAX + 1];
  uint8_t id[FIDO2_ID_MAX];
  size_t id_len;
};

/* Returns the length. */
size_t fido2_record_encode(const struct fido2_record *record, uint8_t body[FIDO2_BODY_MAX]);
/* False where the bytes are no such record: an enemy may have written them. */
bool fido2_record_decode(const uint8_t *body, size_t len, struct fido2_record *record);

enum fido2_result {
  FIDO2_DONE,
  FIDO2_ABSENT,      /* this build knows no tokens */
  FIDO2_NO_TOKEN,    /* none is plugged in */
  FIDO2_SEVERAL,     /* more than one, where a new slot needs one */
  FIDO2_OTHER_TOKEN, /* none of those that are there made the slot */
  FIDO2_UNABLE,      /* it has no hmac-secret */
  FIDO2_PIN_WRONG,
  FIDO2_PIN_PAUSED,  /* too many wrong ones in a row: none is taken until it is plugged in anew */
  FIDO2_PIN_BLOCKED, /* for good */
  FIDO2_NO_PIN,      /* it was not given */
  FIDO2_NO_USER,     /* nobody touched it in time, or it did not know the finger */
  FIDO2_NO_ANSWER,   /* in time, or that makes sense; or it can't be opened */
  FIDO2_FAILED
};

struct fido2_token {
  char path[256];
  bool answers; /* what follows is what it says */
  bool hmac_secret;
  bool pin_set;
  bool knows_user; /* by itself: a finger */
};

/* What a token does. pin is NULL where none is needed. */
struct fido2_calls {
  /* How many are plugged in, of which `room` are told; NULL: this build knows none. */
  size_t (*list)(struct fido2_token *tokens, size_t room);
  /* Make a credential for record->rp that can do hmac-secret, and leave its id there. */
  enum fido2_result (*make)(const struct fido2_token *token, const char *pin, struct fido2_record *record);
  /* DONE where it has that credential, OTHER_TOKEN where it has not; asks nobody anything. */
  enum fido2_result (*knows)(const struct fido2_token *token, const struct fido2_record *record);
  enum fido2_result (*secret)(const struct fido2_token *token, const char *pin, const struct fido2_record *record,
                              uint8_t key[FIDO2_KEY_BYTES]);
  /* How many wrong PINs it still takes before it is blocked for good; -1: it doesn't say. */
  int (*pins_left)(const struct fido2_token *token);
};
/* libfido2, or nothing. */
extern const struct fido2_calls fido2_hardware;

/* The person at the token: asked for its PIN (false: none is given), and told to touch it. */
struct fido2_person {
  /* left: what pins_left says after a wrong one. */
  bool (*ask_pin)(void *arg, bool again, int left, struct secret *pin);
  void (*say_touch)(void *arg);
  void *arg;
  int pins_left; /* out, where the PIN was wrong */
};

/* Make a credential on the only token there is and get its first key. */
enum fido2_result fido2_new(const struct fido2_calls *calls, struct fido2_person *person, struct fido2_record *record,
                            uint8_t key[FIDO2_KEY_BYTES]);
/* Get the key of a slot from whichever token made it. */
enum fido2_result fido2_key(const struct fido2_calls *calls, struct fido2_person *person,
                            const struct fido2_record *record, uint8_t key[FIDO2_KEY_BYTES]);
/* One line for a person, about how one of those two ended. */
#define FIDO2_TEXT_BYTES 192
void fido2_text(enum fido2_result result, const struct fido2_person *person, char text[FIDO2_TEXT_BYTES]);

#endif
