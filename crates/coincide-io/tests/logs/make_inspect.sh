#!/usr/bin/env bash
# Remakes inspect/ by running Inspect. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv="${VENVS:-${HOME}/.cache/coincide/tools}/inspect"
if [ ! -d "$venv" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet inspect-ai==0.3.285
fi
rm -rf inspect
"$venv/bin/python" inspect_logs.py inspect
