/* What can be done to a specimen's container by whoever may write to it. Nothing here knows a key. */
#ifndef NACRE_TESTS_TAMPER_HARM_H
#define NACRE_TESTS_TAMPER_HARM_H

#include "tamper/specimen.h"

/* A part of what the newest state is made of: of the log, a node, or data. */
struct disk_span harm_live_span(const struct specimen *s, struct prng *prng);
uint64_t harm_live_unit(const struct specimen *s, struct prng *prng);
void harm_swap(struct specimen *s, uint64_t a, uint64_t b, size_t len);

enum harm_filling { HARM_ZEROES, HARM_ONES, HARM_GARBAGE, HARM_FILLINGS };
/* As much of it as the container has. */
void harm_fill(struct specimen *s, struct prng *prng, enum harm_filling with, uint64_t offset, size_t len);
/* What stood there in an earlier state. */
void harm_put_back(struct specimen *s, size_t image, uint64_t offset, size_t len);

/* One of the above somewhere, or several, or something about a header or superblock. Says what by report_at. */
void harm_anything(struct specimen *s, struct prng *prng);

#endif
