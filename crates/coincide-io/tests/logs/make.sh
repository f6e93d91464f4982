#!/usr/bin/env bash
# Makes all fixtures again by running the tools: installs each into an environment of its own (VENVS, about 10 GB with garak and llm-guard) and runs its script.
# Names, times and ids change every time; outcomes do not, except which samples a killed or crashed run still wrote.
set -euo pipefail
cd "$(dirname "$0")"
for script in make_*.sh; do
    echo "== $script"
    "./$script"
done
