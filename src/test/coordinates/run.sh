#!/usr/bin/env bash
# Deploys to a repository of files, target/coordinates/repository, and runs the demo in small from there by its coordinate: by plain
# spark-submit, in a folder that has nothing of this checkout but the demo's images and model. Then the wheel of PySpark is made, and
# src/test/python/spark_ml.py fits and labels with it in a PySpark of PyPI. GRFT_SPARK=4 does so for Spark 4.1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
root=$PWD
case ${GRFT_SPARK:-3} in
  3) target=$root/target scala=2.12 profiles=release ;;
  4) target=$root/target/spark4 scala=2.13 profiles=release,spark4 ;;
esac
here=$target/coordinates
repository=$here/repository

die() {
  printf 'coordinates/run.sh: %s\n' "$1" >&2
  exit 1
}

rm -rf "$here"
mvn -B -ntp -q -Dstyle.color=never "-P$profiles" -DskipTests "-DaltDeploymentRepository=files::file:$repository" deploy
version=$(basename "$(echo "$repository/dev/grft/grft-spark_$scala"/*/)")
of_version=$repository/dev/grft/grft-spark_$scala/$version/grft-spark_$scala-$version
for kind in .jar -sources.jar -javadoc.jar .pom; do
  [[ -s $of_version$kind && -s $of_version$kind.sha1 ]] || die "there is no $of_version$kind with its checksum"
done
for element in name description url scm developers; do
  grep -q "^  <$element>" "$of_version.pom" || die "$of_version.pom: Maven Central asks for <$element>"
done
# shellcheck disable=SC2016 # properties of Maven
if grep -nE '\$\{|<parent>|<profiles>|<properties>|<dependencyManagement>|<build>|<scope>test' "$of_version.pom"; then
  die "$of_version.pom: what the lines above say is of the build alone"
fi

jobs/submit.sh --version >&2 # makes the Spark home
mkdir -p "$here/elsewhere/conf"
cp -R conf/demo "$here/elsewhere/conf/"
cd "$here/elsewhere"
export SPARK_LOCAL_IP=127.0.0.1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
"$target/spark-home/bin/spark-submit" --master 'local[2]' --driver-memory 2g \
  --packages "dev.grft:grft-spark_$scala:$version" --repositories "file:$repository" \
  --conf "spark.jars.ivy=$here/ivy" --conf spark.ui.enabled=false --class dev.grft.cli.Main spark-internal \
  run --config conf/demo/demo.yaml --set data.test=conf/demo/hands/train.parquet --set selection.loss=fresh \
  --set training.headInit=fresh --set training.maxSteps=10 --set run.directory=run --set compare.methods=[]
[[ -s run/merged.safetensors ]] || die 'the run has left no run/merged.safetensors'
du -shL "$here/ivy/jars" | sed 's/\t.*/ of jars for this coordinate/'

venv=$target/pyspark-venv
spark=$(basename "$target"/spark-home/jars/spark-core_*.jar .jar)
if [[ ! -x $venv/bin/uv ]]; then
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check uv
fi
rm -rf "$target/python"
"$venv/bin/pip" wheel -q --disable-pip-version-check --no-deps -w "$target/python" "$root/jobs/python"
"$venv/bin/uv" pip install -q --python "$venv/bin/python" "pyspark==${spark##*-}" numpy \
  --reinstall-package grft-spark "$target/python/grft_spark-$version-py3-none-any.whl"
env -u SPARK_HOME "$venv/bin/python" "$root/src/test/python/spark_ml.py" "$repository" "$here/ivy"
