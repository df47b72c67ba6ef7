#!/usr/bin/env bash
# Makes a minimal Debian of another processor by debootstrap, whose second half runs under QEMU:
#   cross/foreign-root.sh ARCHITECTURE [SUITE PACKAGES FOLDER]    (by cross/package-test.sh, as root)
# With the architecture alone the kernel is told of QEMU, and no more.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/targets.sh"
case $1 in
  arm64) use_target aarch64-unknown-linux-gnu ;;
  armhf) use_target armv7-unknown-linux-gnueabihf ;;
esac
unset QEMU_LD_PREFIX
emulate_programs
[ $# -gt 1 ] || exit 0
debootstrap --arch="$1" --foreign --variant=minbase --include="$3" "$2" "$4"
chroot "$4" /debootstrap/debootstrap --second-stage
