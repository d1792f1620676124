#!/bin/sh
# Fuzzes the targets that are named, or all of them, for FUZZ_SECONDS each. What it finds out is kept
# in tests/fuzz/work for the next time; an input that fails is in tests/fuzz/artifacts, and belongs
# into tests/fuzz/crashes/TARGET once the fault is mended.
set -eu
cd "$(dirname "$0")/fuzz"
command -v cargo-fuzz >/dev/null 2>&1 || cargo install --locked cargo-fuzz
[ $# -gt 0 ] || set -- archive tar manifest signed config pattern api events
# The sanitizer's flag is not a stable one; the toolchain is.
export RUSTC_BOOTSTRAP=1
cargo run --quiet --locked --manifest-path ../Cargo.toml --bin fuzz-seeds -- work/seeds
cargo fuzz build --fuzz-dir .
failed=''
for target; do
    echo "fuzzing $target for ${FUZZ_SECONDS:-60} s"
    mkdir -p "work/$target" "crashes/$target"
    cargo fuzz run --fuzz-dir . "$target" "work/$target" "crashes/$target" "work/seeds/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 ||
        failed="$failed $target"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
