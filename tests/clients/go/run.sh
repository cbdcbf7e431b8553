#!/usr/bin/env bash
# Runs the example from a fresh copy against a server that speaks plaintext.
#
# usage: run.sh ADDRESS OUT_DIR
#
# CLIENTS_BUILD: a folder for the copy, the stubs and buf, to use them again. Default: a temporary one.
set -euo pipefail
(($# == 2)) || { echo "usage: run.sh ADDRESS OUT_DIR" >&2; exit 2; }
readonly BUF=1.75.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
out=$(realpath -m "$2")
if [[ -z ${CLIENTS_BUILD:-} ]]; then
  CLIENTS_BUILD=$(mktemp -d)
  trap 'rm -rf "$CLIENTS_BUILD"' EXIT
fi
build=$(realpath -m "$CLIENTS_BUILD/go")

# As the repository has it, so that relative paths lead to the same files.
mkdir -p "$build/tests/clients/go"
ln -sfn "$repo/config" "$build/config"
cp "$here"/{*.go,go.mod,go.sum,buf.gen.yaml} "$build/tests/clients/go"
timeout 300 npm install --prefix "$build/buf" --no-audit --no-fund --silent "@bufbuild/buf@$BUF"

cd "$build/tests/clients/go"
timeout 300 "$build/buf/node_modules/.bin/buf" generate "$repo"
timeout 300 go vet -mod=readonly .
timeout 120 go test -count=1 .
timeout 300 go run . "$1" "$out"
