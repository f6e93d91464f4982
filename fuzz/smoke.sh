#!/usr/bin/env bash
# Runs every fuzz target for a while: fuzz/smoke.sh SECONDS. Works on stable Rust: the coverage instrumentation is an LLVM
# pass, asked for by flags. New findings stay in the cache folder beside the corpus.
set -euo pipefail
cd "$(dirname "$0")"
cache="${CI_CACHE:-${HOME:-/tmp}/.cache}/coincide"
mkdir -p "$cache/fuzz"
# The folder of the other release builds: dependencies that are there are taken as they are.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
export OUTER_RUSTC_WRAPPER="${RUSTC_WRAPPER:-}" RUSTC_WRAPPER="$PWD/instrument.sh"
cargo build --release --locked --quiet
for name in read import document study campaign tree; do
    mkdir -p "$cache/fuzz/corpus/$name" "$cache/fuzz/found/$name" "seeds/$name"
    "$CARGO_TARGET_DIR/release/$name" "$cache/fuzz/corpus/$name" "seeds/$name" -max_total_time="${1:-30}" -max_len=8192 -timeout=20 -rss_limit_mb=4096 \
        -artifact_prefix="$cache/fuzz/found/$name/" -print_final_stats=1 -verbosity=0
done
echo "fuzzing found nothing"
