#!/usr/bin/env bash
# Remakes jailbreakbench/ with the real jailbreakbench package, offline once it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
environment jbb jailbreakbench==1.0.0 litellm==1.110.2
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$python" "$here/jailbreakbench_logs.py"
