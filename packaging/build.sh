#!/bin/sh
# Builds both programs for hosts that are older than this machine: `build.sh PROFILE`, where PROFILE is `release`,
# or `dev` for the tests. They need a Linux with glibc 2.17 or later. `TARGET` names another processor, of which
# Rust's standard library is installed (rustup target add TARGET). Says the directory that they are in.
set -eu
cd "$(dirname "$0")/.."
glibc=2.17
target=${TARGET-$(rustc --version --verbose | sed -n 's/^host: //p')}
case $1 in
release) built=release ;;
dev) built=debug ;;
*) echo "build.sh: there is no profile $1" >&2 && exit 2 ;;
esac

# The linker, and the libraries of old systems, are zig's: tests/tools.sh puts it there.
tools=/usr/local/lib/zig/bin
export CARGO_ZIGBUILD_PYTHON_PATH=$tools/python
# Names of functions are not shipped; `make install` keeps them.
export CARGO_PROFILE_RELEASE_STRIP=symbols CARGO_PROFILE_DEV_STRIP=symbols
"$tools/cargo-zigbuild" zigbuild --locked --profile "$1" --package updater --package master --bins \
    --target "$target.$glibc" >&2

directory=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/$target/$built
# A call that older libraries lack is seen here, and not on a host.
for program in updater swarm; do
    newest=$(readelf --version-info --wide "$directory/$program" |
        sed -n 's/.*Name: GLIBC_\([0-9.]*\) .*/\1/p' | sort --version-sort | tail -n 1)
    [ "$(printf '%s\n' "$newest" $glibc | sort --version-sort | tail -n 1)" = $glibc ] || {
        echo "build.sh: $program needs glibc $newest; hosts have $glibc" >&2
        exit 1
    }
done
echo "$directory"
