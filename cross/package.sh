#!/usr/bin/env bash
# Makes a Debian package:
#   cross/package.sh TARGET [--program PATH] [--version VERSION] [--output FOLDER] [--twice] [--fast]
# of the program that cross/build.sh TARGET builds, or of one that was built elsewhere (by `cross`,
# say). VERSION is Debian's, 0.1.0-1 where not given; FOLDER is `packages`. --twice makes it twice and
# compares the bytes; --fast compresses less. As root it installs what it needs. The last line that
# it prints is the package's path.
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/targets.sh

[ $# -ge 1 ] || { sed -n '2,7s/^# //p' "$0" >&2; exit 2; }
use_target "$1"
shift
program='' version='' output=packages twice='' fast=''
while [ $# -gt 0 ]; do
  case $1 in
    --program) program=${2:?--program takes a path} && shift ;;
    --version) version=${2:?--version takes a version} && shift ;;
    --output) output=${2:?--output takes a folder} && shift ;;
    --twice) twice=yes ;;
    --fast) fast=--fast ;;
    *) echo "$1 is not known here" >&2; exit 2 ;;
  esac
  shift
done
need_tools run
need_cargo_deb
[ -n "$program" ] || program=$(cross/build.sh "$target" | tail -n1)
cross/check.py "$program" --machine "$machine" >&2

# cargo-deb takes files that were built from a target folder: this one has nothing else.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
# Times in the package are the last commit's.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
umask 022

# Lays out what is built in $1 and makes the package $2 of it.
package() {
  local built=$1/$target/dist
  mkdir -p "$built/completions"
  install -m 755 "$program" "$built/vlunet"
  if readelf -SW "$program" | grep ' \.symtab ' >/dev/null; then
    "$triplet-strip" "$built/vlunet"
  fi
  local run=("$built/vlunet")
  [ "$machine" = "$(uname -m)" ] || run=("qemu-$machine-static" "${run[@]}")
  "${run[@]}" man "$built/man"
  gzip -9n "$built/man/"*
  "${run[@]}" completions bash >"$built/completions/vlunet.bash"
  "${run[@]}" completions zsh >"$built/completions/_vlunet"
  "${run[@]}" completions fish >"$built/completions/vlunet.fish"
  CARGO_TARGET_DIR=$1 cargo deb --locked --no-build --no-strip --target "$target" --profile dist \
    $fast ${version:+--deb-version "$version"} --output "$2" >&2
}

mkdir -p "$output"
package "$stage/once" "$stage/once.deb"
if [ -n "$twice" ]; then
  package "$stage/again" "$stage/again.deb"
  cmp "$stage/once.deb" "$stage/again.deb" || { echo "error: two packages of one program differ" >&2; exit 1; }
fi
name="vlunet_$(dpkg-deb -f "$stage/once.deb" Version)_$debian.deb"
install -m 644 "$stage/once.deb" "$output/$name"
realpath "$output/$name"
