#!/usr/bin/env bash
# Remakes inspect/ by running Inspect. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
environment inspect inspect-ai==0.3.285
rm -rf inspect
"$python" inspect_logs.py inspect
