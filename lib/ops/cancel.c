#include "ops/cancel.h"

#include "base/err.h"

enum nacre_err cancel_check(const struct nacre_cancel *cancel) {
  if (cancel && atomic_load_explicit(&cancel->fired, memory_order_relaxed))
    return err_set(NACRE_ERR_CANCELLED, "cancelled");
  return NACRE_OK;
}
