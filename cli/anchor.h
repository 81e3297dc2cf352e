/* Where this program remembers the state of the volumes it has seen: a small file for each in the user's state
 * folder, $XDG_STATE_HOME/nacre/anchors, named by the volume's fingerprint. What is in it is sealed by the library.
 */
#ifndef NACRE_CLI_ANCHOR_H
#define NACRE_CLI_ANCHOR_H

#include <nacre.h>

/* The calls for nacre_open_options; their ctx is NULL. NULL, with *why said, where there is no such folder. */
const struct nacre_anchor_ops *anchor_files(const char **why);
/* Say what the opening found, where there is something to say. */
void anchor_note(const char *path, nacre_volume *vol);

#endif
