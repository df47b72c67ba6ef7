#!/usr/bin/env bash
# Runs the tests as a board's code, under QEMU's user mode:
#   cross/test.sh [TARGET] [--all | cargo test's arguments]     (aarch64-unknown-linux-gnu)
# Without arguments those of the library's engine, kernels, restoring and quantization, but for the
# slowest; with --all the whole suite, which takes hours. (cross/kernels.sh has the kernels alone, in a minute.)
# Says that it is skipped where the tools can't be had.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/targets.sh
case ${1:-} in
  *-*-*) use_target "$1" && shift ;;
  *) use_target aarch64-unknown-linux-gnu ;;
esac
if ! have_tools compile || ! have_tools run; then
  echo "skipped: the tests as code of $target, as $missing isn't here"
  exit 0
fi
case ${1:-} in
  --all)
    # Tests that start the program have the kernel start it.
    emulate_programs || echo "note: the kernel can't be told to run programs of $machine; tests that start the program fail"
    shift
    exec cargo test --target "$target" "$@"
    ;;
  '') ;;
  *) exec cargo test --target "$target" "$@" ;;
esac
# Networks of many shapes in every form take half an hour here; their blocks and kernels don't.
cargo test --target "$target" --lib --test restore --test fused -- backend:: restore:: quantize:: \
  a_picture pictures_that strength the_embedded integers_are \
  --skip any_network --skip all_forms_and_threads --skip a_session_gives_the_same
