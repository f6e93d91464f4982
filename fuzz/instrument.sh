#!/usr/bin/env bash
# A wrapper of rustc that instruments our own crates and nothing else, so that the dependencies are those of any other release build and need not be built again.
set -euo pipefail
rustc=$1
shift
case "${CARGO_CRATE_NAME:-}:${CARGO_PKG_NAME:-}" in
    build_script_*) ;;
    *:coincide*)
        set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
            -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing
        ;;
esac
exec ${OUTER_RUSTC_WRAPPER:-} "$rustc" "$@"
