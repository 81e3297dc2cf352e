/* Keys for an engine that has no header. */
#ifndef NACRE_BENCH_ENGINE_KEYS_H
#define NACRE_BENCH_ENGINE_KEYS_H

#include "tree/engine.h"

/* The same at each call; of the fastest cipher that every processor with AES instructions has. */
struct engine_keys engine_measured_keys(void);

#endif
