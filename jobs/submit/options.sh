# shellcheck shell=bash disable=SC2034 # jobs/submit.sh sources this file and reads the variables
# The command line of jobs/submit.sh: separates the options for Spark from those for the program.

usage() {
  cat <<'TEXT'
usage: jobs/submit.sh VERB [options]

Options for Spark, anywhere on the line; everything else goes to the program ("jobs/submit.sh --help" prints its help):
  --master URL            where to run; local[*] unless a conf file or --conf names another
  --deploy-mode MODE      client or cluster
  --spark-conf FILE       a properties file of Spark, in place of its spark-defaults.conf, such as conf/spark/yarn.conf;
                          --properties-file, too
  --conf KEY=VALUE        one property of Spark; may be repeated; -c, too
  --driver-memory SIZE    heap of the driver; on this machine 3g, or GRFT_DRIVER_MEMORY
  --jars FILE,FILE        jars of your own, such as one with a score, for the driver and the executors; beside those of
                          spark.jars and of this program
  --packages, --files, --archives, --queue, --name, --principal, --keytab, --executor-memory and every other option that
  "spark-submit --help" lists, except --class and --remote
  --spark-help            print this

Environment:
  SPARK_HOME       a distribution of Spark 3.5 with Scala 2.12, or of Spark 4.1 with GRFT_SPARK=4; without it, the jars of
                   the build serve (for YARN and Kubernetes after "mvn -Pclusters package", which adds their clients)
  GRFT_SPARK       4: the build for Spark 4.1 and Scala 2.13, "mvn -Pspark4 package", which is made where it is missing
  GRFT_JOB_JAR     a job jar made by "mvn -Pjob-jar -DskipTests package", a path or URL such as local:///opt/grft/job.jar; nothing
                   is built then
  GRFT_SHARED_DISK not empty: all machines see this folder and Maven's at the same paths; no libraries (some 180 MB) are copied
  GRFT_BUILD_SECONDS how long to wait for another jobs/submit.sh that builds; 1800
  GRFT_DRIVER_MEMORY, SPARK_LOCAL_IP, OMP_NUM_THREADS, OMP_WAIT_POLICY: override the defaults set here

The exit code is the program's, but on YARN in cluster mode, which tells success or failure only: 0 done, 2 the input must be corrected, 3 a failure, 4 the cluster was lost or
another driver is at work in the run directory, 5 stopped by --max-time, 143 by SIGTERM. After 4, 5 and 143 the same
command resumes.
TEXT
}

# The options of spark-submit that have a value. Those of Spark 3.5 and 4.1; SubmitOptionsTest compares them with Spark's.
with_value=' --archives --class --conf --deploy-mode --driver-class-path --driver-cores --driver-java-options --driver-library-path
 --driver-memory --exclude-packages --executor-cores --executor-memory --files --jars --keytab --kill --master --name --num-executors
 --packages --principal --properties-file --proxy-user --py-files --queue --remote --repositories --spark-conf --status
 --total-executor-cores '
with_value=${with_value//$'\n'/}

master='' deploy_mode='' properties='' load_defaults='' jars='' driver_memory=${GRFT_DRIVER_MEMORY:-}
spark=() confs=() program=()
while (($#)); do
  option=$1 && shift
  [[ $option != -c ]] || option=--conf
  name=${option%%=*}
  case $option in
    --spark-help)
      usage
      exit 0
      ;;
    --supervise | --verbose | --load-spark-defaults)
      [[ $option != --load-spark-defaults ]] || load_defaults=1
      spark+=("$option")
      continue
      ;;
  esac
  if [[ $name != --* || $with_value != *" $name "* ]]; then
    program+=("$option")
    continue
  elif [[ $option == *=* ]]; then
    value=${option#*=}
  else
    (($#)) || die "$option needs a value"
    value=$1 && shift
  fi
  case $name in
    --master) master=$value ;;
    --deploy-mode) deploy_mode=$value ;;
    --spark-conf | --properties-file) properties=$value ;;
    --driver-memory) driver_memory=$value ;;
    --driver-class-path) confs+=("spark.driver.extraClassPath=$value") ;; # which submit.sh adds to
    --jars) jars=$value ;;
    --conf)
      [[ $value == *=* ]] || die "--conf needs KEY=VALUE, got $value"
      confs+=("$value")
      ;;
    --class) die "--class: this script always runs dev.grft.cli.Main; call spark-submit for another class" ;;
    --remote) die "--remote: a verb is the driver of its own application, which Spark Connect does not allow; use --master" ;;
    *) spark+=("$name" "$value") ;;
  esac
done
[[ -z $properties || -r $properties ]] || die "--spark-conf: cannot read $properties"

# What spark-submit reads where no properties file is given.
defaults=${SPARK_CONF_DIR:-${SPARK_HOME:-}/conf}/spark-defaults.conf
[[ -n ${SPARK_CONF_DIR:-${SPARK_HOME:-}} && -r $defaults ]] || defaults=''

# Prints the value that --conf, the properties file or the defaults give to a key of Spark, or nothing.
given() {
  local conf found='' files=()
  [[ -z $defaults || (-n $properties && -z $load_defaults) ]] || files=("$defaults")
  [[ -z $properties ]] || files+=("$properties") # over the defaults
  if ((${#files[@]})); then
    found=$(awk -v key="$1" '{
      sub(/^[ \t]+/, "")
      at = match($0, /[ \t=:]/)
      if (at > 1 && substr($0, 1, at - 1) == key) {
        value = substr($0, at)
        sub(/^[ \t]*[=:]?[ \t]*/, "", value)
        sub(/[ \t\r]+$/, "", value)
      }
    } END { print value }' "${files[@]}")
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

more=$(given spark.jars) # --jars would hide it
jars=$jars${jars:+${more:+,}}$more
[[ -n $master ]] || master=$(given spark.master)
[[ -n $master ]] || master='local[*]'
[[ -n $deploy_mode ]] || deploy_mode=$(given spark.submit.deployMode)
