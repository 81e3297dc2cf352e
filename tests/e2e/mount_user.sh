#!/bin/sh
# timeout: 180
# The whole of it for an ordinary user, through fusermount3. As root, as the user nobody.
. "$(dirname "$0")/mount_lib.sh"
if [ "$(id -u)" -ne 0 ]; then
  skip "as an ordinary user" "the other suites run as one already"
  exit 0
fi
if ! as_nobody test -x "$NACRE" || ! as_nobody test -r "$here/mount_lib.sh"; then
  skip "as an ordinary user" "the program or the tests are where nobody may not go"
  exit 0
fi
if ! as_nobody test -w /dev/fuse; then
  # A device node of our own, seen by this suite alone.
  mknod -m 666 "$TEST_TMP/fuse" c 10 229
  [ -z "${MOUNT_USER_APART-}" ] || exit 1
  # shellcheck disable=SC2016
  exec env MOUNT_USER_APART=yes unshare -m sh -c 'mount --bind "$TEST_TMP/fuse" /dev/fuse && exec "$0"' "$0"
fi
for suite in mount_names mount_data mount_attributes mount_options mount_end; do
  mkdir "$TEST_TMP/$suite"
  chown 65534:65534 "$TEST_TMP/$suite"
  as_nobody env TEST_TMP="$TEST_TMP/$suite" "$here/$suite.sh" || failed=1
done
finish
