#!/usr/bin/env bash
# Runs verbs at the size of real work on this machine and prints what they took: seconds, memory, disk, file handles. Ends with 1 if one fails or
# is beyond its limit. All parts together take hours on two cores and need 16 GiB of memory.
#
# Options: --only PARTS, comma-separated (all):
#   models   ViT-B/16 full, two steps on defaults; ViT-L/16, slices; ViT-B/14 at 518 pixels: select, train, evaluate
#   classes  a head of 21,843 classes, from the probe to predictions (--classes N)
#   images   200,000 images of 32 pixels: select, train, evaluate, predict; disk, and how often each file is opened (--images N)
#   slots    64 tasks at once, which must give the bits of 2
#   steps    20,000 steps: what the process holds at the end and after a fifth (--steps N)
#   fits     ten fits in one session, and two at once
# --folder F (target/scale): keeps models and images for the next time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$PWD/target

die() {
  printf 'scale.sh: %s\n' "$1" >&2
  exit 2
}

only=models,classes,images,slots,steps,fits folder=$target/scale sizes=()
while (($#)); do
  (($# > 1)) || die "$1 needs a value"
  case $1 in
    --only) only=$2 ;;
    --folder) folder=$2 ;;
    --classes | --images | --steps)
      [[ $2 =~ ^[1-9][0-9]{0,8}$ ]] || die "$1 must be a number from 1, got $2"
      sizes+=("${1#--}=$2")
      ;;
    *) die "there is no option $1" ;;
  esac
  shift 2
done
[[ $folder == /* ]] || folder=$PWD/$folder

mvn -q -B -ntp -Dstyle.color=never -DskipTests package >&2
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" "@$target/test-classes/bench.options" -Xmx4g -Djava.awt.headless=true \
  -cp "$target/test-classes:$target/classes:$(<"$target/bench.classpath")" dev.grft.cli.Scale "$folder" "$only" ${sizes[@]+"${sizes[@]}"}
