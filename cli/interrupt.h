/* Ctrl-C and SIGTERM as a request to stop in order: the library call ends, what is half made is removed. */
#ifndef NACRE_CLI_INTERRUPT_H
#define NACRE_CLI_INTERRUPT_H

#include <stdbool.h>

#include <nacre.h>

/* Catch SIGINT, SIGTERM and SIGHUP from now on. The token to pass to library calls, or NULL when out of memory. */
nacre_cancel *interrupt_catch(void);
bool interrupt_pending(void);
/* If one came, end the process by it, as a shell expects; otherwise return. */
void interrupt_deliver(void);
/* Leave signals to whoever comes next (the daemon of a mount); one that came in the meantime is delivered. */
void interrupt_release(void);

#endif
