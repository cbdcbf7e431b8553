#!/usr/bin/env bash
# proto_check.sh BUF: whether the contract is well written, and takes nothing back that a release gave.
#
# BUF is the program. That the last check can fail is seen on copies of the contract with one thing
# taken back in each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly buf=$1 released=$PWD/proto/released.binpb contract=mediagen/v1/media_generation.proto
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

# breaking FOLDER: whether callers of the last release can go on with the contract in FOLDER.
breaking() {
  (cd "$1" && "$buf" breaking --exclude-imports --against "$released")
}

# must_break NAME SCRIPT WANTED: what sed's SCRIPT makes of the contract is refused, in words with WANTED.
must_break() {
  local copy=$work/$1 told
  mkdir "$copy"
  cp -R buf.yaml proto "$copy"
  sed -i.before "$2" "$copy/proto/$contract"
  if cmp -s "$copy/proto/$contract" "$copy/proto/$contract.before"; then
    echo "buf breaking: nothing to try, sed found no line for: $1"
    return 1
  fi
  "$buf" build "$copy" -o /dev/null
  if told=$(breaking "$copy" 2>&1); then
    echo "buf breaking: let pass: $1"
    return 1
  fi
  grep -F "$3" <<<"$told" || { echo "buf breaking: $1: wanted to read: $3"; echo "$told"; return 1; }
}

"$buf" --version
"$buf" lint
"$buf" format -d --exit-code
breaking .
must_break removed '/^message StatusRequest {/,/^}/ { /task_id = 1;/d; }' \
  'Previously present field "1" with name "task_id" on message "StatusRequest" was deleted.'
must_break renumbered '/^message Output {/,/^}/ s/sha256 = 4;/sha256 = 44;/' \
  'Previously present field "4" with name "sha256" on message "Output" was deleted.'
echo "ok: lint, format; nothing taken back since the last release, and what is would be seen"
