#!/bin/sh
# timeout: 180
# Real programs in a mounted volume.
. "$(dirname "$0")/mount_lib.sh"
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
make_volume "$volume" && mount_at "$volume" "$dir" || not_ok "mount"
host=$TEST_TMP/host
mkdir "$host"

remount() { unmount "$dir" && mount_at "$volume" "$dir"; }
# needs CHECK PROGRAM...: says what is skipped for lack of what.
needs() {
  needs_name=$1
  shift
  for program; do
    command -v "$program" >/dev/null || {
      skip "$needs_name" "no $program here"
      return 1
    }
  done
}

with_git() {
  export GIT_CONFIG_NOSYSTEM=1 HOME="$host" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a \
    GIT_COMMITTER_EMAIL=a@b
  git -c init.defaultBranch=main init -q "$host/repo"
  cd "$host/repo"
  for n in 1 2 3 4 5; do
    mkdir -p "d$n/e"
    seq $n 3000 >"d$n/numbers"
    head -c 40000 /dev/urandom >"d$n/e/noise"
    git add .
    git commit -qm "step $n"
  done
  git clone -q --no-local "$host/repo" "$dir/clone"
  cd "$dir/clone"
  git fsck --strict --full
  git checkout -qb other HEAD~2
  echo more >>d1/numbers
  git commit -qam "other"
  git merge -q --no-edit main
  git gc -q --prune=now
  [ -z "$(git status --porcelain)" ]
  cd /
  remount
  git -C "$dir/clone" fsck --strict --full
  [ -z "$(git -C "$dir/clone" status --porcelain)" ]
}
! needs "git" git || check "git clone, commit, merge, gc and fsck" with_git

with_make() {
  mkdir "$dir/build"
  cd "$dir/build"
  for n in 1 2 3 4 5 6; do
    printf '#include <stdio.h>\nint part%s(void);\nint part%s(void) { return printf("%s\\n") > 0; }\n' $n $n $n >part$n.c
  done
  {
    for n in 1 2 3 4 5 6; do echo "int part$n(void);"; done
    echo 'int main(void) { return !(part1() + part2() + part3() + part4() + part5() + part6()); }'
  } >main.c
  printf 'PARTS = main.o part1.o part2.o part3.o part4.o part5.o part6.o\nprogram: $(PARTS)\n\t$(CC) -o $@ $(PARTS)\n' \
    >Makefile
  make -j2 CC=cc >/dev/null
  [ "$(./program | tr '\n' ' ')" = "1 2 3 4 5 6 " ]
  make CC=cc | grep -q "up to date"
  touch part3.c
  [ "$(make -n CC=cc | wc -l)" -eq 2 ]
  ar rcs library.a part*.o
  nm library.a >/dev/null
  cd /
}
! needs "make" make cc || check "make builds a program, and knows what is up to date" with_make

with_sqlite() {
  cd "$dir"
  sqlite3 base.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(who, n, pad); CREATE INDEX i ON t(who, n);' >/dev/null
  for who in 1 2; do
    (
      n=0
      while [ $n -lt 60 ]; do
        echo ".timeout 20000"
        echo "INSERT INTO t VALUES($who, $n, hex(randomblob(500)));"
        n=$((n + 1))
      done | sqlite3 base.db
    ) &
  done
  wait
  [ "$(sqlite3 base.db 'SELECT count(*) FROM t; PRAGMA integrity_check;' | tr '\n' ' ')" = "120 ok " ]
  sqlite3 base.db 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE; DELETE FROM t WHERE n % 2; VACUUM;' \
    >/dev/null
  cd /
  remount
  [ "$(sqlite3 "$dir/base.db" 'SELECT count(*) FROM t; PRAGMA integrity_check;' | tr '\n' ' ')" = "60 ok " ]
}
! needs "sqlite3" sqlite3 || check "two processes share an SQLite database in WAL mode" with_sqlite

