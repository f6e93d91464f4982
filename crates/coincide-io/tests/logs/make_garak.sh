#!/usr/bin/env bash
# Remakes garak/ by running garak. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv="${VENVS:-${HOME}/.cache/coincide/tools}/garak"
if [ ! -d "$venv" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet garak==0.17.1
fi
rm -rf garak
"$venv/bin/python" garak_logs.py garak
