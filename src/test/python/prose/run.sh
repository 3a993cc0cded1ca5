#!/usr/bin/env bash
# Looks for misspelled words in all sources and pages (codespell), and for bad prose in pages and messages (proselint). ProseTest, which
# has written target/messages.txt, checks the words of this project.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../../.."
venv=$PWD/target/prose-venv
src/test/python/venv.sh "$venv" "$here/requirements.txt"
git ls-files -z -- ':!*.parquet' ':!*.safetensors' ':!*.svg' ':!*.png' ':!*.jpg' |
  xargs -0 "$venv/bin/codespell" --ignore-words "$here/names.txt"
"$venv/bin/proselint" check --config "$here/proselint.json" README.md src/site/markdown/*.md target/messages.txt
echo 'prose: nothing found'
