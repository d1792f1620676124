#!/bin/sh
# What `make crash` does: all of it; with arguments, what they say of the calls on the disk (`--help`),
# or, after the word `checkpoints`, the scenarios or points that follow.
set -eu

run() { # run PROGRAM ARGUMENT...
    program=$1
    shift
    cargo run --release --locked --quiet --package fleet-tests --bin "$program" -- "$@"
}

case ${1-} in
'')
    lost=0
    run checkpoints || lost=1
    run crash || lost=1
    exit $lost
    ;;
checkpoints)
    run "$@"
    ;;
*)
    run crash "$@"
    ;;
esac
