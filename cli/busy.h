/* Which processes keep a folder busy. */
#ifndef NACRE_CLI_BUSY_H
#define NACRE_CLI_BUSY_H

/* "bash (812), vim (900)": those that have a file in `dir` open, mapped, or as their working or root folder, as far
 * as /proc shows them to this user. NULL if none is seen. The caller frees it. */
char *busy_processes(const char *dir);

#endif
