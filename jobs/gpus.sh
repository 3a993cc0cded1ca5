#!/usr/bin/env bash
# Prints the numbers of this machine's NVIDIA GPUs as Spark wants them of a discovery script: spark.worker.resource.gpu.discoveryScript on a
# standalone cluster, spark.executor.resource.gpu.discoveryScript elsewhere.
set -euo pipefail
numbers=$(nvidia-smi --query-gpu=index --format=csv,noheader)
addresses=$(awk '{ print "\"" $0 "\"" }' <<<"$numbers" | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
