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
readonly build=$CLIENTS_BUILD/java service_config=$repository/config/grpc_service_config_with_create.json

mkdir -p "$build"
rm -rf "$build/src" "$build/target"
cp -R "$here"/{pom.xml,src} "$build"
mvn --quiet --batch-mode --file "$build/pom.xml" -Dproto.root="$repository/proto" package
java -cp "$build/target/mediagen-client.jar" example.Faults "$service_config"
java -jar "$build/target/mediagen-client.jar" "$address" "$out" "$service_config"
