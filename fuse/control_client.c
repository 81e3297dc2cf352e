#include "fuse/control_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* How long a process may take to tell its status, one of ours or all of another user's: root asks everybody's, and
 * must not wait for what a user made to be waited for. */
#define PATIENCE_MS 10000
/* And how long to do what it is asked for, a last commit included. */
#define OTHERS_WORK_MS 60000

struct found {
  struct control_mount *list;
  size_t count;
  size_t silent; /* processes that are there and don't answer */
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether there is something to read before the deadline; 0: there is none. */
static bool wait_until(int fd, int64_t deadline_ms) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  for (;;) {
    int64_t left_ms = deadline_ms == 0 ? -1 : deadline_ms - now_ms();
    if (deadline_ms != 0 && left_ms <= 0)
      return false;
    int got = poll(&ready, 1, (int)left_ms);
    if (got > 0)
      return true;
    if (got < 0 && errno != EINTR)
      return false;
  }
}

/* ---- One question ---- */

/* The connection, or -1 with errno: EAGAIN where it is let wait. Only to a process of `owner`. */
static int connect_to(const char *path, uid_t owner) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path) + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  struct ucred peer = {0};
  socklen_t len = sizeof peer;
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  if (peer.uid == owner)
    return fd;
  close(fd);
  errno = EPERM;
  return -1;
}

static int send_request(int fd, const char *request) {
  char text[CONTROL_REQUEST_MAX_BYTES];
  int len = snprintf(text, sizeof text, "%s\n", request);
  return len < 0 || (size_t)len >= sizeof text || send(fd, text, (size_t)len, MSG_NOSIGNAL) != len ? -1 : 0;
}

/* What has come in and was not yet looked at: text[start, len). */
struct replies {
  int fd;
  int64_t deadline_ms; /* 0: none */
  size_t start, len;
  char text[CONTROL_LINE_MAX_BYTES];
};

/* The next line, without its newline, valid until the next call. NULL at the end, at the deadline, or where one is
 * too long. */
