#!/usr/bin/env bash
# Makes a Spark home of links to the jars that Maven resolved, unless it is up to date, and prints its path.
# Arguments: the build's folder, the master.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$1 master=$2
here=$root/jobs/submit home=$target/spark-home logging=$root/conf/spark/log4j2.properties

die() {
  printf 'submit.sh: %s\n' "$1" >&2
  exit 2
}

client=''
case $master in
  yarn*) client='spark-yarn' ;;
  k8s*) client='spark-kubernetes' ;;
esac
[[ -z $client ]] || grep -q "/${client}_" "$target/spark.classpath" ||
  die "$master needs SPARK_HOME, or a build with its client: mvn -Pclusters -DskipTests package"

if [[ ! -x $home/bin/spark-submit || -n $(find "$here" "$logging" "$target/spark.classpath" -newer "$home" -print -quit) ]]; then
  rm -rf "$home.new"
  mkdir -p "$home.new/jars" "$home.new/conf"
  while IFS= read -r -d ':' file; do
    [[ -f $file ]] || die "$file is missing; run mvn package again"
    ln -s "$file" "$home.new/jars/"
  done < <(cat "$target/spark.classpath" && printf ':')
  cp -R "$here/bin" "$home.new/"
  cp "$logging" "$home.new/conf/"
  rm -rf "$home"
  mv "$home.new" "$home"
  touch "$home"
fi
printf '%s\n' "$home"
