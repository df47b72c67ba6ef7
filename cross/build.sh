#!/usr/bin/env bash
# Builds the program for a board, from Debian's cross compilers and rustup's targets:
#   cross/build.sh TARGET [--profile NAME | --release] [cargo's arguments]
# TARGET: aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf or x86_64-unknown-linux-gnu.
# The profile is `dist` where none is given: smaller than `release`, and slower to build.
# As root it installs what it needs. The last line that it prints is the program's path.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/targets.sh

[ $# -ge 1 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
use_target "$1"
shift
profile=dist arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --release) profile=release ;;
    --profile) profile=${2:?--profile takes a name} && shift ;;
    --profile=*) profile=${1#*=} ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
need_tools compile

# The embedded model is int8 alone: packages have the other formats as files. (`tract-threads` would take
# 5 MB and nothing but a comparison needs it.)
features=embedded-model,fetch,rppal
if [ "$machine" = aarch64 ] && grep -q '^tensorrt *=' Cargo.toml; then
  need_tools c++
  features+=,tensorrt
fi
same_bytes_anywhere
[ "$profile" != dist ] || fold_same_functions
cargo build --locked --target "$target" --profile "$profile" --bin vlunet \
  --no-default-features --features "$features" "${arguments[@]}" >&2

program=$(program_of "$profile")
limits=(--without "$PWD" --without "${CARGO_HOME:-$HOME/.cargo}")
# A PC's has the kernels for three generations of vectors.
largest=25
[ "$machine" != x86_64 ] || largest=30
[ "$profile" != dist ] || limits+=(--size "$largest")
cross/check.py "$program" --machine "$machine" "${limits[@]}" >&2
echo "$program"
