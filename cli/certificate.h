/* The certificate of an erasing: text for people, with the record that `nacre erase --verify` reads in it. */
#ifndef NACRE_CLI_CERTIFICATE_H
#define NACRE_CLI_CERTIFICATE_H

#include <stdio.h>

#include <json-c/json_types.h>
#include <nacre.h>

#include "medium.h"

struct certificate {
  const char *path;   /* of the container, as given */
  const char *header; /* where its header was; NULL: in it */
  const struct nacre_erase_report *report;
  const struct medium *medium;
};

/* The record. The caller puts it. */
struct json_object *certificate_json(const struct certificate *certificate);
/* The whole certificate. False where a write failed. */
bool certificate_write(const struct certificate *certificate, FILE *out);
/* A line for each range. */
void certificate_print_ranges(const struct nacre_erase_report *report, FILE *out);
/* Read a certificate, or a record alone. Exit code, error said. */
int certificate_read(const char *path, struct nacre_erase_report *report);

#define CERTIFICATE_KIND "nacre erasure"
#define CERTIFICATE_VERSION 1
#define CERTIFICATE_BEGIN "-----BEGIN NACRE ERASURE RECORD-----"
#define CERTIFICATE_END "-----END NACRE ERASURE RECORD-----"

#endif
