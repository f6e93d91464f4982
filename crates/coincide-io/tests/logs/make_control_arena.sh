#!/usr/bin/env bash
# Remakes control_arena/ by running ControlArena. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
environment control control-arena==20.1.1
rm -rf control_arena
"$python" control_arena_logs.py control_arena
