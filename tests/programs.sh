#!/bin/sh
# Builds the programs that the whole-system tests run, and tells the tests where they are.
set -eu
cargo build --locked --package updater --package master --package fleet-tests --bins
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
echo "FLEET_PROGRAMS=$target/debug" >>"$NEXTEST_ENV"
