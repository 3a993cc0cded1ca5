# shellcheck shell=bash
# Sourced by submit.sh. Java and Hadoop need a name for this process's user id. An image that runs under any id (OpenShift,
# docker run -u) has none in /etc/passwd; as in Spark's own entrypoint, libnss_wrapper gives it one.
if [[ -n $(command -v getent) ]] && ! getent passwd "$(id -u)" >/dev/null; then
  wrapper=''
  for found in /usr/lib/libnss_wrapper.so /usr/lib*/libnss_wrapper.so /usr/lib/*/libnss_wrapper.so; do
    [[ ! -s $found ]] || wrapper=$found
  done
  [[ -n $wrapper ]] ||
    die "the user id $(id -u) has no name in /etc/passwd, which Hadoop needs; add it there, install libnss-wrapper, or run as a user that has one"
  names=$(mktemp -d)
  printf 'spark:x:%s:%s:anonymous uid:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$SPARK_HOME" >"$names/passwd"
  printf 'spark:x:%s:\n' "$(id -g)" >"$names/group"
  export LD_PRELOAD=$wrapper${LD_PRELOAD:+:$LD_PRELOAD} NSS_WRAPPER_PASSWD=$names/passwd NSS_WRAPPER_GROUP=$names/group
fi
