#!/bin/sh
# Runs every test, and says at the end how many were skipped on this machine, and why.
set -eu
cd "$(dirname "$0")/.."
SKIPPED_TESTS=$(mktemp)
export SKIPPED_TESTS
trap 'rm -f "$SKIPPED_TESTS"' EXIT
failed=0
"${CARGO:-cargo}" nextest run --workspace --locked --no-fail-fast || failed=1
"${CARGO:-cargo}" test --workspace --locked --doc || failed=1
tests/skipped.sh "$SKIPPED_TESTS"
exit $failed
