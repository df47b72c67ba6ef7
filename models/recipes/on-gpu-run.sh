#!/usr/bin/env bash
# Trains for some minutes with what `on-gpu.sh pack` put beside this script. Needs an NVIDIA
# driver of release 580 or newer, and CUDA's run-time compiler with its headers, as the CUDA
# toolkit or Python's packages (PyTorch brings them) have them.
#
#   run.sh [--minutes 8] [--device cuda] [--out DIR] [--check yes]
#
# With --check it compares the GPUs with the CPU first, and times a step (`devices --check`).
#
# Leaves in DIR ($OUT, or `out` here): the checkpoint in parts of 15 MB, journal, recipe, log.
set -euo pipefail
started=$SECONDS
here=$(cd "$(dirname "$0")" && pwd)
minutes=8 device=cuda check='' out=${OUT:-$here/out}
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:?} ;; --device) device=${2:?} ;; --out) out=${2:?} ;;
    --check) check=--check ;;
    *) sed -n '2,/^set/{/^#/{s/^# \{0,1\}//;p}}' "$0" >&2; exit 2 ;;
  esac
  shift 2
done
case $minutes in '' | *[!0-9]*) echo "run.sh: --minutes takes a whole number" >&2; exit 2 ;; esac

# The first of some paths that is there.
first() {
  local path
  for path in "$@"; do [ ! -e "$path" ] || { printf '%s\n' "$path"; return 0; }; done
  return 1
}

# Sets LD_LIBRARY_PATH and CUDA_PATH, from a toolkit or from Python's packages.
find_cuda() {
  local packages library headers folder
  packages=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || echo /nowhere)
  shopt -s nullglob
  if ! ldconfig -p 2>/dev/null | grep -q 'libnvrtc\.so'; then
    # shellcheck disable=SC2046,SC2086
    library=$(IFS=:; first $(for folder in ${LD_LIBRARY_PATH:-}; do echo "$folder"/libnvrtc.so*; done) \
      ${CUDA_PATH:+"$CUDA_PATH"/lib64/libnvrtc.so*} \
      /usr/local/cuda/lib64/libnvrtc.so* /usr/local/cuda*/lib64/libnvrtc.so* /opt/cuda/lib64/libnvrtc.so* \
      "$packages"/cu13/lib/libnvrtc.so* "$packages"/cuda_nvrtc/lib/libnvrtc.so*) || {
      echo "run.sh: no libnvrtc here: install the CUDA toolkit, or pip install nvidia-cuda-nvrtc" >&2
      exit 1
    }
    LD_LIBRARY_PATH=$(dirname "$library")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  fi
  headers=$(first ${CUDA_PATH:+"$CUDA_PATH/include/cuda_fp16.h"} /usr/local/cuda/include/cuda_fp16.h \
    /usr/local/cuda*/include/cuda_fp16.h /opt/cuda/include/cuda_fp16.h \
    "$packages"/cu13/include/cuda_fp16.h "$packages"/cuda_runtime/include/cuda_fp16.h \
    /usr/include/cuda_fp16.h) || {
    echo "run.sh: no CUDA headers here: install the CUDA toolkit, or pip install nvidia-cuda-runtime nvidia-cuda-crt" >&2
    exit 1
  }
  CUDA_PATH=$(dirname "$(dirname "$headers")")
  # The driver's own folder on some hosts; NCCL for several GPUs.
  for folder in /usr/local/nvidia/lib64 "$packages"/nccl/lib; do
    [ ! -d "$folder" ] || LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
  done
  shopt -u nullglob
  export LD_LIBRARY_PATH CUDA_PATH
  echo "run.sh: CUDA_PATH=$CUDA_PATH LD_LIBRARY_PATH=$LD_LIBRARY_PATH"
}

# Leaves the newest state in the output folder, also after a failure.
bring() {
  cp "$work/log" "$out/log" 2>/dev/null || true
  [ -f "$work/run/checkpoint.safetensors" ] || return 0
  rm -f "$out"/checkpoint.part.*
  split -b 15000000 -d "$work/run/checkpoint.safetensors" "$out/checkpoint.part."
  sha256sum <"$work/run/checkpoint.safetensors" | sed 's/-$/.checkpoint.fetched/' >"$out/checkpoint.sha256"
  cp "$work/run/recipe.toml" "$out/"
  cp "$work/run/journal.jsonl" "$out/" 2>/dev/null || true
}

# Relative to where it was called, not to this script.
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'bring; rm -rf "$work"' EXIT
case $device in cuda*) find_cuda ;; esac
if command -v xz >/dev/null; then
  xz -dc "$here/vlunet-train.xz" >"$work/vlunet-train"
else
  python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' \
    "$here/vlunet-train.xz" >"$work/vlunet-train"
fi
chmod +x "$work/vlunet-train"
arguments=("$here/recipe.toml")
if [ -d "$here/run" ]; then
  cp -r "$here/run" "$work/run"
  arguments=(--resume)
fi
[ ! -f "$here/teacher" ] || arguments+=(--teacher "$(cat "$here/teacher")")
# A call is too short to try every variant of each kernel.
export CUBECL_AUTOTUNE_LEVEL=${CUBECL_AUTOTUNE_LEVEL:-minimal}
cd "$here"
"$work/vlunet-train" devices $check
left=$((minutes * 60 - (SECONDS - started)))
code=0
# An interrupted run saves its state, so the time is kept whatever it was spent on.
timeout --signal=INT --kill-after=90 "$left" "$work/vlunet-train" fit "${arguments[@]}" --run "$work/run" \
  --data train.tar --head "$(cat head)" --device "$device" --minutes "$minutes" --checkpoint-every 2 \
  2>&1 | tee "$work/log" || code=$?
[ "$code" = 124 ] || exit "$code"
