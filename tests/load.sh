#!/bin/sh
# What `make load` does: what clients see of updates, by each way in which one release follows another.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet --workspace --bins
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
FLEET_PROGRAMS=$target/release
export FLEET_PROGRAMS
exec "$FLEET_PROGRAMS/load" "$@"
