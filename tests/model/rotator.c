#include "model/rotator.h"

#include <stdio.h>
#include <time.h>

static enum nacre_err rotate_once(struct rotator *r) {
  static const enum nacre_cipher ciphers[] = {NACRE_CIPHER_XCHACHA20_POLY1305, NACRE_CIPHER_AES_256_GCM,
                                              NACRE_CIPHER_AUTO};
  struct nacre_rekey_options options = {
      .struct_size = sizeof options, .cipher = ciphers[r->rotations % 3], .cancel = r->cancel};
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  enum nacre_err err = nacre_rekey(r->vol, &options, &report);
  if (err == NACRE_ERR_IN_USE) {
    options.cipher = NACRE_CIPHER_AUTO;
    err = nacre_rekey(r->vol, &options, &report);
  }
  r->rotations += err == NACRE_OK;
  r->resumed += err == NACRE_OK && report.resumed;
  return err;
}

static void *rotator_main(void *arg) {
  struct rotator *r = arg;
  const struct timespec pause = {.tv_nsec = 5000000};
  while (r->err == NACRE_OK) {
    r->err = rotate_once(r);
    if (r->err == NACRE_ERR_NO_SPACE && r->may_be_full)
      r->err = NACRE_OK;
    if (r->err != NACRE_OK)
      snprintf(r->message, sizeof r->message, "%s", nacre_last_error());
    nanosleep(&pause, NULL);
  }
  return NULL;
}

void rotator_start(struct rotator *r, nacre_volume *vol, bool may_be_full) {
  r->vol = vol;
  r->may_be_full = may_be_full;
  r->err = nacre_cancel_new(&r->cancel);
  r->running = r->err == NACRE_OK && pthread_create(&r->thread, NULL, rotator_main, r) == 0;
}

enum nacre_err rotator_stop(struct rotator *r) {
  if (!r->running)
    return r->err;
  nacre_cancel_fire(r->cancel);
  pthread_join(r->thread, NULL);
  nacre_cancel_free(r->cancel);
  r->running = false;
  return r->err == NACRE_ERR_CANCELLED ? NACRE_OK : r->err;
}
