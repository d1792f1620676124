#!/bin/sh
# What `make lint` asks of the units: that systemd understands them, and how far they are confined.
set -eu
cd "$(dirname "$0")/../systemd"
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
for unit in *.service *.socket; do
    # Programs are looked for, and ours are not installed here.
    sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" >"$files/$unit"
done
systemd-analyze verify --man=no "$files"/*
for unit in *.service; do
    # Below 3.0.
    systemd-analyze security --offline=yes --no-pager --threshold=29 "$files/$unit" >"$files/rating" || {
        cat "$files/rating" >&2
        exit 1
    }
    tail -n 1 "$files/rating"
done
