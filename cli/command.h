/* What main.c knows of a command, and what a command's file gives. */
#ifndef NACRE_CLI_COMMAND_H
#define NACRE_CLI_COMMAND_H

struct command {
  const char *name;     /* as typed; "key add" has its second word in the table of `key` */
  const char *operands; /* for the usage line, e.g. "VOLUME DIR" */
  const char *summary;  /* one line */
  /* argv[0] is the command's name. Returns the program's exit code. */
  int (*run)(const struct command *self, int argc, char **argv);
};

int cmd_create(const struct command *self, int argc, char **argv);
int cmd_mount(const struct command *self, int argc, char **argv);
int cmd_umount(const struct command *self, int argc, char **argv);
int cmd_status(const struct command *self, int argc, char **argv);
int cmd_sync(const struct command *self, int argc, char **argv);
int cmd_ls(const struct command *self, int argc, char **argv);
int cmd_cat(const struct command *self, int argc, char **argv);
int cmd_get(const struct command *self, int argc, char **argv);
int cmd_rekey(const struct command *self, int argc, char **argv);
int cmd_put(const struct command *self, int argc, char **argv);
int cmd_rm(const struct command *self, int argc, char **argv);
int cmd_mkdir(const struct command *self, int argc, char **argv);
int cmd_mv(const struct command *self, int argc, char **argv);
int cmd_info(const struct command *self, int argc, char **argv);
int cmd_key(const struct command *self, int argc, char **argv);
int cmd_verify(const struct command *self, int argc, char **argv);
int cmd_erase(const struct command *self, int argc, char **argv);
int cmd_header(const struct command *self, int argc, char **argv);
int cmd_audit(const struct command *self, int argc, char **argv);
int cmd_bench(const struct command *self, int argc, char **argv);

/* mount(8) starts this as mount.nacre or mount.fuse.nacre; its exit codes are mount(8)'s. */
int mount_helper_run(int argc, char **argv);
/* umount(8) likewise, as umount.nacre or umount.fuse.nacre. */
int umount_helper_run(int argc, char **argv);

#endif
