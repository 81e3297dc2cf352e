/* A token that another thread, or a signal handler, fires to end long work. */
#ifndef NACRE_OPS_CANCEL_H
#define NACRE_OPS_CANCEL_H

#include <nacre.h>
#include <stdatomic.h>

struct nacre_cancel {
  atomic_bool fired;
};

/* NACRE_ERR_CANCELLED once the token was fired. NULL never is. */
NACRE_MUST_USE enum nacre_err cancel_check(const struct nacre_cancel *cancel);

#endif
