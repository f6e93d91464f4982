#!/usr/bin/env bash
# Runs every fuzz target for a while: fuzz/smoke.sh SECONDS. Works on stable Rust: the coverage instrumentation is an LLVM
# pass, asked for by flags. New findings stay in the cache folder beside the corpus.
set -euo pipefail
cd "$(dirname "$0")"
cache="${CI_CACHE:-${HOME:-/tmp}/.cache}/coincide/fuzz"
mkdir -p "$cache"
export CARGO_TARGET_DIR="$cache/target"
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=4"
target=$(rustc -vV | sed -n 's/host: //p')
cargo build --release --locked --quiet --target "$target"
for name in read import document study campaign tree; do
    mkdir -p "$cache/corpus/$name" "$cache/found/$name" "seeds/$name"
    "$CARGO_TARGET_DIR/$target/release/$name" "$cache/corpus/$name" "seeds/$name" -max_total_time="${1:-30}" -max_len=8192 -timeout=20 -rss_limit_mb=4096 \
        -artifact_prefix="$cache/found/$name/" -print_final_stats=1 -verbosity=0
done
echo "fuzzing found nothing"
