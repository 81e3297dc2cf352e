/* A new recovery key for a person: as a line, as a QR code, as a page to print. */
#ifndef NACRE_CLI_PAPER_H
#define NACRE_CLI_PAPER_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json_types.h>

#include "options.h"
#include "secret.h"

struct paper {
  bool qr;
  const char *print; /* the page's file */
};

extern const struct option_spec paper_specs[];

/* What such a slot is called unless its owner says otherwise. */
#define PAPER_SLOT_NAME "recovery key"

/* Where a new recovery key has its slot. */
struct paper_slot {
  uint32_t index;
  const char *name; /* NULL or "": it has none */
};

/* Whether the options go with what is made, and a key can be shown, before anything is: exit code. */
int paper_check(const struct paper *paper, bool recovery, const char *volume);
/* Give the new key to whoever asked for it: make the page, where one is wanted, then print the key on stdout, alone
 * on a line, with the code below it on a terminal or where that was asked for; or as `report`, which is freed, with
 * --json. EXIT_DONE when all of it has arrived. Else there is no page either, and one line says what failed and,
 * if that is the printing, what the caller does now: `undone`. `container` is what the slot is in, and tells its id
 * and label. */
int paper_hand_over(const struct paper *paper, const char *container, const struct paper_slot *slot,
                    const struct secret *recovery, struct json_object *report, const char *undone);
/* Before a slot is made whose key is to be handed over: a reader that has gone is a failure like another, on stderr
 * too, and not the end of the program before the slot is taken back. For the rest of the process. */
void paper_outlive_readers(void);
/* Take the page away again: the slot was not made. */
void paper_drop(const struct paper *paper);

#endif
