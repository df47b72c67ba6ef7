#!/usr/bin/env bash
# The TensorRT backend against NVIDIA's real lean libraries, without a GPU:
#   tests/tensorrt/wheels.sh [TARGET]     (x86_64-unknown-linux-gnu; or aarch64-unknown-linux-gnu, under QEMU)
# Each library is opened, says its version, is served by the shim of its major, and what it makes
# without a GPU is refused in place of being called; once without a driver, and once with Debian's
# libcuda, which has no GPU to drive. The wheels (45 to 67 MB each) come from PyPI and the driver (3 MB)
# from Debian's mirror into a cache outside the clone, under NVIDIA's licences: they are never
# committed. Says that it is skipped where they can't be had.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:-x86_64-unknown-linux-gnu}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/vlunet-tensorrt"
versions="10.16.1.11 11.4.0.106"

skip() { echo "skipped: TensorRT's lean libraries for $target: $1"; exit 0; }

cargo=(cargo)
case $target in
  x86_64-unknown-linux-gnu) platform=manylinux_2_28_x86_64 debian=amd64 ;;
  aarch64-unknown-linux-gnu) platform=manylinux_2_35_aarch64 debian=arm64 ;;
  *) echo "$target is not known here" >&2; exit 2 ;;
esac
if [ "$target" != "$(rustc -vV | sed -n 's/^host: //p')" ]; then
  . ../../cross/targets.sh
  use_target "$target"
  have_tools c++ && have_tools run || skip "$missing isn't here"
  cargo+=(--config "build.target='$target'")
fi

# The backend's own tests, wheels or not.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-../../target}/tensorrt"
"${cargo[@]}" test --quiet --lib

# Debian's libcuda, by an apt that knows nothing but its non-free packages.
driver="$cache/libcuda-$debian"
if [ ! -d "$driver" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
  work=$(mktemp -d)
  mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
  echo "deb http://deb.debian.org/debian bookworm non-free" >"$work/list"
  apt=(apt-get -o "Dir::Etc::sourcelist=$work/list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o "APT::Architecture=$debian" -o "APT::Architectures=$debian")
  if (cd "$work" && "${apt[@]}" update && "${apt[@]}" download libcuda1 && dpkg-deb -x libcuda1_*.deb .) \
    >"$work/log" 2>&1; then
    mkdir -p "$cache"
    cp -a "$work"/usr/lib/*/nvidia/current "$driver"
  fi
  rm -rf "$work"
fi
[ -d "$driver" ] || echo "skipped: the driver without a GPU: Debian's libcuda1 can't be had"

# What the probe says, with the library in $1 and the driver in $2.
probe() {
  said=$(VLUNET_TENSORRT_LIB="$1" LIBRARIES="$2" with_libraries "${cargo[@]}" run --quiet --example tensorrt_probe)
  echo "$said"
  grep -q "^TensorRT ${version%.*} (lean): $1/libnvinfer_lean.so.${version%%.*}\$" <<<"$said"
  # One line why there is no GPU, or the GPU.
  test "$(grep -c '^GPU: ' <<<"$said")" = 1
}

# The loader of the processor that is tested looks there, too: under QEMU, not this machine's.
with_libraries() {
  if [ -n "${QEMU_LD_PREFIX:-}" ]; then
    QEMU_SET_ENV="LD_LIBRARY_PATH=$LIBRARIES" "$@"
  else
    LD_LIBRARY_PATH="$LIBRARIES" "$@"
  fi
}

for version in $versions; do
  folder="$cache/$version-$platform"
  if [ ! -d "$folder" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/.fetch-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform "$platform" \
      --dest "$work" "tensorrt-lean-cu13-libs==$version" >"$work/log" 2>&1 ||
      skip "pip can't fetch version $version ($(tail -n 1 "$work/log"))"
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"
    mv "$work/wheel/tensorrt_lean_libs" "$folder"
    rm -rf "$work"
  fi
  echo "== tensorrt-lean-cu13-libs $version, $platform"
  probe "$folder" ""
  VLUNET_TENSORRT_LIB="$folder" "${cargo[@]}" test --quiet --lib real_library -- --ignored --nocapture
  if [ -d "$driver" ]; then
    echo "-- with libcuda"
    probe "$folder" "$driver"
    # It has all that is called, or another reason would be given.
    grep -q "^GPU: \(the NVIDIA driver finds no GPU\|.*compute capability\)" <<<"$said"
    VLUNET_TENSORRT_LIB="$folder" LIBRARIES="$driver" with_libraries \
      "${cargo[@]}" test --quiet --lib real_library -- --ignored --nocapture
  fi
done
echo "both majors are served"
