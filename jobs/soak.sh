#!/usr/bin/env bash
# Runs on a small cluster of Spark on this machine, whose executors, workers and driver are killed at random, and compares each run with one
# that nothing has disturbed, bit by bit.
#
# Options: --kills N (50), --seed S (printed; the same seed draws the same kills), --folder F (target/soak; emptied first).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$PWD/target

die() {
  printf 'soak.sh: %s\n' "$1" >&2
  exit 2
}

kills=50 seed=$RANDOM folder=$target/soak
while (($#)); do
  (($# > 1)) || die "$1 needs a value"
  case $1 in
    --kills) kills=$2 ;;
    --seed) seed=$2 ;;
    --folder) folder=$2 ;;
    *) die "there is no option $1" ;;
  esac
  shift 2
done
[[ ! -e $folder || -d $folder/cluster ]] || die "$folder: is there, and not from an earlier soak; choose another --folder"

mvn -q -B -ntp -Dstyle.color=never -DskipTests package >&2
rm -rf "$folder"
printf 'seed %s\n' "$seed"
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" "@$target/test-classes/bench.options" -Xmx512m -Djava.awt.headless=true \
  -cp "$target/test-classes:$target/classes:$(<"$target/bench.classpath")" dev.grft.cli.Soak "$folder" "$kills" "$seed"
