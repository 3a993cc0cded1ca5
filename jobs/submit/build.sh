#!/usr/bin/env bash
# Builds the program if its jar is missing or older than its sources, and prints the jar's path.
# Arguments: the build's folder, then the Maven profiles.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$1
shift

# Sets jar to the program's jar. Fails if the build has to run.
built() {
  jar=$(echo "$target"/grft-spark_?.??.jar)
  [[ -f $jar && -f $target/job.classpath && -f $target/spark.classpath ]] &&
    [[ -z $(find "$root/pom.xml" "$root/conf/base.yaml" "$root/src/main" -newer "$jar" -print -quit) ]]
}

if ! built; then
  echo 'building the program' >&2
  (cd "$root" && mvn -q -B -ntp -Dstyle.color=never "$@" -DskipTests package) >&2
  touch "$target"/grft-spark_?.??.jar # Maven does not rewrite a jar whose content is the same
  built || {
    echo "submit.sh: no $target/grft-spark_*.jar after mvn package" >&2
    exit 2
  }
fi
printf '%s\n' "$jar"
