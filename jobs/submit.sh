#!/usr/bin/env bash
# Runs one verb of the program as a Spark application. The only place that knows spark-submit.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: jobs/submit.sh VERB [options]

Options for Spark, anywhere on the line; everything else goes to the program ("jobs/submit.sh --help" prints its help):
  --master URL            where to run; local[*] unless a conf file or --conf names another
  --deploy-mode MODE      client or cluster
  --spark-conf FILE       a properties file of Spark, in place of its spark-defaults.conf, such as conf/spark/yarn.conf
  --conf KEY=VALUE        one property of Spark; may be repeated
  --driver-memory SIZE    heap of the driver; on this machine 3g, or GRFT_DRIVER_MEMORY
  --executor-memory SIZE, --executor-cores N, --num-executors N
  --spark-help            print this

Environment:
  SPARK_HOME       a distribution of Spark 3.5 with Scala 2.12, or of Spark 4.1 with GRFT_SPARK=4; without it, the jars of
                   the build serve (for YARN and Kubernetes after "mvn -Pclusters package", which adds their clients)
  GRFT_SPARK       4: the build for Spark 4.1 and Scala 2.13, "mvn -Pspark4 package", which is made where it is missing
  GRFT_JOB_JAR     a job jar made by "mvn -Pjob-jar package", a path or URL such as local:///opt/grft/job.jar; nothing
                   is built then
  GRFT_SHARED_DISK not empty: all machines see this folder and Maven's at the same paths; no libraries (some 200 MB) are copied
  GRFT_BUILD_SECONDS how long to wait for another jobs/submit.sh that builds; 1800
  GRFT_DRIVER_MEMORY, SPARK_LOCAL_IP, OMP_NUM_THREADS, OMP_WAIT_POLICY: over the defaults set here

The exit code is the program's: 0 done, 2 something to mend in the input, 3 a failure, 4 the cluster was lost, 5 stopped by
--max-time, 143 by SIGTERM. After 4, 5 and 143 the same command goes on where it was.
TEXT
}

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

# Ours or the program's.
master='' deploy_mode='' properties='' driver_memory=${GRFT_DRIVER_MEMORY:-}
spark=() confs=() program=()
while (($#)); do
  option=$1 && shift
  case $option in
    --master | --deploy-mode | --spark-conf | --conf | --driver-memory | --executor-memory | --executor-cores | --num-executors)
      (($#)) || die "$option needs a value"
      value=$1 && shift
      ;;
    --master=* | --deploy-mode=* | --spark-conf=* | --conf=* | --driver-memory=* | --executor-memory=* | --executor-cores=* | --num-executors=*)
      value=${option#*=} option=${option%%=*}
      ;;
    --spark-help)
      usage
      exit 0
      ;;
    *)
      program+=("$option")
      continue
      ;;
  esac
  case $option in
    --master) master=$value ;;
    --deploy-mode) deploy_mode=$value ;;
    --spark-conf) properties=$value ;;
    --driver-memory) driver_memory=$value ;;
    --conf)
      [[ $value == *=* ]] || die "--conf needs KEY=VALUE, got $value"
      confs+=("$value")
      ;;
    *) spark+=("$option" "$value") ;;
  esac
done
[[ -z $properties || -r $properties ]] || die "--spark-conf: cannot read $properties"

