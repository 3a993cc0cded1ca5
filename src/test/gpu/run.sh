#!/usr/bin/env bash
# On a machine with an NVIDIA GPU, in the folder that pack.sh has made: runs the tests of the kernels on the GPU, trains in fp32, TF32 and bf16
# twice and compares the bits, and measures steps beside PyTorch. Ends with 1 if a test fails or bits differ.
#
#   ./run.sh [--cpu] [--torch FOLDER] [--python PYTHON] [--model NAME] [--batches 64,256] [--repetitions 10]
#
# --torch: where PyTorch for Python has LibTorch, such as .../site-packages/torch/lib, if the folder was packed with --small.
# --cpu: a rehearsal without a GPU, in the way of one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

options=() java=(-Xmx${GRFT_GPU_MEMORY:-8g} -Dgrft.torch=true -Djava.awt.headless=true "-Dorg.bytedeco.javacpp.cachedir=$PWD/cache") gpu=true
while (($#)); do
  case $1 in
    --cpu) gpu=false options+=(--cpu) && shift ;;
    --torch)
      # CUDA's libraries lie in packages of their own beside it.
      packages=$(dirname "$(dirname "$2")")
      libraries=$2$(find "$packages/nvidia" -name lib -type d -printf ':%p' 2>/dev/null || true)
      export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
      java+=(-Dorg.bytedeco.javacpp.pathsFirst=true "-Djava.library.path=$2")
      shift 2
      ;;
    *) options+=("$1") && shift ;;
  esac
done
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=PASSIVE
java+=("-Dgrft.torch.gpu=$gpu")
libs=$(printf '%s:' lib/*.jar)

echo '== the tests of the kernels'
tests=()
for test in Array AttentionKernels GatherKernels GeluKernels LayerNormKernels LossKernels RowKernels SquareKernels TokenKernels; do
  tests+=(--select-class "dev.grft.vit.kernels.${test}Test")
done
[[ $gpu == false ]] || tests+=(--select-class dev.grft.vit.kernels.NarrowKernelsTest) # on a CPU it needs oneDNN
failed=0
jre/bin/java "${java[@]}" -cp "junit-platform-console-standalone-1.14.4.jar:$libs" org.junit.platform.console.ConsoleLauncher execute \
  --disable-banner --disable-ansi-colors --details=summary "${tests[@]}" || failed=1
echo '== trainings, twice, and steps'
jre/bin/java "${java[@]}" -cp "$libs" dev.grft.bench.GpuRun ${options[@]+"${options[@]}"} || failed=1
exit $failed
