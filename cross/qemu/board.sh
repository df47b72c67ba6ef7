#!/usr/bin/env bash
# Runs the program on emulated boards: a Raspberry Pi 3 whose pins it drives, and a board with a camera and a
# video output, whose power is cut in the middle of a model's update. docs/boards.md says what that shows.
#
#   board.sh VLUNET [PART...]
#
# VLUNET is the program for aarch64-unknown-linux-gnu (cross/build.sh makes it). Ends with 0 where everything
# passed or the tools can't be had (it says which), else with 1. What was fetched is kept in
# ${VLUNET_QEMU_ARM64:-~/.cache/vlunet-qemu-arm64}.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${VLUNET_QEMU_ARM64:-$HOME/.cache/vlunet-qemu-arm64}
[ $# -ge 1 ] && [ -f "$1" ] || { echo "usage: board.sh VLUNET [PART...]" >&2; exit 1; }
program=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$here/fetch-arm64.sh" "$cache" || { [ $? = 3 ] && exit 0; exit 1; }
libraries=/usr/aarch64-linux-gnu/lib
# The tools that are missing.
missing=$(for tool in aarch64-linux-gnu-strip qemu-aarch64-static mke2fs python3; do
  command -v $tool >/dev/null || echo $tool
done)
[ -e $libraries/libc.so.6 ] || missing+=" $libraries"
[ -z "$missing" ] || {
  echo "skipped: needs" $missing "(packages libc6-dev-arm64-cross, binutils-aarch64-linux-gnu, qemu-user-static," \
    "e2fsprogs, python3)"
  exit 0
}

root=$work/root
mkdir -p "$root"/{bin,lib,etc}
cp "$(find "$cache/busybox" -path '*/bin/busybox')" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$here/init-board" "$root/init"
cp "$here/pi.toml" "$root/etc/pi.toml"
aarch64-linux-gnu-strip -o "$root/bin/vlunet" "$program"
chmod +x "$root/init" "$root/bin/vlunet"
cp -L $libraries/ld-linux-aarch64.so.1 "$root/lib/"
aarch64-linux-gnu-objdump -p "$program" | awk '/NEEDED/{print $2}' | while read -r library; do
  cp -L "$libraries/$library" "$root/lib/"
done

# Two versions of the embedded model, signed, and a disk that they are installed on.
emulated() { qemu-aarch64-static -L /usr/aarch64-linux-gnu "$program" "$@"; }
mkdir -p "$work"/disk "$root"/etc/vlunet/keys
emulated bundle keygen "$work/fleet" --no-password >/dev/null
cp "$work/fleet.pub" "$root/etc/vlunet/keys/"
emulated bundle pack --output "$work/nano.vlu"
mkdir "$work/nano"
tar -xf "$work/nano.vlu" -C "$work/nano"
for release in old:1.0.0 new:2.0.0; do
  sed -i "s/^version = .*/version = \"${release#*:}\"/" "$work/nano/manifest.toml"
  emulated bundle sign --key "$work/fleet.key" "$work/nano" >/dev/null
  emulated bundle pack --model "$work/nano" --output "$work/disk/${release%:*}.vlu"
done >/dev/null
mke2fs -q -t ext4 -d "$work/disk" "$work/disk.img" 192M

modules=$(find "$cache/kernel" -type d -path '*/lib/modules/*' -prune | head -n 1)
python3 "$here/initramfs.py" "$root" --modules "$modules" --load vivid,bcm2835_wdt,virtio_mmio,virtio_blk,crc32c_generic,ext4 \
  -o "$work/initramfs"
cp "$cache"/kernel/boot/vmlinuz-* "$work/kernel"
cp "$(find "$cache/kernel" -name bcm2837-rpi-3-b.dtb)" "$work/pi.dtb"
if [ -d "$cache/qemu/usr" ]; then
  paths=$(find "$cache/qemu" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
  echo "env LD_LIBRARY_PATH=$paths $cache/qemu/usr/bin/qemu-system-aarch64 -L $cache/qemu/usr/share/qemu" >"$work/qemu"
else
  type -P qemu-system-aarch64 >"$work/qemu"
fi
python3 "$here/board.py" "$work" "$@"
