/* Calls of the public interface, as an input says. */
#ifndef NACRE_TESTS_FUZZ_DRIVE_H
#define NACRE_TESTS_FUZZ_DRIVE_H

#include "fuzz/volume.h"

/* Up to a few dozen calls, until the input ends. `sound`: nothing may be found damaged. Files are closed on return.
 */
void drive(nacre_volume *vol, struct feed *f, bool sound);
/* List, stat and read all that can be reached, within bounds. */
void drive_walk(nacre_volume *vol, bool sound);

#endif
