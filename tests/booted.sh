#!/bin/sh
# The Debian roots that the booted hosts of the tests share, made once and kept outside of the work
# tree: one of this machine's own suite, and one of the suite after it, whose systemd does some things
# otherwise. Says FLEET_BOOTED_ROOT=DIRECTORY and FLEET_BOOTED_ROOT_NEXT=DIRECTORY; or FLEET_BOOTED_SKIP=REASON
# or FLEET_BOOTED_SKIP_NEXT=REASON, where no such host can be booted.
set -eu

cache=/var/cache/swarm-booted

tell() {
    echo "$1" >>"${NEXTEST_ENV:-/dev/stdout}"
}

skip() {
    echo "SKIPPED: the tests that boot hosts (booted_*): $1" >&2
    tell "FLEET_BOOTED_SKIP=$1"
    tell "FLEET_BOOTED_SKIP_NEXT=$1"
    exit 0
}

[ "$(id -u)" -eq 0 ] || skip 'this takes root'
unshare --mount --net --pid --ipc --uts --cgroup --fork sh -c \
    'ip link add one type veth peer two && ip link add three type bridge && mount -t tmpfs none /mnt' ||
    skip 'this kernel, or the container that this runs in, refuses namespaces of its own'
grep -q ' - cgroup2 ' /proc/self/mountinfo || skip 'no cgroup2 hierarchy is mounted'
suite=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
[ -e "/usr/share/debootstrap/scripts/$suite" ] ||
    skip "this machine's debootstrap knows no suite \"$suite\"; the programs are built for its libraries"
# The one after it has all libraries that the programs were built for.
case $suite in
bookworm) next=trixie ;;
trixie) next=forky ;;
*) next='' ;;
esac

# A change here is another root.
packages=systemd-sysv,dbus,python3-minimal,nginx,haproxy,unattended-upgrades
recipe=$(sha256sum "$0" | cut -c 1-12)

root_of() { # root_of SUITE
    echo "$cache/root-$1-$recipe"
}

make_root() { # make_root SUITE
    root=$(root_of "$1")
    # From where this machine gets its own packages.
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' | sed -n "s/ $suite main\$//p" | head -n 1)
    echo "Making a Debian $1 for the hosts that the tests boot; this takes a minute." >&2
    rm -rf "$root.new"
    # shellcheck disable=SC2086 # no mirror is no argument
    debootstrap --variant=minbase --include="$packages" "$1" "$root.new" $mirror >"$root.log" 2>&1 || {
        cat "$root.log" >&2
        return 1
    }
    rm -f "$root.new"/var/cache/apt/archives/*.deb "$root.new/etc/resolv.conf"
    rm -rf "$root.new"/var/lib/apt/lists/*
    # What a person or a calendar would need, and a host that lives for a minute does not. Links, as
    # the systemctl of this machine may be older than the root's.
    for unit in console-getty.service getty.target systemd-logind.service apt-daily.timer apt-daily-upgrade.timer \
        dpkg-db-backup.timer e2scrub_all.timer nginx.service haproxy.service unattended-upgrades.service; do
        ln -sf /dev/null "$root.new/etc/systemd/system/$unit"
    done
    # Its one network card has its address written into the host's own file.
    systemctl --root="$root.new" --quiet enable systemd-networkd.service
    # A host without one would take itself for one that boots for the first time.
    : >"$root.new/etc/machine-id"
    mv "$root.new" "$root"
}

mkdir -p "$cache"
chmod 0755 "$cache"
exec 9>"$cache/lock"
flock 9
[ -d "$(root_of "$suite")" ] || make_root "$suite"
tell "FLEET_BOOTED_ROOT=$(root_of "$suite")"
if [ -z "$next" ] || [ ! -e "/usr/share/debootstrap/scripts/$next" ]; then
    reason="this machine's debootstrap knows no suite after \"$suite\""
    echo "SKIPPED: the tests that boot hosts of the next Debian (booted_*::next_debian): $reason" >&2
    tell "FLEET_BOOTED_SKIP_NEXT=$reason"
    exit 0
fi
[ -d "$(root_of "$next")" ] || make_root "$next"
tell "FLEET_BOOTED_ROOT_NEXT=$(root_of "$next")"
