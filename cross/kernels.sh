#!/usr/bin/env bash
# Tests the kernels as code of another processor, under QEMU's user mode:
#   cross/kernels.sh [TARGET]     (aarch64-unknown-linux-gnu)
# Says that it is skipped where the tools can't be had.
set -euo pipefail
cd "$(dirname "$0")/kernels"
. ../targets.sh
use_target "${1:-aarch64-unknown-linux-gnu}"
if ! have_tools compile || ! have_tools run; then
  echo "skipped: the kernels as code of $target, as $missing isn't here"
  exit 0
fi
exec cargo test --target "$target" --target-dir "${CARGO_TARGET_DIR:-target}/kernels" --quiet
