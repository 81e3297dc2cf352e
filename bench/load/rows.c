/* A database of SQLite: a row a transaction with a write-ahead log, and all rows in one transaction without. */
#include "load/load.h"
#include "measure.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

#define VALUE_BYTES 100

static void check(sqlite3 *db, bool good, const char *what) {
  if (good)
    return;
  fprintf(stderr, "load: sqlite: %s: %s\n", what, db != NULL ? sqlite3_errmsg(db) : "memory");
  exit(1);
}

static void execute(sqlite3 *db, const char *sql) {
  check(db, sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

/* The answer is one value. */
static bool answers(sqlite3 *db, const char *sql, const char *wanted) {
  sqlite3_stmt *query = NULL;
  bool same = sqlite3_prepare_v2(db, sql, -1, &query, NULL) == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW &&
              strcmp((const char *)sqlite3_column_text(query, 0), wanted) == 0;
  sqlite3_finalize(query);
  return same;
}

static sqlite3 *open_db(const char *path) {
  sqlite3 *db = NULL;
  check(db, sqlite3_open(path, &db) == SQLITE_OK, "open");
  execute(db, "PRAGMA synchronous = FULL");
  return db;
}

static void insert(sqlite3 *db, uint64_t count) {
  char value[VALUE_BYTES];
  sqlite3_stmt *row = NULL;
  check(db, sqlite3_prepare_v2(db, "INSERT INTO t (id, v) VALUES (?, ?)", -1, &row, NULL) == SQLITE_OK, "prepare");
  for (uint64_t i = 0; i < count; i++) {
    memset(value, (int)('a' + i % 26), sizeof value);
    memcpy(value, &i, sizeof i);
    sqlite3_bind_int64(row, 1, (sqlite3_int64)i);
    sqlite3_bind_blob(row, 2, value, sizeof value, SQLITE_STATIC);
    check(db, sqlite3_step(row) == SQLITE_DONE, "insert");
    sqlite3_reset(row);
  }
  sqlite3_finalize(row);
}

static void verify(const char *path, uint64_t count) {
  char wanted[64];
  sqlite3 *db = open_db(path);
  snprintf(wanted, sizeof wanted, "%llu %llu", (unsigned long long)count,
           (unsigned long long)(count * (count - 1) / 2));
  check(db, answers(db, "SELECT count(v) || ' ' || sum(id) FROM t", wanted), "what was inserted");
  check(db, answers(db, "PRAGMA integrity_check", "ok"), "integrity");
  sqlite3_close(db);
}

void rows_each(const struct load *load, struct load_report *report) {
  sqlite3 *db = open_db(load->path);
  check(db, answers(db, "PRAGMA journal_mode = WAL", "wal"), "no write-ahead log here");
  execute(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)");
  double begin = measure_now_s();
  insert(db, load->count);
  report->seconds = measure_now_s() - begin;
  report->count = load->count;
  sqlite3_close(db);
  verify(load->path, load->count);
}

void rows_at_once(const struct load *load, struct load_report *report) {
  sqlite3 *db = open_db(load->path);
  execute(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)");
  double begin = measure_now_s();
  execute(db, "BEGIN");
  insert(db, load->count);
  execute(db, "COMMIT");
  report->seconds = measure_now_s() - begin;
  report->count = load->count;
  sqlite3_close(db);
  verify(load->path, load->count);
}
