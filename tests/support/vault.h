/* Volumes on a test's store, opened with one raw key: that costs no key derivation. */
#ifndef NACRE_TESTS_SUPPORT_VAULT_H
#define NACRE_TESTS_SUPPORT_VAULT_H

#include <nacre.h>

struct vault {
  const struct nacre_store_ops *ops;
  void *ctx;
  const nacre_credential *cred;
  uint32_t chunk_bytes; /* of a volume to be made; 0: the default */
  bool accept_rollback; /* open it though superblocks are gone */
};

/* Large buffers come and go with each opening: have the allocator keep their memory. */
void vault_setup(void);
/* A credential whose 32 bytes are all `byte`. The caller frees it. */
nacre_credential *vault_key(uint8_t byte);
enum nacre_err vault_create(const struct vault *v, uint64_t size_bytes);
/* One thread alone, commits at sync and close only, the least memory. */
enum nacre_err vault_open(const struct vault *v, bool read_only, nacre_volume **out);
enum nacre_err vault_open_threads(const struct vault *v, int threads, nacre_volume **out);
/* Verify, and put the first problem into message. */
enum nacre_err vault_verify(nacre_volume *vol, char *message, size_t size_bytes);
struct nacre_volume_info vault_info(nacre_volume *vol);

#endif
