/* Paths as text, in a volume or outside. */
#ifndef NACRE_CLI_PATHS_H
#define NACRE_CLI_PATHS_H

/* What a path's last component is called where it is copied to: "" for the root, for "." and for "..", since there
 * the contents are meant. The caller frees it; NULL when out of memory. */
char *path_base(const char *path);
/* What comes before that last component, slash included; "" if there is nothing. The caller frees it; NULL when out
 * of memory. */
char *path_parent(const char *path);
/* "dir/name" with one slash between. The caller frees it; NULL when out of memory. */
char *path_join(const char *dir, const char *name);

#endif
