#!/bin/sh
# timeout: 180
# What `meson install` puts in place is enough to build and run an app, in C and in C++, shared and static.
set -eu
cd "$(dirname "$0")"

stage=$TEST_TMP/stage
failed=0
check() {
  name=$1
  shift
  if "$@" >"$TEST_TMP/log" 2>&1; then
    echo "ok - $name"
  else
    cat "$TEST_TMP/log"
    echo "not ok - $name"
    failed=1
  fi
}

check "meson install" meson install -C "$NACRE_BUILD" --no-rebuild --quiet --destdir "$stage"
pc=$(find "$stage" -name nacre.pc)
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$stage"
libdir=$(find "$stage" -name libnacre.so)
libdir=${libdir%/*}
export LD_LIBRARY_PATH="$libdir"
header=$(find "$stage" -name nacre.h)
cflags=$(pkg-config --cflags nacre)
libs=$(pkg-config --libs nacre)
warn='-Wall -Wextra -Wpedantic -Wconversion -Werror'

exported() {
  nm -D --defined-only "$1" | awk '{ print $3 }' | sed 's/@.*//' | sort
}
only_public() {
  others=$(exported "$libdir/libnacre.so" | grep -v '^nacre_' || :)
  statics=$(nm -g --defined-only "$libdir/libnacre.a" | awk 'NF == 3 { print $3 }' | grep -v '^nacre_' || :)
  [ -z "$others$statics" ] || {
    echo "$others" "$statics"
    return 1
  }
}
# Every function that the header declares is there.
declared() {
  sed 's|/\*.*\*/||' "${header%/*}"/nacre*.h | grep -oE '\bnacre_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$TEST_TMP/declared"
  exported "$libdir/libnacre.so" >"$TEST_TMP/exported"
  missing=$(comm -23 "$TEST_TMP/declared" "$TEST_TMP/exported" | grep -v '_fn$' || :)
  [ -z "$missing" ] || {
    echo "$missing"
    return 1
  }
}
# What it takes from elsewhere: nothing by which a program is run, another thing loaded, the network reached, something
# printed, the process ended or changed, or its environment read.
FORBIDDEN='fork|vfork|_Fork|clone|clone3|posix_spawn.*|f?exec[lv].*|system|popen|syscall|dlopen|dlmopen'
FORBIDDEN="$FORBIDDEN|socket|connect|bind|listen|accept4?|send.*|recv.*|getaddrinfo"
FORBIDDEN="$FORBIDDEN|(__)?v?f?printf(_chk)?|(__)?v?dprintf(_chk)?|f?puts|f?putc|putchar|fwrite|perror|v?syslog"
FORBIDDEN="$FORBIDDEN|exit|_exit|_Exit|quick_exit|(secure_)?getenv|setenv|putenv|sigaction|signal|setrlimit.*|prctl|f?chdir|umask"
calls_nothing_forbidden() {
  nm -D --undefined-only "$libdir/libnacre.so" | awk '{ print $2 }' | sed 's/@.*//' >"$TEST_TMP/taken"
  grep -qx pthread_mutex_lock "$TEST_TMP/taken" && ! grep -Ex "$FORBIDDEN" "$TEST_TMP/taken"
}
helpers() {
  for helper in mount.nacre mount.fuse.nacre umount.nacre umount.fuse.nacre; do
    link=$(find "$stage" -name "$helper")
    [ -h "$link" ] && [ -x "$stage$(readlink "$link")" ] || return 1
  done
}
check "exports nothing but nacre_*" only_public
check "exports all that nacre.h declares" declared
if nm "$libdir/libnacre.so" | grep -q __gcov_init; then
  echo "skip - what the library calls: it counts its lines, too"
else
  check "runs nothing, prints nothing, reaches no network, reads no environment" calls_nothing_forbidden
fi
check "mount helpers lead to the program" helpers

# shellcheck disable=SC2086 # lists of options
{
  check "nacre.h alone as C11" cc -std=c11 $warn -fsyntax-only -x c "$header"
  check "nacre.h alone as C++11" c++ -std=c++11 $warn -fsyntax-only -x c++ "$header"
  check "example.c compiles" cc -std=c11 $warn $cflags example.c $libs -o "$TEST_TMP/example-c"
  check "example.c runs" "$TEST_TMP/example-c" "$TEST_TMP/c.nacre"
  check "example.cpp compiles" c++ -std=c++11 $warn $cflags example.cpp $libs -o "$TEST_TMP/example-cpp"
  check "example.cpp runs" "$TEST_TMP/example-cpp" "$TEST_TMP/cpp.nacre"
  static=$(pkg-config --static --libs nacre | sed 's/-lnacre\b/-l:libnacre.a/')
  check "example.c links the static library" cc -std=c11 $warn $cflags example.c $static -o "$TEST_TMP/example-static"
  unset LD_LIBRARY_PATH
  check "the static one runs alone" "$TEST_TMP/example-static" "$TEST_TMP/static.nacre"
}
exit $failed
