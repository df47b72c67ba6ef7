#!/usr/bin/env bash
# Fetches what the emulated boards consist of into a folder: Debian's arm64 kernel with its modules and
# device trees, a static busybox for it, and a QEMU that has the boards (10, from backports).
# Nothing is installed, and this machine's own package lists stay as they are.
#
#   fetch-arm64.sh FOLDER
#
# Ends with 3 where Debian's packages can't be had.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
unavailable() { echo "skipped: $*"; exit 3; }

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || unavailable "needs apt-get and dpkg-deb"
[ ! -e "$folder/fetched" ] || exit 0
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keys" ] || unavailable "needs Debian's keys ($keys: package debian-archive-keyring)"
# The mirrors that this machine uses, or Debian's own.
mirrors=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
  { grep -oE 'https?://[^ ]*/debian(-security)?/?' || true; } | sed 's,/*$,,' | sort -u)
main=$(grep -E '/debian$' <<<"$mirrors" | head -n 1 || true)
security=$(grep -E '/debian-security$' <<<"$mirrors" | head -n 1 || true)
main=${main:-http://deb.debian.org/debian} security=${security:-http://deb.debian.org/debian-security}

# An apt of its own: apt ARCHITECTURE ARGUMENTS...
private_apt() {
  local state=$folder/apt-$1
  if [ ! -e "$state/apt.conf" ]; then
    mkdir -p "$state"/etc/{apt.conf,preferences,sources.list}.d "$state"/lists/partial "$state"/archives/partial
    touch "$state/status"
    for source in "$main bookworm" "$main bookworm-backports" "$security bookworm-security"; do
      echo "deb [signed-by=$keys] $source main"
    done >"$state/etc/sources.list"
    cat >"$state/apt.conf" <<CONF
APT::Architecture "$1"; APT::Architectures { "$1"; }; APT::Sandbox::User "$(id -un)"; Acquire::Languages "none";
Dir::Etc "$state/etc"; Dir::Etc::sourcelist "$state/etc/sources.list"; Dir::Etc::sourceparts "$state/etc/sources.list.d";
Dir::State "$state"; Dir::State::lists "$state/lists"; Dir::State::status "$state/status"; Dir::Cache "$state";
Dir::Cache::archives "$state/archives"; Debug::NoLocking "1";
CONF
    APT_CONFIG=$state/apt.conf apt-get -qq update || return 1
  fi
  shift
  APT_CONFIG=$state/apt.conf "$@"
}

cd "$folder"
rm -rf packages kernel busybox qemu apt-*
mkdir -p packages kernel busybox qemu
kernel=$(private_apt arm64 apt-cache depends linux-image-arm64 2>/dev/null | awk '/Depends:/{print $2; exit}') || true
[ -n "$kernel" ] || unavailable "Debian's list of arm64 packages can't be had from $main"
(cd packages && APT_CONFIG=$folder/apt-arm64/apt.conf apt-get -qq download "$kernel" busybox-static) ||
  unavailable "$kernel and busybox-static for arm64 can't be had"
dpkg-deb --fsys-tarfile packages/"$kernel"_*.deb | tar -x -C kernel --wildcards './boot/vmlinuz*' \
  '*/modules.builtin*' '*/modules.order' '*/kernel/drivers/media/*' '*/kernel/drivers/video/*' \
  '*/kernel/drivers/watchdog/bcm2835*' '*/kernel/drivers/virtio/*' '*/kernel/drivers/block/virtio_blk*' \
  '*/kernel/drivers/mmc/*' '*/kernel/fs/ext4/*' '*/kernel/fs/jbd2/*' '*/kernel/fs/mbcache*' '*/kernel/lib/*' \
  '*/kernel/crypto/*' '*/broadcom/bcm2*-rpi-*' 2>/dev/null || true
[ -n "$(ls kernel/boot 2>/dev/null)" ] || unavailable "$kernel holds no kernel"
dpkg-deb -x packages/busybox-static_*.deb busybox
rm -f packages/*.deb
# What this machine has installed counts as there, so that only what is missing is fetched.
private_apt "$(dpkg --print-architecture)" apt-get -qq install -y --download-only --no-install-recommends \
  -t bookworm-backports -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache::archives="$folder/packages" \
  qemu-system-arm >/dev/null || unavailable "qemu-system-arm can't be had"
for package in packages/*.deb; do
  [ ! -e "$package" ] || dpkg-deb -x "$package" qemu
done
rm -rf packages apt-*
touch fetched
