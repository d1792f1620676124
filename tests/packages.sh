#!/bin/sh
# The Debian packages of the programs that the tests run, made once for all tests that install them, and again when
# something that goes into them has changed. Says FLEET_PACKAGES=DIRECTORY.
set -eu
cd "$(dirname "$0")/.."
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
packages=$target/debug/packages-of-tests
exec 9>"$packages.lock"
flock 9
if [ ! -d "$packages" ] || [ -n "$(find packaging systemd docs CHANGELOG.md LICENSE-* updater/Cargo.toml \
    master/Cargo.toml "$target/debug/updater" "$target/debug/swarm" -newer "$packages" -print -quit)" ]; then
    rm -rf "$packages" "$packages.new"
    mkdir "$packages.new"
    packaging/package.sh dev "$packages.new"
    mv "$packages.new" "$packages"
fi
echo "FLEET_PACKAGES=$packages" >>"${NEXTEST_ENV:-/dev/stdout}"
