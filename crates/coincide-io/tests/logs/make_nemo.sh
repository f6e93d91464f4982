#!/usr/bin/env bash
# Remakes nemo/ with the real NeMo Guardrails and its server, offline once it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
environment nemo 'nemoguardrails[server]==0.24.1'
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$python" "$here/nemo_logs.py"
