#!/usr/bin/env bash
# Prints the addresses of this machine's NVIDIA GPUs as Spark wants them of a discovery script: spark.worker.resource.gpu.discoveryScript on a
# standalone cluster, spark.executor.resource.gpu.discoveryScript elsewhere. A GPU has its number, a MIG slice of one its UUID.
set -euo pipefail
listed=$(nvidia-smi -L)
addresses=$(awk -F 'UUID: ' '
  /^GPU/ { if (gpu != "") print gpu; split($1, words, /[ :]/); gpu = words[2] }
  /^ +MIG/ { sub(/\).*/, "", $2); print $2; gpu = "" }
  END { if (gpu != "") print gpu }' <<<"$listed" | sed 's/.*/"&"/' | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