static const char *next_line(struct replies *in) {
  for (;;) {
    char *line = in->text + in->start;
    char *end = memchr(line, '\n', in->len - in->start);
    if (end != NULL) {
      *end = '\0';
      in->start = (size_t)(end - in->text) + 1;
      return line;
    }
    memmove(in->text, line, in->len - in->start);
    in->len -= in->start;
    in->start = 0;
    if (in->len == sizeof in->text || !wait_until(in->fd, in->deadline_ms))
      return NULL;
    ssize_t got = recv(in->fd, in->text + in->len, sizeof in->text - in->len, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return NULL;
    in->len += (size_t)got;
  }
}

/* Send a request and read the line that answers it. NULL without one. */
static const char *ask(struct replies *in, const char *request) {
  return send_request(in->fd, request) == 0 ? next_line(in) : NULL;
}

static void wait_for_end(const struct replies *in) {
  char rest[64];
  ssize_t got = 1;
  while ((got > 0 || (got < 0 && errno == EINTR)) && wait_until(in->fd, in->deadline_ms))
    got = recv(in->fd, rest, sizeof rest, 0);
}

static enum nacre_err judge_reply(const char *reply, char *message, size_t message_size) {
  if (strncmp(reply, "ok", 2) == 0)
    return NACRE_OK;
  static const char error[] = "error ";
  long code = 0;
  char *text = NULL;
  if (strncmp(reply, error, sizeof error - 1) == 0)
    code = strtol(reply + sizeof error - 1, &text, 10);
  if (code <= 0 || code > (long)NACRE_ERR_OTHER_VOLUME || *text != ' ') {
    snprintf(message, message_size, "the mount's process answered with something else");
    return NACRE_ERR_IO;
  }
  snprintf(message, message_size, "%s", text + 1);
  return (enum nacre_err)code;
}

/* Connected, and with an empty buffer; freed by replies_free, or NULL with *err and the message. */
static struct replies *replies_from(const struct control_mount *mount, enum nacre_err *err, char *message,
                                    size_t message_size) {
  struct replies *in = calloc(1, sizeof *in);
  if (in == NULL) {
    snprintf(message, message_size, "out of memory");
    *err = NACRE_ERR_NO_MEMORY;
    return NULL;
  }
  in->fd = connect_to(mount->socket_path, mount->uid);
  if (in->fd >= 0)
    return in;
  snprintf(message, message_size, "the mount's process does not answer: %s", strerror(errno));
  free(in);
  *err = NACRE_ERR_NOT_FOUND;
  return NULL;
}

static void replies_free(struct replies *in) {
  close(in->fd);
  free(in);
}

enum nacre_err control_call(const struct control_mount *mount, const char *request, char *message,
                            size_t message_size) {
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  if (mount->uid != geteuid())
    in->deadline_ms = now_ms() + OTHERS_WORK_MS;
  const char *reply = ask(in, request);
  if (reply == NULL) {
    snprintf(message, message_size, "the mount's process gave no answer");
  } else {
    err = judge_reply(reply, message, message_size);
    if (err == NACRE_OK && strcmp(request, "sync") != 0)
      wait_for_end(in);
  }
  replies_free(in);
  return err;
}

/* ---- A check ---- */

static bool is_word(const char *line, const char *word) {
  size_t len = strlen(word);
  return strncmp(line, word, len) == 0 && (line[len] == ' ' || line[len] == '\0');
}

static void pass_progress(const char *line, nacre_progress_fn progress, void *arg) {
  char *what = control_field(line, "what");
  progress(arg, what != NULL ? what : "", control_field_number(line, "done"), control_field_number(line, "total"));
  free(what);
}

static void pass_problem(const char *line, nacre_problem_fn problem, void *arg) {
  char *text = control_field(line, "text");
  char *path = control_field(line, "path");
  problem(arg, path, text != NULL ? text : "");
  free(path);
  free(text);
}

static void parse_report(const char *line, struct nacre_verify_report *report) {
  report->nodes = control_field_number(line, "nodes");
  report->chunks = control_field_number(line, "chunks");
  report->inodes = control_field_number(line, "inodes");
  report->directories = control_field_number(line, "directories");
  report->files = control_field_number(line, "files");
  report->data_bytes = control_field_number(line, "data");
  report->metadata_bytes = control_field_number(line, "metadata");
  report->problems = control_field_number(line, "problems");
}

/* What the lines before the reply are passed to. */
struct listener {
  nacre_progress_fn progress;
  nacre_problem_fn problem;
  void *arg;
};

/* The line that answers a request for long work, in `in`; NULL where the work was broken off. */
static const char *ask_and_listen(struct replies *in, const char *request, const struct listener *to) {
  const char *line = ask(in, request);
  for (; line != NULL; line = next_line(in)) {
    if (is_word(line, "progress"))
      pass_progress(line, to->progress, to->arg);
    else if (is_word(line, "problem") && to->problem != NULL)
      pass_problem(line, to->problem, to->arg);
    else
      break;
  }
  return line;
}

enum nacre_err control_verify(const struct control_mount *mount, struct nacre_verify_report *report,
                              nacre_problem_fn problem, nacre_progress_fn progress, void *arg, char *message,
                              size_t message_size) {
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  const struct listener to = {.progress = progress, .problem = problem, .arg = arg};
  const char *line = ask_and_listen(in, "verify", &to);
  if (line == NULL) {
    snprintf(message, message_size, "the mount's process broke off the check");
  } else {
    err = judge_reply(line, message, message_size);
    if (err == NACRE_OK)
      parse_report(line, report);
  }
  replies_free(in);
  if (err != NACRE_OK || report->problems == 0)
    return err;
  snprintf(message, message_size, "%" PRIu64 " problem%s found", report->problems, report->problems == 1 ? "" : "s");
  return NACRE_ERR_DAMAGED;
}

/* ---- Keyslots ---- */

static const char *ask_order(struct replies *in, const uint8_t *order, size_t len) {
  char request[CONTROL_REQUEST_MAX_BYTES] = "key order=";
  size_t at = strlen(request);
  if (len > NACRE_SLOT_ORDER_MAX_BYTES)
    return NULL;
  for (size_t i = 0; i < len; i++, at += 2)
    snprintf(request + at, sizeof request - at, "%02x", order[i]);
  return ask(in, request);
}

enum nacre_err control_key(const struct control_mount *mount, const uint8_t *order, size_t len, uint32_t *index,
                           char *message, size_t message_size) {
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  const char *reply = ask_order(in, order, len);
  if (reply == NULL) {
    snprintf(message, message_size, "the mount's process gave no answer");
  } else {
    err = judge_reply(reply, message, message_size);
    *index = (uint32_t)control_field_number(reply, "slot");
  }
  replies_free(in);
  return err;
}

/* ---- A rotation ---- */

enum nacre_err control_rekey(const struct control_mount *mount, const struct nacre_rekey_options *options,
                             struct nacre_rekey_report *report, nacre_progress_fn progress, void *arg, char *message,
                             size_t message_size) {
  char request[CONTROL_REQUEST_MAX_BYTES];
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  snprintf(request, sizeof request, "rekey slots_only=%d cipher=%d drop=%" PRIu32 " rate=%" PRIu64,
           options->slots_only, (int)options->cipher, options->drop_slots, options->rate_bytes);
  const struct listener to = {.progress = progress, .arg = arg};
  const char *line = ask_and_listen(in, request, &to);
  if (line == NULL) {
    snprintf(message, message_size, "the mount's process broke off the rotation; it is carried on at the next mount");
  } else {
    err = judge_reply(line, message, message_size);
    report->resumed = control_field_number(line, "resumed") != 0;
    report->epoch = (uint32_t)control_field_number(line, "epoch");
    report->rewritten_bytes = control_field_number(line, "rewritten");
    report->wiped_bytes = control_field_number(line, "wiped");
  }
  replies_free(in);
  return err;
}

/* ---- All mounts ---- */

static void mount_release(struct control_mount *mount) {
  free(mount->socket_path);
  free(mount->volume);
  free(mount->dir);
  free(mount->device);
  free(mount->failure);
  free(mount->rekey_stopped);
}

void control_list_free(struct control_mount *list, size_t count) {
  for (size_t i = 0; i < count; i++)
    mount_release(&list[i]);
  free(list);
}

static int parse_status(const char *line, struct control_mount *out) {
  out->volume = control_field(line, "volume");
  out->dir = control_field(line, "dir");
  out->failure = control_field(line, "failure");
  out->device = control_field(line, "device");
  if (out->device == NULL) /* an older process */
    out->device = strdup("");
  out->pid = (pid_t)control_field_number(line, "pid");
  out->since_s = (int64_t)control_field_number(line, "since");
  out->generation = control_field_number(line, "generation");
  out->dirty_bytes = control_field_number(line, "dirty");
  out->used_bytes = control_field_number(line, "used");
  out->free_bytes = control_field_number(line, "free");
  out->read_only = control_field_number(line, "read_only") != 0;
  out->volume_read_only = control_field_number(line, "volume_read_only") != 0;
  out->failed = control_field_number(line, "failed") != 0;
  out->rekeying = control_field_number(line, "rekey") != 0;
  out->rekey_done_bytes = control_field_number(line, "rekey_done");
  out->rekey_total_bytes = control_field_number(line, "rekey_total");
  out->rekey_stopped = out->rekeying ? control_field(line, "rekey_why") : NULL;
  return out->volume != NULL && out->dir != NULL && out->failure != NULL && out->device != NULL ? 0 : -1;
}

/* A folder that is open and looked into. Its name may be another folder's by now: its owner can see to that. */
struct folder {
  DIR *dir;
  const char *path;
  uid_t owner;
  int64_t deadline_ms;
};

/* NACRE_ERR_NOT_FOUND where nothing of use is answered; *silent where nothing was in time. */
static enum nacre_err ask_status(int fd, const char *path, const struct folder *folder, struct control_mount *out,
                                 bool *silent) {
  struct replies *in = calloc(1, sizeof *in);
  if (in == NULL)
    return NACRE_ERR_NO_MEMORY;
  in->fd = fd;
  in->deadline_ms = folder->deadline_ms != 0 ? folder->deadline_ms : now_ms() + PATIENCE_MS;
  *silent = false;
  *out = (struct control_mount){.uid = folder->owner, .socket_path = strdup(path)};
  const char *reply = ask(in, "status");
  *silent = reply == NULL && now_ms() >= in->deadline_ms;
  enum nacre_err err = NACRE_OK;
  if (out->socket_path == NULL)
    err = NACRE_ERR_NO_MEMORY;
  else if (reply == NULL || strncmp(reply, "ok ", 3) != 0 || parse_status(reply, out) != 0)
    err = NACRE_ERR_NOT_FOUND;
  if (err != NACRE_OK)
    mount_release(out);
  free(in);
  return err;
}

static int append(struct found *found, const struct control_mount *mount) {
  struct control_mount *list = realloc(found->list, (found->count + 1) * sizeof *list);
  if (list == NULL)
    return -1;
  found->list = list;
  list[found->count++] = *mount;
  return 0;
}

/* 0 also for what does not answer; -1 only without memory. */
static int add_socket(struct found *found, const struct folder *folder, const char *name) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/%s", folder->path, name) >= (int)sizeof path)
    return 0;
  int fd = connect_to(path, folder->owner);
  if (fd < 0) {
    found->silent += errno == EAGAIN;
    if (errno == ECONNREFUSED)
      unlinkat(dirfd(folder->dir), name, 0); /* its process was killed */
    return 0;
  }
  struct control_mount mount;
  bool silent = false;
  enum nacre_err err = ask_status(fd, path, folder, &mount, &silent);
  close(fd);
  found->silent += silent;
  if (err == NACRE_ERR_NOT_FOUND)
    return 0;
  if (err == NACRE_OK && append(found, &mount) == 0)
    return 0;
  if (err == NACRE_OK)
    mount_release(&mount);
  return -1;
}

