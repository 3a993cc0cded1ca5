#!/usr/bin/env bash
# Makes target/gpu.tar.xz: all that run.sh needs on a machine with a GPU. LibTorch's libraries are in it, or with --small only what calls
# them, for a machine that has PyTorch for Python. "src/test/gpu/README.md" says which.
#
#   src/test/gpu/pack.sh [--small | --cpu]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

natives=gpu
case ${1:-} in
  '') ;;
  --small | --cpu) natives=${1#--} ;;
  *)
    echo "pack.sh: unknown option $1" >&2
    exit 2
    ;;
esac
version=2.10.0-1.5.13 classifier=linux-x86_64-gpu
[[ $natives != cpu ]] || classifier=linux-x86_64
repository=${MAVEN_REPOSITORY:-$HOME/.m2/repository}
jar=$repository/org/bytedeco/pytorch/$version/pytorch-$version-$classifier.jar
[[ -f $jar ]] || mvn -q -B -ntp dependency:get -Dtransitive=false "-Dartifact=org.bytedeco:pytorch:$version:jar:$classifier"
[[ -f target/bench.classpath ]] || mvn -q -B -ntp -DskipTests package

out=target/gpu
rm -rf "$out" && mkdir -p "$out/lib"
# Without Spark, ND4J's native libraries and oneDNN's: run.sh computes with LibTorch alone.
tr ':' '\n' <target/bench.classpath | grep -E '/(javacpp|openblas|pytorch|dnnl|nd4j-api|nd4j-common|jna|jspecify|picocli|jackson-(core|databind|annotations)|slf4j-api|junit|apiguardian|opentest4j|assertj)[^/]*\.jar$' \
  | grep -v -E 'arm64|dnnl-.*x86_64|/openblas-.*x86_64|/pytorch-.*x86_64|jna-platform|junit-platform-console' | xargs -I{} cp {} "$out/lib"
blas=$(tr ':' '\n' <target/bench.classpath | grep '/openblas-.*linux-x86_64.jar$')
wanted='*.so*'
[[ $natives != small ]] || wanted='*/libjnitorch.so' # JavaCPP finds the other libraries on the machine
(cd "$out" && unzip -q "$jar" "$wanted" && unzip -q "$blas" '*/libjniopenblas*.so' '*.so.*' -x '*_full.so' && zip -q -0 -r lib/natives.jar org && rm -r org)
console=$repository/org/junit/platform/junit-platform-console-standalone/1.14.4/junit-platform-console-standalone-1.14.4.jar
[[ -f $console ]] || mvn -q -B -ntp dependency:get -Dtransitive=false -Dartifact=org.junit.platform:junit-platform-console-standalone:1.14.4
cp "$console" "$out"
(cd target/classes && zip -q -r ../gpu/lib/grft.jar dev conf)
(cd target/test-classes && zip -q -r ../gpu/lib/grft-tests.jar dev)
jlink --add-modules java.base,java.compiler,java.logging,java.management,java.naming,java.sql,java.xml,jdk.unsupported,jdk.zipfs \
  --strip-debug --no-header-files --no-man-pages --compress=0 --output "$out/jre"
cp src/test/gpu/run.sh "$out"
mkdir -p "$out/src/test/python" && cp src/test/python/peer.py "$out/src/test/python" # where it is here
tar -C target -cJf target/gpu.tar.xz gpu
du -h --apparent-size target/gpu.tar.xz
