#!/usr/bin/env bash
# Remakes pyrit/ by running PyRIT. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
environment pyrit pyrit==1.1.0
rm -rf pyrit
scratch="$(mktemp -d)" # PyRIT writes below HOME as it is imported
trap 'rm -r "$scratch"' EXIT
HOME="$scratch" XDG_DATA_HOME="$scratch" "$python" -B pyrit_logs.py pyrit
