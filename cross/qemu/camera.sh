#!/usr/bin/env bash
# Captures from and shows on real V4L2 devices, in an emulated machine: see docs/cameras.md.
#
#   camera.sh [VLUNET CAMERA_LOOP]
#
# The program and the example camera_loop; without them, they are built. Ends with 0 where everything
# passed or QEMU can't be had (it says which), else with 1. What was fetched is kept in
# ${VLUNET_QEMU:-~/.cache/vlunet-qemu}. VLUNET_QEMU_TCG=1 leaves KVM out, VLUNET_QEMU_LOG names a
# file for the machine's console.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${VLUNET_QEMU:-$HOME/.cache/vlunet-qemu}
programs=("$@")
work=$(mktemp -d)
machine=
trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null || true; rm -rf "$work"' EXIT

"$here/fetch.sh" "$cache" || { [ $? = 3 ] && exit 0; exit 1; }
if [ ${#programs[@]} = 0 ]; then
  (cd "$here/../.." && cargo build --quiet --bin vlunet --example camera_loop)
  built=${CARGO_TARGET_DIR:-$here/../../target}/debug
  programs=("$built/vlunet" "$built/examples/camera_loop")
fi
[ ${#programs[@]} = 2 ] || { echo "usage: camera.sh [VLUNET CAMERA_LOOP]" >&2; exit 1; }
busybox=$(find "$cache/busybox" -path "*/bin/busybox" | head -n 1)
modules=$(find "$cache/kernel" -type d -path '*/lib/modules/*' -prune | head -n 1)
version=$(basename "$modules")

# The initial file system: init, busybox, vivid and what it needs, the programs and their libraries.
root=$work/root
mkdir -p "$root"/{bin,lib64}
cp "$busybox" "$root/bin/busybox"
cp "$here/init" "$root/init"
strip -o "$root/bin/vlunet" "${programs[0]}"
strip -o "$root/bin/camera_loop" "${programs[1]}"
chmod +x "$root/init" "$root/bin/vlunet" "$root/bin/camera_loop"
ldd "${programs[@]}" | grep -o '/[^ :]* (' | tr -d ' (' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
"$busybox" depmod -b "${modules%/lib/modules/*}" "$version"
tree=$root/lib/modules/$version
mkdir -p "$tree"
grep '/vivid\.ko[^ ]*:' "$modules/modules.dep" | tr -d : | tr ' ' '\n' | while read -r module; do
  [ -n "$module" ] || continue
  mkdir -p "$tree/$(dirname "$module")"
  cp "$modules/$module" "$tree/$module"
  case $module in *.xz) unxz "$tree/$module" ;; *.zst) unzstd -q --rm "$tree/$module" ;; esac
done
"$busybox" depmod -b "$root" "$version"
(cd "$root" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$work/initramfs"

if qemu=$(type -P qemu-system-x86_64); then
  run=("$qemu")
else
  libraries=$(find "$cache/qemu" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
  run=(env LD_LIBRARY_PATH="$libraries" "$cache/qemu/usr/bin/qemu-system-x86_64"
    -L "$cache/qemu/usr/share/qemu" -L "$cache/qemu/usr/share/seabios")
fi
boot() { # ACCELERATOR
  accelerator=$1
  : >"$work/log"
  timeout "${VLUNET_QEMU_TIMEOUT:-600}" "${run[@]}" -accel "$1" -cpu max,arch-capabilities=off -smp 2 -m 1536 \
    -nodefaults -display none -serial stdio -no-reboot \
    -kernel "$(echo "$cache"/kernel/boot/vmlinuz-*)" -initrd "$work/initramfs" \
    -append "console=ttyS0 loglevel=1 panic=-1 rdinit=/init" </dev/null >"$work/log" 2>&1 &
  machine=$!
}
start=$SECONDS
if [ -w /dev/kvm ] && [ -z "${VLUNET_QEMU_TCG:-}" ]; then
  boot kvm
  # Where this machine is a guest itself, KVM may fall short: wait for the first line.
  for _ in $(seq 40); do
    ! grep -q '^INIT' "$work/log" || break
    sleep 0.25
  done
  grep -q '^INIT' "$work/log" || { kill "$machine" 2>/dev/null || true; wait "$machine" || true; boot tcg; }
else
  boot tcg
fi
wait "$machine" || echo "QEMU ended with $?: $(tail -n 1 "$work/log")"
machine=
echo "Linux $version on $accelerator, $(du -m "$work/initramfs" | cut -f1) MB, $((SECONDS - start)) s"
[ -z "${VLUNET_QEMU_LOG:-}" ] || cp "$work/log" "$VLUNET_QEMU_LOG"
python3 "$here/check.py" "$work/log"
