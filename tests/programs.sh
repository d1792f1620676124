#!/bin/sh
# Builds the programs that the whole-system tests run, and tells the tests where they are.
set -eu
# With the tests, and all packages: the same features, so that no dependency is built a second time.
cargo build --locked --workspace --bins --tests
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
echo "FLEET_PROGRAMS=$target/debug" >>"$NEXTEST_ENV"
