#!/usr/bin/env bash
# venv.sh FOLDER REQUIREMENTS [OPTION...]: makes a virtual environment that has the packages of a list, unless it is there. Options go to
# uv pip install. PYTHON names the interpreter.
set -euo pipefail
venv=$1 wanted=$2 python=${PYTHON:-python3}
shift 2
cmp -s "$wanted" "$venv/installed.txt" && exit
rm -rf "$venv"
"$python" -m venv "$venv" || {
  echo "venv.sh: $python has no module venv; on Debian install python3-venv" >&2
  exit 2
}
# uv takes seconds where pip takes minutes.
"$venv/bin/pip" install -q --disable-pip-version-check uv
"$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@" -r "$wanted"
cp "$wanted" "$venv/installed.txt"
