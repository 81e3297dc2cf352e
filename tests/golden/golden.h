/* The golden volumes: what opens them, and how their files are read and listed. See golden.py for the files' form. */
#ifndef NACRE_TESTS_GOLDEN_GOLDEN_H
#define NACRE_TESTS_GOLDEN_GOLDEN_H

#include "support/disk.h"

#define GOLDEN_PASSPHRASE "the golden passphrase"
#define GOLDEN_KEY_FILE_BYTES 100u /* 0, 1, 2, ... */
#define GOLDEN_RECOVERY "000G4-40R4F-0M30Y-E209X-185GE-R38EY-1W81B-24GK1"
#define GOLDEN_RECIPIENT "age179lha7v03ewjr3cmyza3yth9xl52kp5ucwh87p4s88c8mn4y4srs4j4nqu"
#define GOLDEN_IDENTITY "AGE-SECRET-KEY-1LPR6TAYQTAU854W386Z87SKN24FQD8EVMZKTTNT37KSXYUTVE0WQYPRFW9"
#define GOLDEN_LIMIT_BYTES (24u << 20)
#define GOLDEN_CHUNK_BYTES 4096u /* the smallest, since what is sealed does not compress */

/* The credentials of slots 0 to 7, a kind each. The caller frees them. */
#define GOLDEN_SLOTS 8u
nacre_credential *golden_credential(unsigned slot);
/* What makes that slot, which for the escrow slot is not what opens it. */
nacre_credential *golden_maker(unsigned slot);

/* Put everything that the format can hold into an empty volume. `fix_random` makes the library's random bytes 0, 1,
 * 2,
 * ... until it is called with false. */
void golden_fill(nacre_volume *vol, void (*fix_random)(bool on));

/* Read a golden volume's file into the disk; false where it is none. */
bool golden_expand(const char *path, struct disk *disk);

/* All names of the volume, a line each, sorted, as the independent reader's manifest has them. The caller frees it.
 */
char *golden_list(nacre_volume *vol);

#endif
