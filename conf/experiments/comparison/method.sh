#!/usr/bin/env bash
# Measures a method with three seeds for results.md: trains, and looks at the validation and the test images. What was done is kept, so the
# same call goes on where it was interrupted.
#
#     conf/experiments/comparison/method.sh MODEL SET NAME EPOCHS [KEY=VALUE ...]
#     conf/experiments/comparison/method.sh vit-small-patch14 caltech bitfit-10 10 tuning.method=bitfit
#
# MODEL is a folder, SET one that make.py has written to images/. Leaves runs/SET-NAME/{validation,test}.json for picture.py --keep.
set -euo pipefail
[[ $# -ge 4 ]] || {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
model=$1 set=$2 run=runs/$2-$3 epochs=$4
shift 4
more=()
for one; do more+=(--set "$one"); done
for part in validation test; do
  "$(dirname "$0")"/../../../jobs/submit.sh --master 'local[1]' compare --set model.pretrained="$model" --set model.imageSize=112 \
    --set data.train="images/$set/train" --set data.test="images/$set/$part" --set training.batchSize=16 --set training.shards=1 \
    --set training.epochs="$epochs" --set engine.precision=bf16 --set compare.seeds=[1,2,3] --set compare.match=false \
    --set run.directory="$run" ${more[@]+"${more[@]}"}
  cp "$run/comparison.json" "$run/$part.json"
done
