#!/usr/bin/env bash
# Fetches what the emulated machine consists of into a folder: Debian's kernel with its
# modules, a static busybox, and QEMU where none is installed. Nothing is installed.
#
#   fetch.sh FOLDER
#
# Ends with 3 where Debian's packages can't be had.
set -euo pipefail
folder=$1
mkdir -p "$folder"
cd "$folder"
unavailable() { echo "skipped: $*"; exit 3; }

[ "$(uname -m)" = x86_64 ] || unavailable "the emulated machine is an x86-64 one, this is $(uname -m)"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || unavailable "needs apt-get and dpkg-deb"
apt() { apt-get -qq -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 "$@"; }

if [ ! -e fetched ]; then
  apt-cache show linux-image-amd64 >/dev/null 2>&1 || apt update || true
  kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends:/{print $2; exit}') || true
  [ -n "$kernel" ] || unavailable "apt knows no linux-image-amd64 (try apt-get update)"
  rm -rf packages kernel busybox qemu
  mkdir -p packages/partial
  # Packages lists grow old: a version that is gone calls for an update, once.
  download() {
    # (`set -e` is off in what || follows.)
    (cd packages && apt download "$kernel" busybox-static) || return 1
    [ -n "$(type -P qemu-system-x86_64)" ] ||
      apt install -y --download-only --no-install-recommends -o Dir::Cache::archives="$PWD/packages" \
        qemu-system-x86 seabios >/dev/null
  }
  download || { apt update && download; } || unavailable "apt can't download $kernel, busybox-static, qemu-system-x86"

  mkdir kernel busybox qemu
  dpkg-deb --fsys-tarfile packages/"$kernel"_*.deb |
    tar -x -C kernel --wildcards './boot/vmlinuz*' '*/modules.builtin*' '*/modules.order' '*/kernel/drivers/media/*' \
      '*/kernel/drivers/video/*'
  rm packages/"$kernel"_*.deb
  dpkg-deb -x packages/busybox-static_*.deb busybox
  rm packages/busybox-static_*.deb
  for package in packages/*.deb; do
    [ ! -e "$package" ] || dpkg-deb -x "$package" qemu
  done
  rm -rf packages
  touch fetched
fi
