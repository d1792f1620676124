#!/bin/sh
# Makes the packages of both programs, for Debian and for systems with rpm: `package.sh PROFILE DIRECTORY`, where
# PROFILE is `release`, or `dev` for the tests. `TARGET` names another processor: see build.sh.
set -eu
profile=$1 out=$2 revision=1
case $profile in
release) built=release fast='' zip=xz rpm_zip=w19.zstdio ;;
dev) built=debug fast=--fast zip='gzip -z1' rpm_zip=w1.gzdio ;;
*) echo "package.sh: there is no profile $profile" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/.."
own=$(rustc --version --verbose | sed -n 's/^host: //p')
target=${TARGET-$own}
programs=$(packaging/build.sh "$profile")
# What they say of themselves is said by programs that run on this machine.
speaking=$programs
[ "$target" = "$own" ] || speaking=$(TARGET=$own packaging/build.sh "$profile")

# Two at a time, as in the tests, would write the same files.
exec 9>"$programs/packages.lock"
flock 9

# What the programs say of themselves, and what has changed.
pages=$programs/pages
rm -rf "$pages"
mkdir -p "$pages" "$out"
"$speaking/swarm" man --out-dir "$pages/swarm"
"$speaking/updater" man --out-dir "$pages/updater"
for shell in bash zsh fish; do
    "$speaking/swarm" completions $shell >"$pages/swarm.$shell"
    "$speaking/updater" completions $shell >"$pages/updater.$shell"
done
gzip --best --no-name "$pages"/*/*.[158]
gzip --best --no-name --stdout CHANGELOG.md >"$pages/changelog.gz"

version=$(cargo pkgid --locked --package updater | sed 's/.*[#@]//')-$revision
moment=$(git log --max-count=1 --format=%cD 2>/dev/null || date --rfc-email)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
for package in updater master; do
    printf '%s (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
        "swarm-$package" "$version" 'The maintainers of swarm <maintainers@swarm.invalid>' \
        "$moment" | gzip --best --no-name >"$pages/changelog.Debian.gz"
    # shellcheck disable=SC2086 # none, or one word
    file=$(cargo deb --locked --no-build --no-strip --profile "$profile" --target "$target" $fast --quiet \
        --package $package --deb-revision "$revision" --output "$out/")

    # Sums of all files but those of an administrator, which `dpkg --verify` compares.
    tree=$unpacked/$package
    dpkg-deb --raw-extract "$file" "$tree"
    (cd "$tree" && find usr -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 md5sum >DEBIAN/md5sums)
    chmod 0644 "$tree/DEBIAN/md5sums"
    # shellcheck disable=SC2086 # two words
    dpkg-deb --root-owner-group -Z$zip --build "$tree" "$file" >/dev/null

    rpmbuild -bb --quiet --target "${target%%-*}-linux" --define "_topdir $unpacked/rpm" \
        --define "_binary_payload $rpm_zip" --define "part $package" --define "number ${version%-*}" \
        --define "revision $revision" --define "tree $tree" --define "scripts $PWD/packaging/updater" \
        packaging/swarm.spec
    mv "$unpacked"/rpm/RPMS/*/*.rpm "$out"
done
