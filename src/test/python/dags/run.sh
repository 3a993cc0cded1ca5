#!/usr/bin/env bash
# Tests the DAGs of jobs/dags with Airflow, which goes into a virtual environment below target/. The project has to be built.
# Arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../../.."

die() {
  printf 'dags/run.sh: %s\n' "$1" >&2
  exit 2
}

python=''
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
  ! command -v "$python" >/dev/null || break
done
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null ||
  die 'the pinned packages need Python 3.11 to 3.13; PYTHON=... names one'
venv=$PWD/target/airflow-venv
PYTHON=$python src/test/python/venv.sh "$venv" "$here/requirements.txt" --no-deps
exec "$venv/bin/python" -m pytest -q -p no:cacheprovider "$@" "$here"
