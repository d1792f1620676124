#!/bin/sh
# What `make crash` does: all of it; with arguments, what they say of the calls on the disk (`--help`),
# or, after the word `checkpoints`, the scenarios or points that follow.
set -eu

# All packages at once: the same features, so that nothing is compiled twice.
cargo build --release --locked --quiet --workspace --bins
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
FLEET_PROGRAMS=$target/release
export FLEET_PROGRAMS

# Where each looks at no process but its own: an updater looks at all that it sees, and each look of one that
# is intercepted takes its time.
alone() {
    unshare --pid --fork --mount-proc --kill-child sh -c '"$@"; exit $?' sh "$@"
}

case ${1-} in
'')
    lost=0
    alone "$FLEET_PROGRAMS/checkpoints" || lost=1
    alone "$FLEET_PROGRAMS/crash" || lost=1
    exit $lost
    ;;
checkpoints)
    shift
    alone "$FLEET_PROGRAMS/checkpoints" "$@"
    ;;
*)
    alone "$FLEET_PROGRAMS/crash" "$@"
    ;;
esac
