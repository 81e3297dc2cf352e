#!/bin/sh
# timeout: 180
# The whole of it for an ordinary user, through fusermount3. As root, as the user nobody.
. "$(dirname "$0")/mount_lib.sh"
if [ "$(id -u)" -ne 0 ]; then
  skip "as an ordinary user" "the other suites run as one already"
  exit 0
fi
need_nobody "as an ordinary user"
for suite in mount_names mount_data mount_attributes mount_options mount_end; do
  mkdir "$TEST_TMP/$suite"
  chown 65534:65534 "$TEST_TMP/$suite"
  as_nobody env TEST_TMP="$TEST_TMP/$suite" "$here/$suite.sh" || failed=1
done
finish
