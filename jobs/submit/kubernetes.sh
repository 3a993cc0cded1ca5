# shellcheck shell=bash disable=SC2154 # submit.sh sets what is read here
# Sourced by submit.sh if the driver is a pod. Runs spark-submit, then ends with the exit code of the driver's container. Spark's client waits for
# the pod, but ends with 0 whatever the container ended with.
pod=$(given spark.kubernetes.driver.pod.name)
if [[ -z $pod ]]; then
  pod=$(printf 'grft-%x-%x-%04x-driver' "$(date +%s)" $$ $RANDOM)
  spark+=(--conf "spark.kubernetes.driver.pod.name=$pod")
fi
namespace=$(given spark.kubernetes.namespace)
pod=${namespace:-default}:$pod

client= told=
trap 'told=yes; [[ -z $client ]] || kill -TERM "$client" 2>/dev/null || true' TERM HUP INT # all as TERM: background processes are deaf to INT
"${submit[@]}" "${spark[@]}" "${run[@]}" &
client=$!
[[ -z $told ]] || kill -TERM "$client" 2>/dev/null || true # it came before the client was known
code=0
wait "$client" || code=$?
while kill -0 "$client" 2>/dev/null; do # a signal ends the waiting before the process
  code=0
  wait "$client" || code=$?
done
trap - TERM HUP INT
((code == 0)) || exit "$code"

state=$("${submit[@]}" "${spark[@]}" --status "$pod" 2>&1) || true
code=$(awk -v template="$(given spark.kubernetes.driver.podTemplateContainerName)" '
  / container name: / { name = $NF }
  / exit code: / && (code == "" || name == template || name == "driver" || name == "spark-kubernetes-driver") { code = $NF }
  END { print code }' <<<"${state//$'\t'/ }")
if [[ ! $code =~ ^[0-9]+$ ]]; then
  printf '%s\nsubmit.sh: the exit code of the driver is unknown: its pod %s was deleted or evicted, or cannot be read; %s\n' \
    "$state" "$pod" 'run the same command again to resume' >&2
  exit 4
fi
exit "$code"
