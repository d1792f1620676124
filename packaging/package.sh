#!/bin/sh
# Makes the Debian packages of programs that are built:
# `package.sh PROFILE DIRECTORY [REVISION [CRATE…]]`, where PROFILE is `release`, or `dev` for the tests.
set -eu
profile=$1 out=$2 revision=${3-1}
if [ $# -gt 3 ]; then shift 3; else set -- updater master; fi
case $profile in
release) built=release fast='' zip=xz ;;
dev) built=debug fast=--fast zip='gzip -z1' ;;
*) echo "package.sh: there is no profile $profile" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/.."
target=$(cargo metadata --locked --no-deps --format-version 1 |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

# Two at a time, as in the tests, would write the same files.
exec 9>"$target/$built/packages.lock"
flock 9

# What the programs say of themselves, and what has changed.
pages=$target/$built/pages
rm -rf "$pages"
mkdir -p "$pages"
"$target/$built/swarm" man --out-dir "$pages/swarm"
"$target/$built/updater" man --out-dir "$pages/updater"
for shell in bash zsh fish; do
    "$target/$built/swarm" completions $shell >"$pages/swarm.$shell"
    "$target/$built/updater" completions $shell >"$pages/updater.$shell"
done
gzip --best --no-name "$pages"/*/*.[158]
gzip --best --no-name --stdout CHANGELOG.md >"$pages/changelog.gz"

version=$(cargo pkgid --locked --package updater | sed 's/.*[#@]//')-$revision
moment=$(git log --max-count=1 --format=%cD 2>/dev/null || date --rfc-email)
for package in "$@"; do
    printf '%s (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
        "swarm-$package" "$version" 'The maintainers of swarm <maintainers@swarm.invalid>' \
        "$moment" | gzip --best --no-name >"$pages/changelog.Debian.gz"
    cargo deb --locked --no-build --profile "$profile" $fast --strip --quiet \
        --package $package --deb-revision "$revision" --output "$out/"
done

# Sums of all files but those of an administrator, which `dpkg --verify` compares.
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
for package in "$@"; do
    file=$(ls "$out/swarm-${package}_"*.deb)
    tree=$unpacked/$package
    dpkg-deb --raw-extract "$file" "$tree"
    (cd "$tree" && find usr -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 md5sum >DEBIAN/md5sums)
    chmod 0644 "$tree/DEBIAN/md5sums"
    # shellcheck disable=SC2086 # two words
    dpkg-deb --root-owner-group -Z$zip --build "$tree" "$file" >/dev/null
done
