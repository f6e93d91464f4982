#!/usr/bin/env bash
# Remakes control_arena/ by running ControlArena. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv="${VENVS:-${HOME}/.cache/coincide/tools}/control"
if [ ! -d "$venv" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet control-arena==20.1.1
fi
rm -rf control_arena
"$venv/bin/python" control_arena_logs.py control_arena
