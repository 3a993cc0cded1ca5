#!/usr/bin/env bash
# Fine-tunes the small ViT of the demo and compares the methods. The last lines say where the results are.
#   jobs/demo.sh                  on the photos of clothes that come with it
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
run=runs/demo-$(basename "$photos" | tr -c 'A-Za-z0-9.\n' -)
mkdir -p "$run/lists"

# The order is that of the files' contents, so equal photos never stand in both lists, and every call makes the same lists.
(
  cd "$photos"
  find -L . -mindepth 2 -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' -o -iname '*.gif' \
    -o -iname '*.bmp' -o -iname '*.tif' -o -iname '*.tiff' \) ! -name $'*\n*' -exec sha256sum {} +
) | sort | awk -v train="$run/lists/train.csv" -v test="$run/lists/test.csv" '
  function quoted(text) { gsub(/"/, "\"\"", text); return "\"" text "\"" }
  BEGIN { print "path,class" > train; print "path,class" > test }
  {
    sum = $1; path = substr($0, index($0, "./") + 2); class = substr(path, 1, index(path, "/") - 1)
    if (sum == last) next
    last = sum
    print quoted(path) "," quoted(class) > (++count[class] % 5 == 2 ? test : train)
  }'
trained=$(($(wc -l < "$run/lists/train.csv") - 1))
tested=$(($(wc -l < "$run/lists/test.csv") - 1))
classes=$(tail -n +2 "$run/lists/train.csv" | sed 's/.*,"//' | sort -u | wc -l)
((classes > 1 && trained > 3 && tested > 0)) ||
  die "$photos has $((trained + tested)) different photos in folders of $classes classes; at least 6 of 2 classes are needed"
echo "demo.sh: $trained photos of $classes classes to train on, $tested to test on: $run/lists"

own=(--config conf/demo/demo.yaml --set "run.directory=$run" --set "data.root=$photos" --set data.crop=null
  --set "data.train=$run/lists/train.csv" --set "data.test=$run/lists/test.csv" --set "training.batchSize=$((trained < 32 ? trained : 32))")
jobs/submit.sh check "${own[@]}" "$@"
exec jobs/submit.sh run "${own[@]}" "$@"
