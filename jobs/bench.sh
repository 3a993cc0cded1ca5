#!/usr/bin/env bash
# Measures what the work costs, with --peer beside PyTorch and JAX; "jobs/bench.sh --help" lists the options. Prints a table
# and writes bench.json. Nothing else should run on the machine meanwhile.
#
# Environment: GRFT_BENCH_VENV (where --peer installs; target/bench-venv), GRFT_BENCH_MEMORY (heap; 4g), OMP_WAIT_POLICY
# (PASSIVE), GRFT_PEER_WAIT_POLICY (that of the peers, if another).
set -euo pipefail

die() {
  printf 'bench.sh: %s\n' "$1" >&2
  exit 2
}

from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$PWD/target

program=() peer='' profiles='' threads=$(nproc) output=$from/bench.json
while (($#)); do
  option=$1 && shift
  case $option in
    --threads | --output)
      (($#)) || die "$option needs a value"
      value=$1 && shift
      ;;
    --threads=* | --output=*) value=${option#*=} option=${option%%=*} ;;
  esac
  case $option in
    --peer) peer=yes ;;
    --mkl) profiles=-Pmkl && program+=(--mkl) ;;
    --threads) threads=$value ;;
    --output) output=$value ;;
    *) program+=("$option") ;;
  esac
done
[[ $output == /* ]] || output=$from/$output

built=$target/bench.built
if [[ ! -f $built || $(<"$built") != "$profiles" || -n $(find pom.xml conf/base.yaml src/main src/test/java src/test/resources -newer "$built" -print -quit) ]]; then
  echo 'building the program and its tests' >&2
  mvn -q -B -ntp -Dstyle.color=never ${profiles:+"$profiles"} -DskipTests package >&2
  printf '%s' "$profiles" >"$built"
fi

if [[ -n $peer ]]; then
  venv=${GRFT_BENCH_VENV:-$target/bench-venv} wanted=src/test/python/peer-requirements.txt
  if ! cmp -s "$wanted" "$venv/installed.txt"; then
    free=$(df --output=avail -BG "$(dirname "$venv")" | tr -dc '0-9')
    ((free >= 12)) || die "--peer needs 12 GB in $(dirname "$venv"), $free GB are free; set GRFT_BENCH_VENV to another place"
    echo "installing the peers into $venv: several GB, once" >&2
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --no-cache-dir --disable-pip-version-check -r "$wanted" >&2
    cp "$wanted" "$venv/installed.txt"
  fi
  program+=(--peer --python "$venv/bin/python")
fi

# A thread for each core, and threads that wait do not spin, on both sides. The heap's pages are touched before anything is
# measured: a full step turns over a gigabyte, and else meets new pages in each of its first 15 steps.
export OMP_NUM_THREADS=$threads OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE} SPARK_LOCAL_IP=127.0.0.1
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" "@$target/test-classes/bench.options" "-Xms${GRFT_BENCH_MEMORY:-4g}" "-Xmx${GRFT_BENCH_MEMORY:-4g}" \
  -XX:+AlwaysPreTouch -Djava.awt.headless=true -cp "$target/test-classes:$target/classes:$(<"$target/bench.classpath")" \
  dev.grft.bench.Bench --threads "$threads" --output "$output" ${program[@]+"${program[@]}"}
