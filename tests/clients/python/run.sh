#!/usr/bin/env bash
# Runs the example in a fresh environment against a server that speaks plaintext.
#
# usage: run.sh ADDRESS OUT_DIR
#
# CLIENTS_BUILD: a folder for the environment and the stubs, to use them again. Default: a temporary one.
set -euo pipefail
(($# == 2)) || { echo "usage: run.sh ADDRESS OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${CLIENTS_BUILD:-} ]]; then
  CLIENTS_BUILD=$(mktemp -d)
  trap 'rm -rf "$CLIENTS_BUILD"' EXIT
fi
build=$CLIENTS_BUILD/python
mkdir -p "$build/gen"

python3 -m venv "$build/venv"
timeout 300 "$build/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
"$build/venv/bin/python" -m grpc_tools.protoc -I "$here/../../../proto" \
  --python_out="$build/gen" --pyi_out="$build/gen" --grpc_python_out="$build/gen" \
  mediagen/v1/media_generation.proto

export PYTHONPATH=$build/gen PYTHONDONTWRITEBYTECODE=1
timeout 60 "$build/venv/bin/python" -m unittest discover --start-directory "$here"
timeout 300 "$build/venv/bin/python" "$here/client.py" "$1" "$2"
