#!/usr/bin/env bash
# run.sh ADDRESS OUT_DIR: builds the client in CLIENTS_BUILD (a temporary folder, unless set) and runs it
# against the server at ADDRESS, which leaves OUT_DIR/output.mp4.
set -euo pipefail
(($# == 2)) || { echo "usage: run.sh ADDRESS OUT_DIR" >&2; exit 2; }
readonly address=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../../.." && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
readonly here repository out
if [[ -z ${CLIENTS_BUILD:-} ]]; then
  CLIENTS_BUILD=$(mktemp -d)
  trap 'rm -rf "$CLIENTS_BUILD"' EXIT
fi
readonly build=$CLIENTS_BUILD/node service_config=$repository/config/grpc_service_config_with_create.json

mkdir -p "$build"
rm -rf "$build/src" "$build/gen" "$build/dist"
cp -R "$here"/{package.json,tsconfig.json,src} "$build"
sed "s|\.\./\.\./\.\./proto|$repository/proto|" "$here/buf.gen.yaml" >"$build/buf.gen.yaml"
cd "$build"
npm install --no-package-lock --no-audit --no-fund --loglevel=error
npm run --silent generate
npm run --silent build
npm run --silent check-faults -- "$service_config"
npm run --silent start -- "$address" "$out" "$service_config"
