#!/usr/bin/env bash
# Trains on another machine with an NVIDIA GPU, a few minutes at a time.
#
#   on-gpu.sh pack  -o FOLDER --data DIR|TAR --head PATH|NAME (--recipe TOML | --run DIR)
#                   [--teacher PATH|NAME] [--bin PATH] [--limit MB]
#   on-gpu.sh fetch FOLDER --run DIR
#
# `pack` puts the program, a recipe or a run to go on with, the head and the pictures into one
# folder of at most 64 MB. There, `FOLDER/run.sh --minutes 8` needs no Rust and no installation.
# `fetch` takes what it left in its output folder over into the run; then `pack --run` goes on.
# docs/gpus.md has an example.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() { printf 'on-gpu.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set/{/^#/{s/^# \{0,1\}//;p}}' "$0"; exit "$1"; }
bytes() { du -sb --apparent-size "$1" | cut -f1; }
megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# The options that both commands take; the first word that is none is the folder.
folder='' data='' head='' teacher='' recipe='' run='' limit=64
program="${CARGO_TARGET_DIR:-target}/release/vlunet-train"
command=${1:-}
case $command in pack | fetch) shift ;; -h | --help) usage 0 ;; *) usage 2 >&2 ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    -o) folder=${2:?} ;; --data) data=${2:?} ;; --head) head=${2:?} ;; --recipe) recipe=${2:?} ;;
    --teacher) teacher=${2:?} ;; --run) run=${2:?} ;; --bin) program=${2:?} ;; --limit) limit=${2:?} ;;
    -*) fail "unknown option $1" ;;
    *) [ -z "$folder" ] || fail "one folder, not also $1"; folder=$1; shift; continue ;;
  esac
  shift 2
done
[ -n "$folder" ] || usage 2 >&2

# Takes a model along, and notes in a file of that name how to call it there.
carry() {
  if [ -e "$2" ]; then
    mkdir "$folder/of-$1"
    cp -r "$2" "$folder/of-$1/"
    printf './of-%s/%s\n' "$1" "$(basename "$2")" >"$folder/$1"
  else
    printf '%s\n' "$2" >"$folder/$1"
  fi
}

pack() {
  local left program_left
  [ -n "$data" ] && [ -n "$head" ] || fail "pack needs --data and --head"
  [ -n "$recipe" ] || recipe=${run:+$run/recipe.toml}
  [ -f "$recipe" ] || fail "pack needs --recipe, or --run with a run that has begun"
  [ -x "$program" ] ||
    fail "no program at $program: cargo build --release --features train-cuda --bin vlunet-train"
  [ ! -e "$folder" ] || [ -f "$folder/run.sh" ] || fail "$folder is there and no package"
  rm -rf "$folder"
  mkdir -p "$folder"

  strip -s -o "$folder/vlunet-train" "$program"
  program_left=$(bytes "$folder/vlunet-train")
  xz -6 --threads=0 "$folder/vlunet-train"
  cp "$here/on-gpu-run.sh" "$folder/run.sh"
  cp "$recipe" "$folder/recipe.toml"
  if [ -n "$run" ] && [ -f "$run/checkpoint.safetensors" ]; then
    mkdir "$folder/run"
    cp "$run/recipe.toml" "$run/checkpoint.safetensors" "$folder/run/"
    [ ! -f "$run/journal.jsonl" ] || cp "$run/journal.jsonl" "$folder/run/"
  fi
  carry head "$head"
  [ -z "$teacher" ] || carry teacher "$teacher"

  # The pictures get what is left.
  left=$((limit * 1000000 - $(bytes "$folder") - 100000))
  [ "$left" -ge 1000000 ] || fail "$(megabytes "$(bytes "$folder")") without pictures: over $limit MB"
  if [ -f "$data" ]; then
    [ "$(bytes "$data")" -le "$left" ] ||
      fail "$data has $(megabytes "$(bytes "$data")"), but $(megabytes "$left") are left; give its folder instead"
    cp "$data" "$folder/train.tar"
  else
    "$program" pack "$data" -o "$folder/train.tar" --max-bytes "$((left < 45000000 ? left : 45000000))B"
  fi
  printf '%s: %s; program %s (%s unpacked), pictures %s%s\n' "$folder" \
    "$(megabytes "$(bytes "$folder")")" "$(megabytes "$(bytes "$folder/vlunet-train.xz")")" \
    "$(megabytes "$program_left")" "$(megabytes "$(bytes "$folder/train.tar")")" \
    "$([ ! -d "$folder/run" ] || printf ', run %s' "$(megabytes "$(bytes "$folder/run")")")"
}

fetch() {
  [ -n "$run" ] || fail "fetch needs --run"
  [ -f "$folder/checkpoint.sha256" ] || fail "$folder has no checkpoint to take over"
  mkdir -p "$run"
  cat "$folder"/checkpoint.part.* >"$run/.checkpoint.fetched"
  if ! (cd "$run" && sha256sum --quiet -c - <"$folder_absolute/checkpoint.sha256" >/dev/null 2>&1); then
    rm -f "$run/.checkpoint.fetched"
    fail "the parts in $folder are not one whole checkpoint; $run is as before"
  fi
  cp "$folder/recipe.toml" "$run/recipe.toml"
  [ ! -f "$folder/journal.jsonl" ] || cp "$folder/journal.jsonl" "$run/journal.jsonl"
  mv "$run/.checkpoint.fetched" "$run/checkpoint.safetensors"
  tail -n 1 "$run/journal.jsonl" 2>/dev/null || true
}

if [ "$command" = fetch ]; then
  folder_absolute=$(cd "$folder" 2>/dev/null && pwd) || fail "there is no folder $folder"
fi
"$command"
