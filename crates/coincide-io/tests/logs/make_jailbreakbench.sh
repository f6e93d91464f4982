#!/usr/bin/env bash
# Remakes jailbreakbench/ with the real jailbreakbench package, offline once it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv="${VENVS:-${HOME}/.cache/coincide/tools}/jbb"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q jailbreakbench==1.0.0 litellm==1.110.2 || { rm -rf "$venv"; exit 1; }
fi
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$venv/bin/python" "$here/jailbreakbench_logs.py"