# A tree with something of everything that an ordinary user can make.
make_tree() {
  mkdir -p "$1/a/b/c" "$1/empty" "$1/odd"
  seq 1 50000 >"$1/a/numbers"
  head -c 1000001 /dev/urandom >"$1/a/b/noise"
  : >"$1/a/b/c/nothing"
  ln "$1/a/numbers" "$1/a/b/linked"
  ln -s ../numbers "$1/a/b/relative"
  ln -s /nowhere "$1/a/dangling"
  mkfifo "$1/fifo"
  touch "$1/odd/ " "$1/odd/-n" "$1/odd/new
line" "$1/odd/$(printf '\377\376')"
  truncate -s 50M "$1/sparse"
  printf end | dd of="$1/sparse" bs=1 seek=30000000 conv=notrunc status=none
  chmod 751 "$1/a/b" && chmod 400 "$1/a/b/noise" && chmod 1777 "$1/empty"
  ! command -v setfattr >/dev/null || setfattr -n user.comment -v text "$1/a/numbers" 2>/dev/null || true
  ! command -v setfacl >/dev/null || setfacl -m u:1234:r "$1/a/b/c" 2>/dev/null || true
  if [ "$(id -u)" -eq 0 ]; then
    chown 1234:4321 "$1/a/b/c/nothing"
    mknod "$1/null" c 1 3
    chmod 4711 "$1/a/b/c/nothing"
  fi
  # rsync takes two times of one second for the same.
  find "$1" -depth -exec touch -h -d '2010-11-12 13:14:15.161718191' {} +
  touch -d '2001-02-03 04:05:06.789012345' "$1/a/numbers" "$1/empty"
  touch -h -d '1969-12-31 23:59:59' "$1/a/dangling"
}

# Every file's kind, mode, owner, size, times and links, and every byte.
describe() {
  (
    cd "$1" || exit
    find . -printf '%P|%y|%#m|%U:%G|%n|%T@|%l|' \( -type d -printf '\n' -o -printf '%s\n' \) | sort
    find . -type f -print0 | sort -z | xargs -0 cksum
    getfattr -Rdhm - . 2>/dev/null | sort
  )
}

with_rsync() {
  rsync -aHAXS --numeric-ids "$tree/" "$dir/rsync/"
  remount
  describe "$tree" >"$TEST_TMP/wanted"
  describe "$dir/rsync" >"$TEST_TMP/got"
  diff "$TEST_TMP/wanted" "$TEST_TMP/got"
  [ -z "$(rsync -aHAXSnci --numeric-ids --delete "$tree/" "$dir/rsync/")" ]
  [ "$(stat -c %b "$dir/rsync/sparse")" -lt 2048 ]
  rsync -aHAXS --numeric-ids "$dir/rsync/" "$TEST_TMP/back/"
  describe "$TEST_TMP/back" | diff "$TEST_TMP/wanted" -
}

with_tar() {
  mkdir "$dir/tar"
  (cd "$tree" && tar --xattrs --acls -Scf - .) | tar --xattrs --acls -C "$dir/tar" -xpf -
  remount
  describe "$tree" >"$TEST_TMP/wanted"
  describe "$dir/tar" | diff "$TEST_TMP/wanted" -
  (cd "$dir/tar" && tar -Scf - .) | tar -tf - >/dev/null
}

with_cp() {
  cp -a "$tree" "$dir/cp"
  describe "$tree" >"$TEST_TMP/wanted"
  describe "$dir/cp" | diff "$TEST_TMP/wanted" -
  rm -rf "$dir/cp"
  [ ! -e "$dir/cp" ]
}

tree=$host/tree
check "a tree with something of everything" make_tree "$tree"
! needs "rsync" rsync || check "rsync -aHAX brings a tree in and out unchanged" with_rsync
! needs "tar" tar || check "tar brings a tree in unchanged" with_tar
check "cp -a brings a tree in unchanged, and rm -rf takes it away" with_cp

check "umount" unmount "$dir"
check "the volume verifies" "$NACRE" verify --passfile "$TEST_TMP/pass" "$volume"
finish
