#include "interrupt.h"

#include <signal.h>
#include <stddef.h>

static const int interrupt_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define INTERRUPT_SIGNALS (sizeof interrupt_signals / sizeof interrupt_signals[0])

static nacre_cancel *token;
static volatile sig_atomic_t pending;

static void on_signal(int number) {
  pending = number;
  nacre_cancel_fire(token);
}

nacre_cancel *interrupt_catch(void) {
  if (token != NULL)
    return token;
  if (nacre_cancel_new(&token) != NACRE_OK)
    return NULL;
  const struct sigaction action = {.sa_handler = on_signal};
  for (size_t i = 0; i < INTERRUPT_SIGNALS; i++) {
    struct sigaction old;
    /* One that the caller of this program had ignored (nohup) stays ignored. */
    if (sigaction(interrupt_signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
      (void)sigaction(interrupt_signals[i], &action, NULL);
  }
  return token;
}

bool interrupt_pending(void) {
  return pending != 0;
}

void interrupt_deliver(void) {
  if (pending == 0)
    return;
  (void)signal(pending, SIG_DFL);
  (void)raise(pending);
}

void interrupt_release(void) {
  if (token == NULL)
    return;
  for (size_t i = 0; i < INTERRUPT_SIGNALS; i++) {
    struct sigaction now;
    if (sigaction(interrupt_signals[i], NULL, &now) == 0 && now.sa_handler == on_signal)
      (void)signal(interrupt_signals[i], SIG_DFL);
  }
  interrupt_deliver();
  nacre_cancel_free(token);
  token = NULL;
}
