#!/bin/sh
# What `make programs` does: all rows of tests/data/programs/, or those whose numbers or names are arguments.
set -eu
tests/tools.sh programs
cargo build --release --locked --quiet --workspace --bins
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
FLEET_PROGRAMS=$target/release
export FLEET_PROGRAMS
# Compilers among them work for minutes.
exec nice "$FLEET_PROGRAMS/programs" "$@"
