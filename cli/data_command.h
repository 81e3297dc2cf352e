/* What the commands that work inside a volume have in common. */
#ifndef NACRE_CLI_DATA_COMMAND_H
#define NACRE_CLI_DATA_COMMAND_H

#include <stdbool.h>

#include <nacre.h>

#include "command.h"
#include "options.h"

struct data_command {
  const struct option_group *own; /* the command's own options; NULL: none */
  int fewest, most;               /* operands, the volume included; most < 0: any number */
  bool read_only;
  bool bulk; /* moves much data: worth a thread for each core */
  /* Returns the exit code. argv[0] is the first operand after the volume. */
  int (*work)(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg);
  void *arg;
};

int data_command_run(const struct command *self, const struct data_command *data, int argc, char **argv);

/* Several operands, some of which fail: all done 0, some done EXIT_PARTLY, none done the first failure's code. */
struct tally {
  unsigned long done, failed;
  int code;
};
void tally_add(struct tally *tally, int code);
int tally_code(const struct tally *tally);

/* New objects are this process's. */
struct nacre_caller caller_self(void);

#endif
