# shellcheck shell=sh disable=SC2034 # the lists are used by what sources this
# What the verbs share: packages, building, and whether FUSE works here. Sourced from the top folder.

PACKAGES_BUILD="gcc libc6-dev meson ninja-build pkg-config libsodium-dev libargon2-dev libssl-dev libfuse3-dev
  libjson-c-dev libzxcvbn-dev libblkid-dev libqrencode-dev libfido2-dev fuse3"
PACKAGES_TEST="g++ libcmocka-dev python3 acl attr git make rsync sqlite3 libcap2-bin dosfstools util-linux procps
  python3-nacl python3-argon2 python3-cryptography age libsqlite3-dev"
PACKAGES_ALL="postgresql spin clevis clevis-tpm2 tang swtpm swtpm-tools tpm2-tools jose curl zbar-tools"
PACKAGES_LINT="clang clang-format clang-tidy cppcheck shellcheck mandoc"
PACKAGES_FUZZ="clang llvm libclang-rt-dev"
PACKAGES_COVERAGE="gcovr"
PACKAGES_BENCH="python3-matplotlib"
PACKAGES_PEERS="gocryptfs securefs encfs cryfs"

die() {
  echo "dev: $*" >&2
  exit 1
}

# As root: a command, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# need_packages WHAT PACKAGE...: name what is missing, then install it.
need_packages() {
  what=$1
  shift
  command -v dpkg-query >/dev/null || {
    echo "$what needs what Debian calls: $*"
    return 0
  }
  missing=
  for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
    case $state in
    installed*) ;; # once for each architecture
    *) missing="$missing $package" ;;
    esac
  done
  [ -n "$missing" ] || return 0
  echo "$what needs these packages, which are not here yet:$missing"
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
    die "not root and no sudo; as root: apt-get install$missing"
  echo "installing them with apt-get"
  log=$(mktemp)
  # shellcheck disable=SC2086 # a list of names
  if apt_get update >"$log" 2>&1 && apt_get install --no-install-recommends --no-remove $missing >>"$log" 2>&1; then
    rm -f "$log"
  else
    cat "$log" >&2
    rm -f "$log"
    die "could not install:$missing"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# build_into FOLDER MESON-OPTION...: configure (anew where the options differ), then build, quietly if all goes well.
# NACRE_TARGETS narrows what is built.
build_into() {
  folder=$1
  shift
  if [ -e "$folder" ] && [ ! -w "$folder" ]; then
    die "$folder belongs to somebody else; remove it"
  fi
  mkdir -p "$folder"
  verb=setup
  [ ! -f "$folder/build.ninja" ] || verb=configure
  # Without an option, configure would only list them.
  if [ $verb = setup ] || [ $# -gt 0 ]; then
    meson $verb "$folder" "$@" >"$folder/setup.log" 2>&1 || {
      cat "$folder/setup.log" >&2
      die "$folder could not be configured"
    }
  fi
  # shellcheck disable=SC2086 # a list of targets
  ninja -C "$folder" --quiet ${NACRE_TARGETS-} >"$folder/build.log" 2>&1 || {
    cat "$folder/build.log" >&2
    die "the build in $folder failed"
  }
  ! grep -q 'warning:' "$folder/build.log" || cat "$folder/build.log"
}

# Print why no FUSE filesystem can be mounted here; nothing where one can.
fuse_missing() {
  if [ ! -e /dev/fuse ]; then
    echo "there is no /dev/fuse"
  elif ! command -v fusermount3 >/dev/null; then
    echo "there is no fusermount3"
  elif ! (: <>/dev/fuse) 2>/dev/null; then
    echo "/dev/fuse is not open to $(id -un)"
  elif [ $((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status) >> 21 & 1)) -eq 0 ]; then
    echo "this container may not mount"
  fi
}
