#!/bin/sh
# Installs what `make test` needs and this machine lacks; `tools.sh build`: what a build needs; `tools.sh
# programs`: what `make programs` needs besides. Debian and Ubuntu packages come from apt; elsewhere this
# says what to install. Nothing that is there is touched.
set -eu

packages=''
need() { # need COMMAND PACKAGE: the package, unless the command is there
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}

need cc build-essential
if [ "${1-}" != build ]; then
    need git git
    need zstd zstd
    need bsdtar libarchive-tools
    need busybox busybox
    need openssl openssl
    # The disks that lose their power are made by these.
    need mkfs.ext4 e2fsprogs
    need mkfs.xfs xfsprogs
    need mount mount
    # Hosts that a systemd of their own boots.
    need debootstrap debootstrap
    need systemd-analyze systemd
    need systemd-nspawn systemd-container
    need nsenter util-linux
    need ip iproute2
    # Packages, and the versions of the libraries that they need.
    need dpkg-shlibdeps dpkg-dev
    need lintian lintian
    need redis-server redis-server
    need npm npm
    need minisign minisign
    # Real programs, as the examples have them.
    need nginx nginx-light
    need gunicorn gunicorn
    need puma puma
    need node nodejs
    need php php-cli
    need java default-jre-headless
    need prometheus-node-exporter prometheus-node-exporter
    [ -e /usr/share/java/h2.jar ] || packages="$packages libh2-java"
    [ -d /usr/lib/python3/dist-packages/django ] || packages="$packages python3-django"
    # What reads our JSON, and holds it against its schemas.
    need jq jq
    /usr/bin/python3 -c 'import jsonschema' >/dev/null 2>&1 || packages="$packages python3-jsonschema"
    # Clocks that jump.
    need faketime faketime
    # Builds run with the standard PATH, so it is the system's Python that counts.
    system_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    PATH=$system_path python3 -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        packages="$packages python3 python3-venv"
fi
if [ "${1-}" = programs ]; then
    need cmake cmake
    need starman starman
    need pip python3-pip
    [ -e /usr/include/pcre2.h ] || packages="$packages libpcre2-dev"
    [ -e /usr/include/zlib.h ] || packages="$packages zlib1g-dev"
    PATH=$system_path python3 -c 'import sysconfig; open(sysconfig.get_paths()["include"] + "/Python.h")' \
        >/dev/null 2>&1 || packages="$packages python3-dev"
fi

sudo=''
[ "$(id -u)" -eq 0 ] || sudo=sudo
if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "missing:$packages; install them with your package manager" >&2
        exit 1
    fi
    # None of the servers among them is wanted as a service of this machine.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod 0755 $policy
        # shellcheck disable=SC2064 # as it is now
        trap "$sudo rm -f $policy" EXIT
    fi
    $sudo apt-get update
    # shellcheck disable=SC2086 # the list is meant to be split
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends $packages
fi

[ "${1-}" != build ] || exit 0

for component in rustfmt clippy; do
    case $component in rustfmt) program=cargo-fmt ;; clippy) program=cargo-clippy ;; esac
    command -v "$program" >/dev/null 2>&1 || rustup component add "$component"
done
# Tools that run for a second are built as quickly as can be: unoptimised, without what is not used here.
install() { # install COMMAND CRATE [OPTION…]
    command -v "$1" >/dev/null 2>&1 && return
    crate=$2
    shift 2
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked "$@" "$crate"
}
# The tools of uv.lock and pnpm-lock.yaml, where builds look for programs.
if ! command -v uv >/dev/null 2>&1; then
    $sudo /usr/bin/python3 -m venv /usr/local/lib/uv
    $sudo /usr/local/lib/uv/bin/pip install --quiet uv
    $sudo ln -sf /usr/local/lib/uv/bin/uv /usr/local/bin/uv
fi
command -v pnpm >/dev/null 2>&1 || $sudo npm install --global --silent pnpm@9
[ "${1-}" != programs ] || command -v yarn >/dev/null 2>&1 || $sudo npm install --global --silent yarn@1
install cargo-nextest cargo-nextest --no-default-features --features default-no-update
install cargo-deny cargo-deny --debug --no-default-features
# The packages' contents are its doing: one version, until another one was tried.
install cargo-deb cargo-deb@3.8.0
