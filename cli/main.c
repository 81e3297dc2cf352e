/* The program: a table of commands. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <nacre.h>

#include "command.h"
#include "report.h"

static int cmd_help(const struct command *self, int argc, char **argv);

static const struct command commands[] = {
    {"create", "VOLUME", "Make a volume in a file or on a block device", cmd_create},
    {"mount", "VOLUME DIR", "Mount a volume on a folder", cmd_mount},
    {"umount", "DIR|VOLUME...", "Write everything to the volume and unmount it", cmd_umount},
    {"status", "[DIR|VOLUME]", "Say what is mounted where", cmd_status},
    {"sync", "DIR|VOLUME...", "Make everything in a mounted volume durable now", cmd_sync},
    {"ls", "VOLUME [PATH...]", "List folders of a volume that is not mounted", cmd_ls},
    {"cat", "VOLUME PATH...", "Print files of a volume that is not mounted", cmd_cat},
    {"get", "VOLUME PATH DEST", "Copy a file or a whole tree out of a volume", cmd_get},
    {"put", "VOLUME SOURCE... PATH", "Copy files and whole trees into a volume", cmd_put},
    {"rm", "VOLUME PATH...", "Remove files from a volume", cmd_rm},
    {"mkdir", "VOLUME PATH...", "Make folders in a volume", cmd_mkdir},
    {"mv", "VOLUME SOURCE... DEST", "Rename or move inside a volume", cmd_mv},
    {"info", "VOLUME", "Say what can be known without a credential", cmd_info},
    {"key", "add|remove|change|list|test VOLUME", "Manage the credentials of a volume", cmd_key},
    {"header", "backup|restore VOLUME FILE", "Keep a copy of a volume's header, and put it back", cmd_header},
    {"erase", "VOLUME", "Destroy a volume for good, with a certificate", cmd_erase},
    {"rekey", "VOLUME|DIR", "Rotate the keys: rewrite everything under new ones", cmd_rekey},
    {"audit", "PATH...", "Find volumes, and say how well they are kept", cmd_audit},
    {"verify", "VOLUME", "Read and check every block of a volume", cmd_verify},
    {"bench", "[DIR]", "Measure ciphers, key derivation and a volume on this machine", cmd_bench},
    {"help", "[COMMAND]", "Explain a command", cmd_help},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct command *find(const char *name) {
  for (size_t i = 0; i < COMMANDS; i++)
    if (strcmp(commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

static int print_help(void) {
  (void)printf("usage: nacre COMMAND [options] VOLUME [...]\n"
               "Keeps a whole filesystem, encrypted and authenticated, in one file or block device.\n\n");
  for (size_t i = 0; i < COMMANDS; i++)
    (void)printf("  %-8s  %s\n", commands[i].name, commands[i].summary);
  (void)printf("\nnacre COMMAND --help lists a command's options; nacre(1) has it all.\n");
  return EXIT_DONE;
}

static int unknown(const char *word) {
  return report_error(EXIT_USAGE, NULL, "there is no command '%s'; see nacre --help", word);
}

static int cmd_help(const struct command *self, int argc, char **argv) {
  (void)self;
  if (argc < 2 || argv[1][0] == '-')
    return print_help();
  const struct command *command = find(argv[1]);
  if (command == NULL)
    return unknown(argv[1]);
  if (command->run == cmd_help)
    return print_help();
  char flag[] = "--help";
  char *words[] = {argv[1], flag, NULL};
  /* "help key add" is "key add --help". */
  char *nested[] = {argv[1], argc > 2 ? argv[2] : flag, flag, NULL};
  return argc > 2 ? command->run(command, 3, nested) : command->run(command, 2, words);
}

static int print_version(void) {
  (void)printf("nacre %s (container format %u%s)\n", nacre_version(), (unsigned)nacre_format_version(),
               nacre_format_version() == 0 ? ", experimental" : "");
  return EXIT_DONE;
}

/* A wrong option is an error as well, so that --json has to be known before options are parsed. */
static void look_for_json(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--json") == 0)
      report_use_json(true);
}

static int run(int argc, char **argv) {
  if (argc < 2) {
    (void)print_help();
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
    return print_help();
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
    return print_version();
  const struct command *command = find(argv[1]);
  return command != NULL ? command->run(command, argc - 1, argv + 1) : unknown(argv[1]);
}

/* Started with one of the first three descriptors closed, a container would be opened there, and what is printed
 * would be written into it. Where nothing can be printed, printing is to fail: it may be a recovery key. */
static void open_standard_descriptors(void) {
  int fd = STDIN_FILENO;
  while (fd >= 0 && fd <= STDERR_FILENO)
    fd = open("/dev/null", fcntl(STDIN_FILENO, F_GETFD) < 0 ? O_RDWR : O_RDONLY);
  if (fd >= 0)
    (void)close(fd);
}

int main(int argc, char **argv) {
  open_standard_descriptors();
  /* A container over `ulimit -f` is a full one, not a reason to die. */
  (void)signal(SIGXFSZ, SIG_IGN);
  const char *name = argc > 0 ? argv[0] : "";
  const char *slash = strrchr(name, '/');
  name = slash != NULL ? slash + 1 : name;
  if (strcmp(name, "umount.nacre") == 0 || strcmp(name, "umount.fuse.nacre") == 0) {
    report_set_program("umount.nacre");
    return umount_helper_run(argc, argv);
  }
  if (strcmp(name, "mount.nacre") == 0 || strcmp(name, "mount.fuse.nacre") == 0) {
    report_set_program("mount.nacre");
    return mount_helper_run(argc, argv);
  }
  look_for_json(argc, argv);
  int code = run(argc, argv);
  /* What was printed must have arrived: a full disk under a redirection is a failure, too. */
  if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE)
    code = report_errno(NULL, "cannot write the output", errno);
  return code;
}
