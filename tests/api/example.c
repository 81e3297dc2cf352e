/* A volume from making it to opening it again, as an app does it that links libnacre: no mount, no privileges.
 *   cc example.c $(pkg-config --cflags --libs nacre) -o example && ./example NEW-FILE */
#include <nacre.h>
#include <stdio.h>
#include <string.h>

static const char text[] = "Whoever steals the file learns its size.\n";

static int failed(const char *what) {
  fprintf(stderr, "example: %s: %s\n", what, nacre_last_error());
  return 1;
}

static int make(const struct nacre_target *target, const nacre_credential *cred) {
  /* Least costs, so that the example is quick. Left zero, they are fit for a passphrase that a person knows. */
  struct nacre_create_options options = {.struct_size = sizeof options,
                                         .size_bytes = 64u << 20,
                                         .kdf = {.memory_bytes = NACRE_KDF_MEMORY_MIN_BYTES, .passes = 3, .lanes = 1},
                                         .label = "example"};
  if (nacre_create(target, &options, cred) != NACRE_OK)
    return failed("create");
  return 0;
}

static int store(nacre_volume *vol) {
  struct nacre_caller caller = {.uid = 0, .gid = 0, .umask = 022};
  nacre_file *file = NULL;
  if (nacre_mkdir(vol, "notes", 0755, &caller) != NACRE_OK)
    return failed("mkdir");
  if (nacre_open(vol, "notes/first.txt", NACRE_O_WRITE | NACRE_O_CREATE, 0644, &caller, &file) != NACRE_OK)
    return failed("open to write");
  enum nacre_err err = nacre_write(file, text, sizeof text - 1, 0);
  if (err == NACRE_OK)
    err = nacre_fsync(file);
  nacre_close(file);
  return err == NACRE_OK ? 0 : failed("write");
}

static int load(nacre_volume *vol) {
  struct nacre_caller caller = {.uid = 0, .gid = 0, .umask = 022};
  nacre_file *file = NULL;
  char back[128];
  size_t done = 0;
  if (nacre_open(vol, "notes/first.txt", NACRE_O_READ, 0, &caller, &file) != NACRE_OK)
    return failed("open to read");
  enum nacre_err err = nacre_read(file, back, sizeof back, 0, &done);
  nacre_close(file);
  if (err != NACRE_OK)
    return failed("read");
  if (done != sizeof text - 1 || memcmp(back, text, done) != 0) {
    fputs("example: the file came back different\n", stderr);
    return 1;
  }
  return 0;
}

/* Open the volume, do something with it, close it. */
static int with_volume(const struct nacre_target *target, const nacre_credential *cred, int (*work)(nacre_volume *)) {
  struct nacre_open_options options = {.struct_size = sizeof options};
  nacre_volume *vol = NULL;
  if (nacre_volume_open(target, &options, cred, &vol) != NACRE_OK)
    return failed("open the volume");
  int status = work(vol);
  if (nacre_volume_close(vol) != NACRE_OK && status == 0)
    status = failed("close the volume");
  return status;
}

static int refuse(const struct nacre_target *target) {
  struct nacre_open_options options = {.struct_size = sizeof options};
  nacre_credential *wrong = NULL;
  nacre_volume *vol = NULL;
  if (nacre_credential_passphrase("not the passphrase", 18, &wrong) != NACRE_OK)
    return failed("credential");
  enum nacre_err err = nacre_volume_open(target, &options, wrong, &vol);
  nacre_credential_free(wrong);
  if (err == NACRE_ERR_CREDENTIAL)
    return 0;
  if (err == NACRE_OK)
    nacre_volume_abandon(vol);
  fputs("example: a wrong passphrase was not refused\n", stderr);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fputs("usage: example NEW-FILE\n", stderr);
    return 2;
  }
  struct nacre_target target = {.struct_size = sizeof target, .path = argv[1]};
  nacre_credential *cred = NULL;
  if (nacre_credential_passphrase("correct horse battery staple", 28, &cred) != NACRE_OK)
    return failed("credential");
  int status = make(&target, cred);
  if (status == 0)
    status = with_volume(&target, cred, store);
  if (status == 0)
    status = with_volume(&target, cred, load);
  if (status == 0)
    status = refuse(&target);
  nacre_credential_free(cred);
  return status;
}
