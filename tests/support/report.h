/* What a test program says: a line a check, and the end of the program at the first that fails. */
#ifndef NACRE_TESTS_SUPPORT_REPORT_H
#define NACRE_TESTS_SUPPORT_REPORT_H

#include <nacre.h>

/* Sanitizers cost a factor of two to ten: a part of the cases has to do there. */
#if defined(__SANITIZE_THREAD__)
#define REPORT_SLOWNESS 10u
#elif defined(__SANITIZE_ADDRESS__)
#define REPORT_SLOWNESS 4u
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define REPORT_SLOWNESS 10u
#elif __has_feature(address_sanitizer)
#define REPORT_SLOWNESS 4u
#endif
#endif
#ifndef REPORT_SLOWNESS
#define REPORT_SLOWNESS 1u
#endif

void report_ok(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void report_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Where the test stands, for the line of a failure. Kept until the next call. */
void report_at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What that is a part of: goes before it. */
void report_within(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A call that must succeed. */
void report_must(enum nacre_err err, const char *what);
double report_seconds(void);
/* Seconds of waiting after which the program ends as hung; 0: none. Start anew before each case. */
void report_watchdog(unsigned seconds);

#endif
