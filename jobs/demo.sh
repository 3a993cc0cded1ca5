#!/usr/bin/env bash
# Fine-tunes the small ViT of the demo and compares the methods. The last lines say where the results are.
# Further options go to the program, such as --set training.epochs=2 or --force.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec jobs/submit.sh run --config conf/demo/demo.yaml "$@"
