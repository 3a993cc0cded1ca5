#!/usr/bin/env bash
# Runs the notebooks from top to bottom on a run directory, runs/demo unless another is given, and leaves them with their
# outputs in target/notebooks. Those in git have no outputs. Python 3.11 or newer, PYTHON=... names one. The notebook that trains needs
# PySpark in place of a run: src/test/coordinates/run.sh runs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=${1:-runs/demo} venv=${GRFT_NOTEBOOK_VENV:-target/notebook-venv}
[[ -f $run/metrics.json ]] || {
  echo "notebooks/run.sh: $run has no metrics.json; make a run with jobs/demo.sh, or give another directory" >&2
  exit 2
}
if grep -lE '"execution_count": [0-9]|"output_type"' notebooks/*.ipynb; then
  echo 'notebooks/run.sh: these have outputs; clear them: jupyter nbconvert --clear-output --inplace' >&2
  exit 1
fi
[[ -n ${GRFT_NOTEBOOK_VENV:-} ]] || src/test/python/venv.sh "$venv" notebooks/requirements.txt --no-deps
# Kernels listen on this machine alone.
export GRFT_RUN=$run JUPYTER_PLATFORM_DIRS=1 IPYTHONDIR=$PWD/target/ipython MPLCONFIGDIR=$PWD/target/matplotlib
mkdir -p "$IPYTHONDIR" "$MPLCONFIGDIR"
"$venv/bin/python" -m nbconvert --to notebook --execute --KernelManager.ip=127.0.0.1 --ExecutePreprocessor.startup_timeout=300 --log-level WARN --output-dir target/notebooks notebooks/0[1-3]*.ipynb
echo "run, with outputs: target/notebooks"
