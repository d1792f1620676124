#!/bin/sh
# The Debian root that the booted hosts of the tests share, made once and kept outside of the work
# tree. Says FLEET_BOOTED_ROOT=DIRECTORY; or FLEET_BOOTED_SKIP=REASON, where no host can be booted.
set -eu

cache=/var/cache/swarm-booted

tell() {
    echo "$1" >>"${NEXTEST_ENV:-/dev/stdout}"
}

skip() {
    echo "SKIPPED: the tests that boot hosts (booted_*): $1" >&2
    tell "FLEET_BOOTED_SKIP=$1"
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

# A change here is another root.
packages=systemd-sysv,dbus,python3-minimal
recipe=$(sha256sum "$0" | cut -c 1-12)
root=$cache/root-$suite-$recipe

make_root() {
    # From where this machine gets its own packages.
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' | sed -n "s/ $suite main\$//p" | head -n 1)
    echo "Making a Debian $suite for the hosts that the tests boot; this takes a minute." >&2
    rm -rf "$root.new"
    # shellcheck disable=SC2086 # no mirror is no argument
    debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" $mirror >"$root.log" 2>&1 || {
        cat "$root.log" >&2
        exit 1
    }
    rm -f "$root.new"/var/cache/apt/archives/*.deb "$root.new/etc/resolv.conf"
    rm -rf "$root.new"/var/lib/apt/lists/*
    # What a person or a calendar would need, and a host that lives for a minute does not.
    systemctl --root="$root.new" --quiet mask console-getty.service getty.target systemd-logind.service \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
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
[ -d "$root" ] || make_root
tell "FLEET_BOOTED_ROOT=$root"
