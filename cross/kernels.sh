#!/usr/bin/env bash
# Tests the kernels as code of another processor, under QEMU's user mode:
#   cross/kernels.sh [TARGET]     (aarch64-unknown-linux-gnu)
# Says that it is skipped where the tools can't be had.
set -euo pipefail
cd "$(dirname "$0")/kernels"
target=${1:-aarch64-unknown-linux-gnu}
case $target in
  aarch64-unknown-linux-gnu) machine=aarch64 gcc=aarch64-linux-gnu packages="libc6-dev-arm64-cross" ;;
  armv7-unknown-linux-gnueabihf) machine=arm gcc=arm-linux-gnueabihf packages="libc6-dev-armhf-cross" ;;
  *) echo "$target is not known here" >&2; exit 2 ;;
esac
# (`type -P` finds all of them or fails; `command -v` is content with one.)
if ! type -P "$gcc-gcc" "qemu-$machine-static" >/dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update && apt-get install -y --no-install-recommends "gcc-$gcc" $packages qemu-user-static; } \
    >/dev/null 2>&1 || true
fi
rustup target list --installed 2>/dev/null | grep -qx "$target" || rustup target add "$target" >/dev/null 2>&1 || true
if ! type -P "$gcc-gcc" "qemu-$machine-static" >/dev/null ||
  ! rustup target list --installed 2>/dev/null | grep -x "$target" >/dev/null; then
  echo "skipped: the kernels as code of $target, whose compiler, QEMU or standard library isn't here"
  exit 0
fi
name=$(tr a-z- A-Z_ <<<"$target")
export "CARGO_TARGET_${name}_LINKER=$gcc-gcc" "CARGO_TARGET_${name}_RUNNER=qemu-$machine-static"
export QEMU_LD_PREFIX="/usr/$gcc"
exec cargo test --target "$target" --target-dir "${CARGO_TARGET_DIR:-target}/kernels" --quiet
