#!/usr/bin/env bash
# Times coincide against other tools on this machine.
#
#   run.sh counting [rows]   against DuckDB counting the same Parquet file (100,000,000 rows unless said otherwise)
#   run.sh analyze           against NumPy computing the same bootstrap
#   run.sh models            against StepMix, NumPyro and nutpie fitting the same models
#   run.sh stress            a campaign's calls a second against Inspect's and garak's
#   run.sh logs              reading logs of other tools, against Inspect's table of samples (2 GB of data more)
#   run.sh                   the first two
#
# COINCIDE names the program to time; without it, it is built. PYTHON names the Python to use (3.11 or later).
# Packages and data go to a cache folder outside the checkout, about 0.4 GB of packages and 2.5 bytes a row.
set -euo pipefail

what=${1:-both}
case $what in
    counting | analyze | models | stress | logs | both) ;;
    *)
        echo "usage: run.sh [counting [rows] | analyze | models | stress | logs]" >&2
        exit 2
        ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $what == models ]]; then
    # The peers' own requirements do not agree with those of the other benchmarks.
    python=${XDG_CACHE_HOME:-$HOME/.cache}/coincide/peers/models/bin/python
    mkdir -p "${python%/models/*}"
    [[ -x $python ]] || "${PYTHON:-python3}" -m venv "${python%/bin/python}"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements-models.txt"
    cd "$here/../.."
    COINCIDE_TESTS=$(cargo test --release -p coincide --lib --no-run --message-format json 2>/dev/null |
        "$python" -c 'import json, sys; print([j["executable"] for j in map(json.loads, sys.stdin) if j.get("executable") and j["target"]["name"] == "coincide"][-1])')
    export COINCIDE_TESTS
    exec "$python" "$here/models.py"
fi
if [[ $what == stress ]]; then
    python=${XDG_CACHE_HOME:-$HOME/.cache}/coincide/peers/stress/bin/python
    mkdir -p "${python%/stress/*}"
    [[ -x $python ]] || "${PYTHON:-python3}" -m venv "${python%/bin/python}"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements-stress.txt"
    cd "$here/../.."
    cargo build --release -p coincide-stress --example throughput
    THROUGHPUT=$(realpath "${CARGO_TARGET_DIR:-target}/release/examples/throughput")
    export THROUGHPUT
    exec "$python" "$here/stress.py"
fi
if [[ -z ${COINCIDE:-} ]]; then
    cd "$here/../.."
    cargo build --release --bin coincide
    COINCIDE=$(realpath "${CARGO_TARGET_DIR:-target}/release/coincide")
fi
export COINCIDE

if [[ $what == logs ]]; then
    python=${XDG_CACHE_HOME:-$HOME/.cache}/coincide/peers/logs-venv/bin/python
    mkdir -p "${python%/logs-venv/*}"
    [[ -x $python ]] || "${PYTHON:-python3}" -m venv "${python%/bin/python}"
    "$python" -m pip install --quiet --disable-pip-version-check inspect-ai==0.3.285 pandas pyarrow
    exec "$python" "$here/logs.py"
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/coincide/peers
python=$cache/venv/bin/python
mkdir -p "$cache"
[[ -x $python ]] || "${PYTHON:-python3}" -m venv "$cache/venv"
"$python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

if [[ $what != analyze ]]; then "$python" "$here/counting.py" ${2:+"$2"}; fi
if [[ $what != counting ]]; then "$python" "$here/analyze.py"; fi
