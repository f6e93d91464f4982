#!/usr/bin/env bash
# Remakes nemo/ with the real NeMo Guardrails and its server, offline once it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv="${VENVS:-${HOME}/.cache/coincide/tools}/nemo"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q 'nemoguardrails[server]==0.24.1' || { rm -rf "$venv"; exit 1; }
fi
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$venv/bin/python" "$here/nemo_logs.py"
