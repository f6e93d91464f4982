#!/usr/bin/env bash
# Remakes agentdojo/ with the real AgentDojo, offline once it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
environment agentdojo agentdojo==0.1.35
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$python" "$here/agentdojo_logs.py"
