#!/usr/bin/env bash
# Trains on tables of Delta Lake and Iceberg and writes predictions into such tables, with their artifacts of Maven Central, which are no
# dependencies of the build. Needs a build: mvn -B -ntp test-compile. For Spark 3.5; takes about three minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
here=$PWD/target/tables
rm -rf "$here"
mkdir -p "$here"
for artifact in io.delta:delta-spark_2.12:3.3.2 io.delta:delta-storage:3.3.2 org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.0; do
  mvn -B -ntp -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy "-Dartifact=$artifact" "-DoutputDirectory=$here/lib"
done
mvn -B -ntp -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -DincludeScope=test "-Dmdep.outputFile=$here/classpath"
opens=$(sed -n 's/^ *\(--add-opens=[^ <]*\).*/\1/p' pom.xml | sort -u)
export SPARK_LOCAL_IP=127.0.0.1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
for format in delta iceberg; do
  # shellcheck disable=SC2086 # a list of options
  java -XX:+IgnoreUnrecognizedVMOptions $opens -Xmx2g -cp "target/test-classes:target/classes:$(<"$here/classpath"):$here/lib/*" \
    dev.grft.spark.verbs.LakeTables "$format" "$here/$format"
done
