#!/usr/bin/env bash
# Remakes pyrit/ by running PyRIT. VENVS names the folder of virtual environments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv="${VENVS:-${HOME}/.cache/coincide/tools}/pyrit"
if [ ! -d "$venv" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet pyrit==1.1.0
fi
rm -rf pyrit
scratch="$(mktemp -d)" # PyRIT writes below HOME as it is imported
trap 'rm -r "$scratch"' EXIT
HOME="$scratch" XDG_DATA_HOME="$scratch" "$venv/bin/python" -B pyrit_logs.py pyrit
