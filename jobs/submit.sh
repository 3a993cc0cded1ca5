#!/usr/bin/env bash
# Runs one verb of the program as a Spark application. The only place that calls spark-submit.
set -euo pipefail

die() {
  printf 'submit.sh: %s\n' "$1" >&2
  exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${GRFT_SPARK:-3} in
  3) target=$root/target scala=2.12 profile=() ;;
  4) target=$root/target/spark4 scala=2.13 profile=(-Pspark4) ;;
  *) die "GRFT_SPARK must be 3 or 4, got $GRFT_SPARK" ;;
esac

# shellcheck source=jobs/submit/options.sh
source "$root/jobs/submit/options.sh"

# Before a build that takes minutes: the native libraries are Linux's.
[[ $master != local* || $(uname -s) == Linux ]] ||
  die "this program computes on Linux, and this is $(uname -s); run it in a Linux container or in WSL 2, or give a cluster by --master"

# Only one submit.sh builds at a time. The others wait and then find the program built.
if [[ -z ${GRFT_JOB_JAR:-} || -z ${SPARK_HOME:-} ]] && command -v flock >/dev/null && mkdir -p "$target" && [[ -w $target ]]; then
  exec 9>"$target/submit.lock"
  flock -w "${GRFT_BUILD_SECONDS:-1800}" 9 ||
    die "another jobs/submit.sh has been building for GRFT_BUILD_SECONDS, ${GRFT_BUILD_SECONDS:-1800} s; see what it waits for, or raise it"
fi
jar=${GRFT_JOB_JAR:-} libraries=''
if [[ -z $jar ]]; then
  jar=$("$root/jobs/submit/build.sh" "$target" ${profile[@]+"${profile[@]}"})
  libraries=$(<"$target/job.classpath")
fi
if [[ -z ${SPARK_HOME:-} ]]; then
  [[ -z ${GRFT_JOB_JAR:-} ]] || die 'GRFT_JOB_JAR needs a SPARK_HOME'
  SPARK_HOME=$("$root/jobs/submit/spark-home.sh" "$target" "$master")
  export SPARK_HOME
fi
exec 9>&- # jobs themselves run at the same time
[[ -x $SPARK_HOME/bin/spark-submit ]] || die "SPARK_HOME: there is no $SPARK_HOME/bin/spark-submit"
core=$(echo "$SPARK_HOME"/jars/spark-core_*.jar)
[[ -z $libraries || $core == *'*'* || $core == */spark-core_"$scala"-* ]] ||
  die "SPARK_HOME has ${core##*/}, the build is for Scala $scala; GRFT_SPARK=4 is for Spark 4.1, GRFT_SPARK=3 for 3.5"

case $master in
  local | 'local['*)
    # Spark would choose the machine's network address.
    export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
    [[ -n $driver_memory || -n $(given spark.driver.memory) ]] || driver_memory=3g
    # The one JVM reads the libraries in place; --jars would copy them.
    if [[ -n $libraries ]]; then
      more=$(given spark.driver.extraClassPath)
      confs+=("spark.driver.extraClassPath=$jar:$libraries${more:+:$more}")
    fi
    ;;
  *)
    if [[ -n $libraries && -n ${GRFT_SHARED_DISK:-} ]]; then
      jars=local:${libraries//:/,local:}${jars:+,$jars}
      jar=local:$jar
    elif [[ -n $libraries ]]; then
      jars=${libraries//:/,}${jars:+,$jars}
    fi
    ;;
esac

[[ -z $jars ]] || spark+=(--jars "$jars")

# Spark writes its events only to a folder that exists.
events=$(given spark.eventLog.dir)
[[ -z $events || $events == *:* ]] || mkdir -p "$events"

# A distribution without a configuration of its logs prints a thousand lines of INFO around the program's.
logs=()
for kind in properties xml yaml yml json jsn; do
  [[ ! -e ${SPARK_CONF_DIR:-$SPARK_HOME/conf}/log4j2.$kind ]] || logs+=("$kind")
done
if [[ $deploy_mode != cluster && -z ${logs[*]-} && " ${spark[*]-} " != *' --driver-java-options '* ]]; then
  default spark.driver.extraJavaOptions "-Dlog4j2.configurationFile='$root/conf/spark/log4j2.properties'"
fi

# In the locale C, Java reads no file whose name has characters beyond ASCII.
[[ $(locale charmap 2>/dev/null) != ANSI_X3.4-1968 ]] || export LC_ALL=C.UTF-8

# shellcheck source=jobs/submit/user.sh
source "$root/jobs/submit/user.sh"

# A task computes with one thread, and waiting threads do not spin. Both are much faster where tasks share cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
places=(spark.executorEnv)
[[ $deploy_mode != cluster ]] || places+=(spark.yarn.appMasterEnv spark.kubernetes.driverEnv)
locale=${LC_ALL:-}
[[ $master != k8s* ]] || locale=C.UTF-8 # an image may lack that of this shell
for place in "${places[@]}"; do
  default "$place.OMP_NUM_THREADS" "$OMP_NUM_THREADS"
  default "$place.OMP_WAIT_POLICY" "$OMP_WAIT_POLICY"
  [[ -z $locale ]] || default "$place.LC_ALL" "$locale"
done

[[ -z $deploy_mode ]] || spark+=(--deploy-mode "$deploy_mode")
[[ -z $properties ]] || spark+=(--properties-file "$properties")
[[ -z $driver_memory ]] || spark+=(--driver-memory "$driver_memory")
for conf in ${confs[@]+"${confs[@]}"}; do
  spark+=(--conf "$conf")
done
submit=("$SPARK_HOME/bin/spark-submit" --master "$master")
run=(--class dev.grft.cli.Main "$jar" ${program[@]+"${program[@]}"})
if [[ $master == k8s* && $deploy_mode == cluster && $(given spark.kubernetes.submission.waitAppCompletion) != false &&
  ! " ${spark[*]-} " =~ ' '--(kill|status)' ' ]]; then
  # shellcheck source=jobs/submit/kubernetes.sh
  source "$root/jobs/submit/kubernetes.sh"
fi
exec "${submit[@]}" "${spark[@]}" "${run[@]}"
