#!/usr/bin/env bash
# Remakes llm_guard/ with the real llm-guard, offline once it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
environment llmguard llm-guard==0.3.16
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$python" "$here/llm_guard_logs.py"