# Prints the value that --conf or the properties file gives to a key of Spark, if any.
given() {
  local conf found=''
  if [[ -n $properties ]]; then
    found=$(awk -v key="$1" '{
      sub(/^[ \t]+/, "")
      at = match($0, /[ \t=:]/)
      if (at > 1 && substr($0, 1, at - 1) == key) {
        value = substr($0, at)
        sub(/^[ \t]*[=:]?[ \t]*/, "", value)
        sub(/[ \t\r]+$/, "", value)
      }
    } END { print value }' "$properties")
  fi
  for conf in ${confs[@]+"${confs[@]}"}; do
    [[ ${conf%%=*} != "$1" ]] || found=${conf#*=}
  done
  printf '%s' "$found"
}

# Adds a property unless the user gave it.
default() {
  [[ -n $(given "$1") ]] || spark+=(--conf "$1=$2")
}

[[ -n $master ]] || master=$(given spark.master)
[[ -n $master ]] || master='local[*]'
[[ -n $deploy_mode ]] || deploy_mode=$(given spark.submit.deployMode)

# One at a time builds; whoever comes meanwhile waits, and finds it built.
if [[ -z ${GRFT_JOB_JAR:-} || -z ${SPARK_HOME:-} ]] && command -v flock >/dev/null && mkdir -p "$target" && [[ -w $target ]]; then
  exec 9>"$target/submit.lock"
  flock -w "${GRFT_BUILD_SECONDS:-1800}" 9 ||
    die "another jobs/submit.sh has been building for GRFT_BUILD_SECONDS, ${GRFT_BUILD_SECONDS:-1800} s; see what it waits for, or raise it"
fi

# The program and what it needs beyond Spark.
jar=${GRFT_JOB_JAR:-} libraries=''
if [[ -z $jar ]]; then
  built() {
    local found=''
    for jar in "$target"/grft-spark-*.jar; do
      [[ $jar == *-job.jar || ! -f $jar ]] || found=$jar
    done
    jar=$found
    [[ -n $jar && -f $target/job.classpath && -f $target/spark.classpath ]] &&
      [[ -z $(find "$root/pom.xml" "$root/conf/base.yaml" "$root/src/main" -newer "$jar" -print -quit) ]]
  }
  if ! built; then
    echo 'building the program' >&2
    (cd "$root" && mvn -q -B -ntp -Dstyle.color=never ${profile[@]+"${profile[@]}"} -DskipTests package) >&2
    touch "$target"/grft-spark-*.jar # Maven leaves a jar alone whose content is the same
    built || die "no $target/grft-spark-*.jar after mvn package"
  fi
  libraries=$(<"$target/job.classpath")
fi

# A Spark home of links to the jars that Maven resolved.
make_spark_home() {
  local home=$1 list=$2 file
  rm -rf "$home.new"
  mkdir -p "$home.new/jars" "$home.new/bin" "$home.new/conf"
  while IFS= read -r -d ':' file; do
    [[ -f $file ]] || die "$file is missing; run mvn package again"
    ln -s "$file" "$home.new/jars/"
  done < <(cat "$list" && printf ':')

  cat >"$home.new/bin/spark-class" <<'TEXT'
#!/usr/bin/env bash
# The launcher prints the command of the JVM, with the options that Java 17 needs, each word ended by a NUL.
set -euo pipefail
SPARK_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
core=$(echo "$SPARK_HOME"/jars/spark-core_*.jar)
core=${core##*/spark-core_}
export SPARK_HOME SPARK_SCALA_VERSION=${core%%-*}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
words=()
while IFS= read -r -d '' word; do
  words+=("$word")
done < <(
  code=0
  "$java" -Xmx128m -cp "$SPARK_HOME/jars/*" org.apache.spark.launcher.Main "$@" || code=$?
  printf '%d\0' "$code"
)
last=$((${#words[@]} - 1))
code=${words[last]}
unset 'words[last]'
if [[ $code != 0 ]]; then
  printf '%s\n' ${words[@]+"${words[@]}"} >&2
  exit "$code"
fi
# Before the command stands an empty line.
[[ -n ${words[0]} ]] || words=("${words[@]:1}")
words[0]=${words[0]#$'\n'}
exec "${words[@]}"
TEXT
  cat >"$home.new/bin/spark-submit" <<'TEXT'
#!/usr/bin/env bash
exec "$(dirname "${BASH_SOURCE[0]}")/spark-class" org.apache.spark.deploy.SparkSubmit "$@"
TEXT
  chmod +x "$home.new"/bin/*
  cp "$root/conf/spark/log4j2.properties" "$home.new/conf/"
  rm -rf "$home"
  mv "$home.new" "$home"
}

if [[ -z ${SPARK_HOME:-} ]]; then
  [[ -z ${GRFT_JOB_JAR:-} ]] || die 'GRFT_JOB_JAR needs a SPARK_HOME'
  client=''
  case $master in
    yarn*) client='spark-yarn' ;;
    k8s*) client='spark-kubernetes' ;;
  esac
  [[ -z $client ]] || grep -q "/${client}_" "$target/spark.classpath" ||
    die "$master needs SPARK_HOME, or a build with its client: mvn -Pclusters -DskipTests package"
  SPARK_HOME=$target/spark-home
  if [[ ! -x $SPARK_HOME/bin/spark-submit || $target/spark.classpath -nt $SPARK_HOME || $root/jobs/submit.sh -nt $SPARK_HOME ||
    $root/conf/spark/log4j2.properties -nt $SPARK_HOME ]]; then
    make_spark_home "$SPARK_HOME" "$target/spark.classpath"
    touch "$SPARK_HOME"
  fi
  export SPARK_HOME
fi
exec 9>&- # the job itself runs beside others
[[ -x $SPARK_HOME/bin/spark-submit ]] || die "SPARK_HOME: there is no $SPARK_HOME/bin/spark-submit"
core=$(echo "$SPARK_HOME"/jars/spark-core_*.jar)
[[ -z $libraries || $core == *'*'* || $core == */spark-core_"$scala"-* ]] ||
  die "SPARK_HOME has ${core##*/}, the build is for Scala $scala; GRFT_SPARK=4 is for Spark 4.1, GRFT_SPARK=3 for 3.5"

case $master in
  local | 'local['*)
    # Spark would pick the machine's network address.
    export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
    [[ -n $driver_memory || -n $(given spark.driver.memory) ]] || driver_memory=3g
    # One JVM: read where they lie, not copied as with --jars.
    if [[ -n $libraries ]]; then
      more=$(given spark.driver.extraClassPath)
      confs+=("spark.driver.extraClassPath=$jar:$libraries${more:+:$more}")
    fi
    ;;
  *)
    if [[ -n $libraries && -n ${GRFT_SHARED_DISK:-} ]]; then
      spark+=(--jars "local:${libraries//:/,local:}")
      jar=local:$jar
    elif [[ -n $libraries ]]; then
      spark+=(--jars "${libraries//:/,}")
    fi
    ;;
esac

# Spark writes its events into a folder that is there.
events=$(given spark.eventLog.dir)
[[ -z $events || $events == *:* ]] || mkdir -p "$events"

# A task computes with one thread, and threads that wait do not spin: both are much faster where tasks share cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
places=(spark.executorEnv)
[[ $deploy_mode != cluster ]] || places+=(spark.yarn.appMasterEnv spark.kubernetes.driverEnv)
for place in "${places[@]}"; do
  default "$place.OMP_NUM_THREADS" "$OMP_NUM_THREADS"
  default "$place.OMP_WAIT_POLICY" "$OMP_WAIT_POLICY"
done

[[ -z $deploy_mode ]] || spark+=(--deploy-mode "$deploy_mode")
[[ -z $properties ]] || spark+=(--properties-file "$properties")
[[ -z $driver_memory ]] || spark+=(--driver-memory "$driver_memory")
for conf in ${confs[@]+"${confs[@]}"}; do
  spark+=(--conf "$conf")
done
exec "$SPARK_HOME/bin/spark-submit" --master "$master" --class dev.grft.cli.Main "${spark[@]}" "$jar" ${program[@]+"${program[@]}"}
