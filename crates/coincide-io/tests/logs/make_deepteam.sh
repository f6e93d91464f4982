#!/usr/bin/env bash
# Remakes deepteam/ with the real deepteam, offline once it is installed. It imports sentry-sdk without asking for it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv="${VENVS:-${HOME}/.cache/coincide/tools}/deepteam"
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q deepteam==1.0.10 deepeval==4.3.1 sentry-sdk || { rm -rf "$venv"; exit 1; }
fi
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$venv/bin/python" "$here/deepteam_logs.py"
