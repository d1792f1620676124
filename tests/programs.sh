#!/bin/sh
# Builds the programs that the whole-system tests run, and tells the tests where they are.
set -eu
# With the tests, and all packages: the same features, so that no dependency is built a second time.
cargo build --locked --workspace --bins --tests
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
# Without what debuggers need, which is most of them: an updater hashes its own program whenever it
# starts, and the tests start it thousands of times.
programs=$target/debug/fleet-programs
mkdir -p "$programs"
for program in updater swarm agent crash bench; do
    strip -o "$programs/$program.new" "$target/debug/$program"
    mv "$programs/$program.new" "$programs/$program"
done
echo "FLEET_PROGRAMS=$programs" >>"$NEXTEST_ENV"
