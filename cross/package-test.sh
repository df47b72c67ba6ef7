#!/usr/bin/env bash
# Tests a Debian package in a clean root: cross/package-test.sh PACKAGE.deb
# It is installed, used, started as a service where systemd-nspawn can boot the root, upgraded,
# removed and purged, after which the root is as it was. For another processor, under QEMU's user
# mode, without the service. Takes root; says that it is skipped where the tools can't be had.
set -euo pipefail
# In a mount namespace of its own: nothing stays mounted.
[ -n "${VLUNET_PRIVATE_MOUNTS:-}" ] || [ "$(id -u)" != 0 ] ||
  VLUNET_PRIVATE_MOUNTS=yes exec unshare --mount --propagation private "$0" "$@"
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
deb=$(realpath "$1")
architecture=$(dpkg-deb -f "$deb" Architecture)
version=$(dpkg-deb -f "$deb" Version)
suite=bookworm
cache=$HOME/.cache/vlunet-debootstrap
skip() { echo "skipped: the package for $architecture, $*"; exit 0; }
fail() { echo "error: $*" >&2; exit 1; }
say() { printf '%5ds  %s\n' "$SECONDS" "$*"; }

[ "$(id -u)" = 0 ] || skip "as only root can make a root for it"
foreign=''
if [ "$architecture" != "$(dpkg --print-architecture)" ]; then
  case $architecture in arm64) foreign=aarch64 ;; armhf) foreign=arm ;; *) skip "which no QEMU is known for" ;; esac
fi
# (`type -P` finds all of them or fails; `command -v` is content with one.)
if ! type -P debootstrap ${foreign:+qemu-$foreign-static} >/dev/null; then
  { apt-get update && apt-get install -y --no-install-recommends debootstrap systemd-container \
    ${foreign:+qemu-user-static}; } >/dev/null 2>&1 || true
  type -P debootstrap ${foreign:+qemu-$foreign-static} >/dev/null ||
    skip "as debootstrap${foreign:+ or qemu-$foreign-static} can't be had"
fi

work=$(mktemp -d)
root=$work/root
# (What fails in a trap ends it, and is the script's exit code.)
trap 'umount -l "$root"/* 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

