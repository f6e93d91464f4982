#!/usr/bin/env bash
# Installs the package as a user does, and runs its tests, examples and type checks. $COINCIDE: the built program.
set -euo pipefail
cd "$(dirname "$0")"
cache="${CI_CACHE:-${HOME:-/tmp}/.cache}/coincide/python"
mkdir -p "$cache"
[ -x "$cache/bin/python" ] || python3 -m venv "$cache"
pip() { "$cache/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

pip -r requirements-test.txt
# Exactly what the guide says, with the versions of the lock file.
(cd .. && MATURIN_PEP517_ARGS=--locked pip --force-reinstall --no-deps ./python)
"$cache/bin/ruff" format --check --quiet .
"$cache/bin/ruff" check --quiet .
"$cache/bin/python" -W ignore -m pytest
"$cache/bin/python" -m mypy
"$cache/bin/python" -m mypy.stubtest coincide._coincide
PYRIGHT_PYTHON_IGNORE_WARNINGS=1 "$cache/bin/pyright" --pythonpath "$cache/bin/python"
