#include "data_command.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "volume.h"

/* A deep tree keeps a descriptor open for each level. */
static void allow_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int data_command_run(const struct command *self, const struct data_command *data, int argc, char **argv) {
  struct volume_options options = VOLUME_OPTIONS_NONE;
  struct option_group groups[VOLUME_GROUPS_COUNT + 2] = {{0}};
  size_t count = 0;
  if (data->own != NULL)
    groups[count++] = *data->own;
  const struct option_group opening[] = {VOLUME_GROUPS(&options)};
  memcpy(groups + count, opening, sizeof opening);
  const enum options_result parsed = options_parse(self, groups, data->fewest, data->most, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  const struct volume_request request = {
      .path = argv[0], .options = &options, .read_only = data->read_only, .threads = data->bulk ? -1 : 0};
  if (data->bulk)
    allow_descriptors();
  nacre_volume *vol = NULL;
  const int code = volume_open(&request, &vol);
  if (code != EXIT_DONE)
    return code;
  return volume_close(argv[0], vol, data->work(argv[0], vol, argc - 1, argv + 1, data->arg));
}

void tally_add(struct tally *tally, int code) {
  if (code == EXIT_DONE) {
    tally->done++;
    return;
  }
  if (tally->failed++ == 0)
    tally->code = code;
}

int tally_code(const struct tally *tally) {
  if (tally->failed == 0)
    return EXIT_DONE;
  return tally->done > 0 ? EXIT_PARTLY : tally->code;
}

struct nacre_caller caller_self(void) {
  const mode_t mask = umask(0);
  (void)umask(mask);
  return (struct nacre_caller){.uid = geteuid(), .gid = getegid(), .umask = mask};
}
