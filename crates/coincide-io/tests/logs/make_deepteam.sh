#!/usr/bin/env bash
# Remakes deepteam/ with the real deepteam, offline once it is installed. It imports sentry-sdk without asking for it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
environment deepteam deepteam==1.0.10 deepeval==4.3.1 sentry-sdk
export DO_NOT_TRACK=1 PYTHONDONTWRITEBYTECODE=1
tmp=$(mktemp -d) # some tools leave files where they run
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"$python" "$here/deepteam_logs.py"
