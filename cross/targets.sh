# What the scripts of this folder know of the targets; sourced, in the repository's root.

# Sets for a target: what processor it is, Debian's name and compilers, and cargo's and cc's variables.
use_target() {
  target=$1
  case $target in
    aarch64-unknown-linux-gnu) machine=aarch64 debian=arm64 triplet=aarch64-linux-gnu ;;
    armv7-unknown-linux-gnueabihf) machine=arm debian=armhf triplet=arm-linux-gnueabihf ;;
    x86_64-unknown-linux-gnu) machine=x86_64 debian=amd64 triplet=x86_64-linux-gnu ;;
    *)
      echo "$target is not known: aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf, x86_64-unknown-linux-gnu" >&2
      exit 2
      ;;
  esac
  local variable=${target//-/_}
  export "CARGO_TARGET_${variable^^}_LINKER=$triplet-gcc"
  export "CC_$variable=$triplet-gcc" "CXX_$variable=$triplet-g++" "AR_$variable=$triplet-ar"
  # Another processor's programs run by QEMU, on Debian's cross libraries.
  if [ "$machine" != "$(uname -m)" ]; then
    export "CARGO_TARGET_${variable^^}_RUNNER=qemu-$machine-static" QEMU_LD_PREFIX=/usr/$triplet
  fi
}

# Whether what compiles (or runs, or compiles C++) for the target is here; as root, installs it first.
have_tools() {
  local commands packages=("gcc-${triplet/x86_64/x86-64}" "libc6-dev-$debian-cross")
  [ "$debian" != amd64 ] || packages=(gcc libc6-dev)
  case $1 in
    compile) commands=("$triplet-gcc") ;;
    c++) commands=("$triplet-g++") packages+=("g++-${triplet/x86_64/x86-64}") ;;
    run) commands=("qemu-$machine-static") packages=(qemu-user-static) ;;
  esac
  [ "$1" != run ] || [ "$machine" != "$(uname -m)" ] || return 0
  # (`type -P` finds all of them or fails; `command -v` is content with one.)
  if ! type -P "${commands[@]}" >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update && apt-get install -y --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 || true
  fi
  if ! rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    rustup target add "$target" >/dev/null 2>&1 || true
  fi
  if ! type -P "${commands[@]}" >/dev/null; then
    missing="${commands[*]} (apt-get install ${packages[*]})"
  elif ! rustc --print target-libdir --target "$target" 2>/dev/null | xargs -r test -d; then
    missing="Rust's standard library for $target (rustup target add $target)"
  else
    return 0
  fi
  return 1
}

# The same, ending the script where it isn't.
need_tools() { have_tools "$1" || lacking; }
need_cargo_deb() { have_cargo_deb || lacking; }
lacking() { echo "error: $missing isn't here" >&2; exit 1; }

# The same bytes from any folder: no path of this machine is left in the program.
same_bytes_anywhere() {
  local cargo_home=${CARGO_HOME:-$HOME/.cargo}
  export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }--remap-path-prefix=$cargo_home=/cargo \
--remap-path-prefix=$PWD=/vlunet --remap-path-prefix=${CARGO_TARGET_DIR:-$PWD/target}=/target"
  export CARGO_INCREMENTAL=0
}

# Functions of the same code are kept once (a twentieth of the program), by the linker that Rust brings.
fold_same_functions() {
  local linker
  linker=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/gcc-ld
  [ ! -x "$linker/ld.lld" ] ||
    export RUSTFLAGS="$RUSTFLAGS -Clink-arg=-fuse-ld=lld -Clink-arg=-B$linker -Clink-arg=-Wl,--icf=all"
}

# Where cargo leaves the program.
program_of() {
  local folder=$1
  [ "$folder" != dev ] || folder=debug
  echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/$folder/vlunet"
}

# cargo-deb, of one version, kept in a cache of its own.
have_cargo_deb() {
  local tools=$HOME/.cache/vlunet-tools wanted=3.8.0
  export PATH=$tools/bin:$PATH
  [ "$(cargo deb --version 2>/dev/null)" = "$wanted" ] ||
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" "cargo-deb@$wanted" ||
    { missing="cargo-deb $wanted (cargo install cargo-deb)"; return 1; }
  rm -rf "$tools/build"
}

# Has the kernel run the target's programs by QEMU, also those that a program starts: what Debian's
# package does where systemd or binfmt-support runs.
emulate_programs() {
  local at=/proc/sys/fs/binfmt_misc
  [ "$machine" != "$(uname -m)" ] || return 0
  [ -e "$at/register" ] || mount -t binfmt_misc binfmt_misc "$at" 2>/dev/null || return 1
  [ ! -e "$at/qemu-$machine" ] || return 0
  # The first twenty bytes of an ELF file: its class (32 or 64 bits), any system's, a program or a
  # shared object, its machine's number.
  local class number
  case $machine in aarch64) class='\x02' number='\xb7' ;; arm) class='\x01' number='\x28' ;; *) return 1 ;; esac
  local magic="\\x7fELF$class\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00$number\\x00"
  local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":qemu-$machine:M::$magic:$mask:$(command -v "qemu-$machine-static"):F" >"$at/register"
}