/* Only what its owner alone can write to, and what is ours unless we are root. NULL where it is not so. */
static DIR *open_folder(const char *path, struct stat *st) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  bool good = fstat(fd, st) == 0 && (st->st_mode & 077) == 0 && (geteuid() == 0 || st->st_uid == geteuid());
  DIR *dir = good ? fdopendir(fd) : NULL;
  if (dir == NULL)
    close(fd);
  return dir;
}

/* owner: (uid_t)-1 for anyone's. */
static int add_folder(struct found *found, const char *path, uid_t owner) {
  struct stat st;
  struct folder folder = {.dir = open_folder(path, &st), .path = path};
  if (folder.dir == NULL)
    return 0;
  if (owner != (uid_t)-1 && st.st_uid != owner) {
    closedir(folder.dir);
    return 0;
  }
  folder.owner = st.st_uid;
  folder.deadline_ms = st.st_uid == geteuid() ? 0 : now_ms() + PATIENCE_MS;
  int result = 0;
  const struct dirent *entry = NULL;
  while (result == 0 && (folder.deadline_ms == 0 || now_ms() < folder.deadline_ms) &&
         (entry = readdir(folder.dir)) != NULL) {
    size_t len = strlen(entry->d_name);
    size_t suffix = sizeof CONTROL_SUFFIX - 1;
    if (len > suffix && strcmp(entry->d_name + len - suffix, CONTROL_SUFFIX) == 0)
      result = add_socket(found, &folder, entry->d_name);
  }
  closedir(folder.dir);
  return result;
}

