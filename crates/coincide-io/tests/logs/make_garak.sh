#!/usr/bin/env bash
# Remakes garak/ by running garak. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
environment garak garak==0.17.1
rm -rf garak
"$python" garak_logs.py garak
