#!/usr/bin/env bash
# Fine-tunes the small ViT of the demo and compares the methods. The last lines say where the results are.
#   jobs/demo.sh                  on the photos of hands that come with it
#   jobs/demo.sh --data FOLDER    on your own: a folder of photos for each class; one of five is for the test
# Further options go to the program, such as --set training.epochs=2 or --force.
set -euo pipefail

die() {
  printf 'demo.sh: %s\n' "$1" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ${1:-} != --data ]]; then
  cd "$root"
  exec jobs/submit.sh run --config conf/demo/demo.yaml "$@"
fi

[[ -d ${2:-} ]] || die "--data must be a folder with a folder of photos for each class, got '${2:-}'"
photos=$(cd "$2" && pwd)
shift 2
cd "$root"
# Folders of the same name have run directories of their own.
run=runs/demo-$(basename "$photos" | tr -c 'A-Za-z0-9.\n' -)-$(printf %s "$photos" | sha256sum | cut -c1-8)
lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT

# The order is that of the files' contents, so equal photos never stand in both lists, and every call makes the same lists.
# Hidden ones, as . and _ begin, are ignored. sha256sum marks names with a backslash or a line break by a backslash.
(
  cd "$photos"
  find -L . -mindepth 2 -type f ! -path '*/[._]*' \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \
    -o -iname '*.gif' -o -iname '*.bmp' -o -iname '*.tif' -o -iname '*.tiff' \) -exec sha256sum {} +
) | sort | awk -v train="$lists/train.csv" -v test="$lists/test.csv" -v classes="$lists/classes" '
  function quoted(text) { gsub(/"/, "\"\"", text); return "\"" text "\"" }
  BEGIN { print "path,label" > train; print "path,label" > test }
  /^\\/ { odd++; next }
  {
    sum = $1; path = substr($0, index($0, "./") + 2); class = substr(path, 1, index(path, "/") - 1)
    if (sum == last) next
    last = sum
    print quoted(path) "," quoted(class) > (++count[class] % 5 == 2 ? test : train)
  }
  END {
    if (odd) print "demo.sh: ignored " odd " photos with a backslash or a line break in their paths" > "/dev/stderr"
    for (class in count) n++
    print n + 0 > classes
  }'
trained=$(($(wc -l < "$lists/train.csv") - 1))
tested=$(($(wc -l < "$lists/test.csv") - 1))
classes=$(< "$lists/classes")
((classes > 1 && trained > 3 && tested > 0)) ||
  die "$photos has $((trained + tested)) different photos in folders of $classes classes; at least 6 of 2 classes are needed"
mkdir -p "$run/lists"
cp "$lists"/*.csv "$run/lists"
rm -rf "$lists"
echo "demo.sh: $trained photos of $classes classes to train on, $tested to test on: $run/lists"

own=(--config conf/demo/demo.yaml --set "run.directory=$run" --set "data.root='${photos//\'/\'\'}'" --set data.crop=null
  --set "data.train=$run/lists/train.csv" --set "data.test=$run/lists/test.csv" --set "training.batchSize=$((trained < 32 ? trained : 32))")
jobs/submit.sh check "${own[@]}" "$@"
exec jobs/submit.sh run "${own[@]}" "$@"
