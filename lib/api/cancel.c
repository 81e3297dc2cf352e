#include "ops/cancel.h"

#include "base/err.h"

#include <stdlib.h>

enum nacre_err nacre_cancel_new(nacre_cancel **out) {
  err_clear();
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the token is missing");
  nacre_cancel *cancel = malloc(sizeof *cancel);
  if (!cancel)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  atomic_init(&cancel->fired, false);
  *out = cancel;
  return NACRE_OK;
}

void nacre_cancel_fire(nacre_cancel *cancel) {
  if (cancel)
    atomic_store_explicit(&cancel->fired, true, memory_order_relaxed);
}

void nacre_cancel_free(nacre_cancel *cancel) {
  free(cancel);
}