# A minimal Debian with systemd, from the cache where it is there.
tar=$cache/$suite-$architecture.tar
if [ ! -s "$tar" ]; then
  say "making a root of Debian $suite for $architecture"
  mkdir -p "$cache"
  packages=systemd,systemd-sysv,udev,procps
  if [ -n "$foreign" ]; then
    "$here/foreign-root.sh" "$architecture" "$suite" "$packages" "$root" >"$work/debootstrap.log" 2>&1 ||
      { tail -n5 "$work/debootstrap.log" >&2; skip "as no root could be made for it"; }
  else
    debootstrap --variant=minbase --include="$packages" "$suite" "$root" >"$work/debootstrap.log" 2>&1 ||
      { tail -n5 "$work/debootstrap.log" >&2; skip "as no root could be made for it"; }
  fi
  rm -rf "$root"/var/cache/apt/archives/*.deb
  tar -C "$root" --numeric-owner -cf "$tar.new" . && mv "$tar.new" "$tar"
else
  # The kernel that knows QEMU may be another than the one that the root was made under.
  [ -z "$foreign" ] || "$here/foreign-root.sh" "$architecture" || skip "as the kernel can't be told to run its programs"
  mkdir "$root" && tar -C "$root" --numeric-owner -xpf "$tar"
fi

in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
install_deb() { in_root dpkg --force-confdef --force-confold -i "/$1" >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; fail "dpkg -i $1"; }; }
# All that the root holds, but for what any package leaves: users, and dpkg's and systemd's own notes.
listing() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./run \
    -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/lib/systemd/deb-systemd-helper-masked \
    -o -path ./var/lib/systemd/deb-systemd-helper-enabled \) -prune -o -print) |
    grep -Ev '^\./(etc/(passwd|group|shadow|gshadow)-?|etc/\.pwd\.lock|vlunet-.*\.deb)$' | sort
}

# The next version: another number, and another default configuration.
next_version=$version+next
dpkg-deb -R "$deb" "$work/next"
sed -i "s/^Version: .*/Version: $next_version/" "$work/next/DEBIAN/control"
echo "# The next version's." >>"$work/next/etc/vlunet/vlunet.toml"
(cd "$work/next" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zgzip -z1 -b "$work/next" "$work/next.deb" >/dev/null
cp "$deb" "$root/vlunet-this.deb"
cp "$work/next.deb" "$root/vlunet-next.deb"

mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
listing >"$work/before"

say "installing $version"
install_deb vlunet-this.deb
in_root id -nG vlunet | tr ' ' '\n' | sort | paste -sd' ' | grep -qx 'gpio video vlunet' || fail "the user's groups"
in_root vlunet --version | grep -q '^vlunet ' || fail "the program doesn't start"
for page in vlunet vlunet-restore vlunet-run; do
  in_root zcat "/usr/share/man/man1/$page.1.gz" | grep -q '^\.TH ' || fail "no manual page $page"
done
# (A minimal root has excluded nothing; Debian's container images leave manuals and documents out.)
in_root bash -n /usr/share/bash-completion/completions/vlunet
in_root test -s /usr/share/zsh/vendor-completions/_vlunet -a -s /usr/share/fish/vendor_completions.d/vlunet.fish
in_root bash -c '. /usr/share/bash-completion/completions/vlunet; COMP_WORDS=(vlunet res) COMP_CWORD=1; _vlunet vlunet res vlunet; [ "${COMPREPLY[*]}" = restore ]' ||
  fail "bash completes nothing"
for unit in vlunet.service vlunet-update.service vlunet-update.timer; do
  in_root test -s "/usr/lib/systemd/system/$unit" || fail "no $unit"
  said=$(in_root systemd-analyze verify "/usr/lib/systemd/system/$unit" 2>&1 | grep -i vlunet || true)
  [ -z "$said" ] || fail "the unit: $said"
done
[ -z "$(find "$root/etc/systemd/system" -path '*.wants/vlunet*')" ] || fail "it is enabled by itself"
for format in int8 f16 f32; do
  in_root test -s "/usr/share/vlunet/models/nano/restorer.$format.onnx" || fail "no model in $format"
done
say "using it"
in_root vlunet demo --frames 1 --output /tmp/demo >/dev/null
in_root test -s /tmp/demo/sheet.png || fail "no picture"
in_root vlunet bundle verify --model /usr/share/vlunet/models/nano >/dev/null || fail "the model in the package"
# Without a camera it says so and fails; it finds the package's configuration.
in_root vlunet doctor --json >"$work/doctor.json" 2>"$work/doctor.txt" && code=0 || code=$?
[ "$code" -le 1 ] && grep -q '"checks"' "$work/doctor.json" && grep -q /etc/vlunet/vlunet.toml "$work/doctor.json" ||
  { cat "$work/doctor.txt" >&2; fail "vlunet doctor ended with $code"; }

say "upgrading to $next_version, with a configuration of the owner's own"
echo '# The owner was here.' >>"$root/etc/vlunet/vlunet.toml"
echo 'untrusted comment: a key' >"$root/etc/vlunet/keys/owner.pub"
mkdir -p "$root/var/lib/vlunet/kept"
install_deb vlunet-next.deb
in_root dpkg-query -W -f '${Version}' vlunet | grep -qx "$next_version" || fail "not upgraded"
grep -q 'The owner was here' "$root/etc/vlunet/vlunet.toml" || fail "the owner's configuration is gone"
test -e "$root/etc/vlunet/keys/owner.pub" -a -d "$root/var/lib/vlunet/kept" || fail "keys or state are gone"
in_root vlunet --version >/dev/null

say "removing and purging"
in_root dpkg -r vlunet >/dev/null 2>&1 || fail "dpkg -r"
in_root test ! -e /usr/bin/vlunet -a -e /etc/vlunet/vlunet.toml || fail "removing takes too little, or the configuration"
in_root dpkg -P vlunet >/dev/null 2>&1 || fail "dpkg -P"
listing >"$work/after"
diff "$work/before" "$work/after" >"$work/left" || { cat "$work/left" >&2; fail "purging left that behind"; }

# An unchanged configuration follows the package.
install_deb vlunet-this.deb
install_deb vlunet-next.deb
grep -q "The next version's" "$root/etc/vlunet/vlunet.toml" || fail "the default configuration isn't the new one"
in_root dpkg -P vlunet >/dev/null 2>&1 || fail "dpkg -P"
umount "$root/proc" "$root/dev"

# The service, in the root as a machine that systemd boots. Its camera is the rendered road.
if [ -n "$foreign" ]; then
  say "the service is not started under QEMU's user mode"
elif ! command -v systemd-nspawn >/dev/null; then
  echo "skipped: the service, as systemd-nspawn isn't here (apt-get install systemd-container)"
else
  install_deb vlunet-this.deb
  cp "$here/package-test-boot.sh" "$root/root/test.sh"
  cat >"$root/etc/systemd/system/vlunet-test.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /root/test.sh
[Install]
WantedBy=multi-user.target
UNIT
  in_root systemctl enable vlunet-test 2>/dev/null
  say "booting it"
  timeout -k 5 150 systemd-nspawn --quiet --register=no --keep-unit --directory "$root" --boot \
    --setenv=SYSTEMD_LOG_TARGET=console >"$work/console.log" 2>&1 </dev/null || true
  if [ ! -s "$root/root/result" ]; then
    tail -n5 "$work/console.log"
    echo "skipped: the service, as systemd-nspawn boots nothing on this machine"
  else
    cat "$root/root/result"
    grep -qx passed "$root/root/result" || fail "the service"
  fi
fi
say "the package for $architecture passed"
