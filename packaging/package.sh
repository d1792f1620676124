#!/bin/sh
# Makes the Debian packages of programs that are built:
# `package.sh PROFILE DIRECTORY [REVISION [CRATE…]]`, where PROFILE is `release`, or `dev` for the tests.
set -eu
profile=$1 out=$2 revision=${3-1}
if [ $# -gt 3 ]; then shift 3; else set -- updater master; fi
case $profile in
release) built=release fast='' ;;
dev) built=debug fast=--fast ;;
*) echo "package.sh: there is no profile $profile" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/.."
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

# What `swarm` says of itself.
pages=$target/$built/pages
mkdir -p "$pages"
"$target/$built/swarm" man --out-dir "$pages"
for shell in bash zsh fish; do
    "$target/$built/swarm" completions $shell >"$pages/swarm.$shell"
done

for package in "$@"; do
    cargo deb --locked --no-build --profile "$profile" $fast --strip --quiet \
        --package $package --deb-revision "$revision" --output "$out/"
done
