# Boots one host, in place of this process: `power-on.sh CGROUP LOWER HOST NSPAWN-ARGUMENT…`.
# What it mounts is seen here and in the host alone, and goes with the last of both.
set -eu
cgroup=$1 lower=$2 host=$3
shift 3
# Two hosts in one control group would take each other's units for their own.
mkdir -p "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$host/disk,workdir=$host/work" "$host/root"
# A machine forbids nobody a system call, and a container does: the updater takes sockets from agents.
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --quiet --boot --directory="$host/root" \
    --register=no --keep-unit --notify-ready=yes --console=read-only \
    --system-call-filter=pidfd_getfd \
    --link-journal=no --resolv-conf=off --timezone=off "$@"