/* Every user's folder of sockets below `parent`, whose names are those of users after `prefix`. */
static int add_users(struct found *found, const char *parent, const char *prefix, const char *rest) {
  DIR *dir = opendir(parent);
  if (dir == NULL)
    return 0;
  int result = 0;
  const struct dirent *entry = NULL;
  while (result == 0 && (entry = readdir(dir)) != NULL) {
    size_t len = strlen(prefix);
    char path[PATH_MAX];
    if (strncmp(entry->d_name, prefix, len) != 0 || entry->d_name[len] < '0' || entry->d_name[len] > '9')
      continue;
    /* One folder a user, so that none keeps us waiting for longer than one user may. */
    char *end;
    const unsigned long owner = strtoul(entry->d_name + len, &end, 10);
    if (*end != '\0' || owner >= (uid_t)-1)
      continue;
    if (snprintf(path, sizeof path, "%s/%s%s", parent, entry->d_name, rest) < (int)sizeof path)
      result = add_folder(found, path, (uid_t)owner);
  }
  closedir(dir);
  return result;
}

/* The daemon and we may see different environments, so all places are looked into. */
static int add_own(struct found *found) {
  char own[PATH_MAX];
  char temporary[64];
  char runtime[64];
  snprintf(temporary, sizeof temporary, "/tmp/nacre-%u", (unsigned)geteuid());
  snprintf(runtime, sizeof runtime, "/run/user/%u/nacre", (unsigned)geteuid());
  if (control_own_path(own, sizeof own) == 0 && strcmp(own, temporary) != 0 && strcmp(own, runtime) != 0 &&
      add_folder(found, own, (uid_t)-1) != 0)
    return -1;
  return add_folder(found, temporary, (uid_t)-1) != 0 || add_folder(found, runtime, (uid_t)-1) != 0 ? -1 : 0;
}

static int add_everybodys(struct found *found) {
  char own[PATH_MAX];
  if (control_own_path(own, sizeof own) == 0 && add_folder(found, own, (uid_t)-1) != 0)
    return -1;
  return add_users(found, "/run/user", "", "/nacre") != 0 || add_users(found, "/tmp", "nacre-", "") != 0 ? -1 : 0;
}

enum nacre_err control_list(struct control_mount **list, size_t *count, size_t *silent) {
  struct found found = {0};
  int result = geteuid() == 0 ? add_everybodys(&found) : add_own(&found);
  *list = NULL;
  *count = 0;
  *silent = found.silent;
  if (result != 0 || found.count == 0) {
    control_list_free(found.list, found.count);
    return result != 0 ? NACRE_ERR_NO_MEMORY : NACRE_OK;
  }
  *list = found.list;
  *count = found.count;
  return NACRE_OK;
}

bool control_matches(const struct control_mount *mount, const char *path) {
  if (strcmp(path, mount->dir) == 0 || strcmp(path, mount->volume) == 0)
    return true;
  char *real = realpath(path, NULL);
  if (real == NULL)
    return false;
  bool same = strcmp(real, mount->dir) == 0 || strcmp(real, mount->volume) == 0;
  free(real);
  return same;
}
