#!/usr/bin/env bash
# Times coincide against other tools on this machine.
#
#   run.sh counting [rows]   against DuckDB counting the same Parquet file (100,000,000 rows unless said otherwise)
#   run.sh analyze           against NumPy computing the same bootstrap
#   run.sh                   both
#
# COINCIDE names the program to time; without it, it is built. PYTHON names the Python to use (3.11 or later).
# Packages and data go to a cache folder outside the checkout, about 0.4 GB of packages and 2.5 bytes a row.
set -euo pipefail

what=${1:-both}
case $what in
    counting | analyze | both) ;;
    *)
        echo "usage: run.sh [counting [rows] | analyze]" >&2
        exit 2
        ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -z ${COINCIDE:-} ]]; then
    cd "$here/../.."
    cargo build --release --bin coincide
    COINCIDE=$(realpath "${CARGO_TARGET_DIR:-target}/release/coincide")
fi
export COINCIDE

cache=${XDG_CACHE_HOME:-$HOME/.cache}/coincide/peers
python=$cache/venv/bin/python
mkdir -p "$cache"
[[ -x $python ]] || "${PYTHON:-python3}" -m venv "$cache/venv"
"$python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

if [[ $what != analyze ]]; then "$python" "$here/counting.py" ${2:+"$2"}; fi
if [[ $what != counting ]]; then "$python" "$here/analyze.py"; fi
