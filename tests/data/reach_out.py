"""A build that tries what no build may do, and prints what it could do all the same."""

import ctypes
import fcntl
import glob
import os
import resource
import socket
import struct

RELEASE = os.getcwd()
STORE = os.path.dirname(RELEASE)
INSTALL = os.path.dirname(os.path.dirname(STORE))
HOST = os.path.dirname(INSTALL)
STATE = f"{HOST}/state"
OTHER = os.path.realpath(f"{INSTALL}/current")
LIBC = ctypes.CDLL(None, use_errno=True)


def updaters():
    """All processes of this host's updater."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            line = open(path, "rb").read()
        except OSError:
            continue
        if f"{HOST}/updater.toml".encode() in line:
            yield int(path.split("/")[2])


UPDATERS = list(updaters())
assert UPDATERS, "the updater can be seen"


def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)


def replace(path):
    os.symlink("/", path + ".mine")
    os.rename(path + ".mine", path)


def replace_itself():
    os.rename(RELEASE, RELEASE + ".moved")
    os.symlink("/", RELEASE)


def make_immutable(path):
    flags = struct.pack("i", 0x10)  # FS_IMMUTABLE_FL
    with open(path, "w") as file:
        fcntl.ioctl(file, 0x40086602, flags)  # FS_IOC_SETFLAGS


def trace(process):
    if LIBC.ptrace(16, process, 0, 0) == -1:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "ptrace")


def mount():
    if LIBC.mount(b"none", RELEASE.encode(), b"tmpfs", 0, None) == -1:
        raise OSError(ctypes.get_errno(), "mount")


def raise_limit(limit):
    soft, hard = resource.getrlimit(limit)
    resource.setrlimit(limit, (soft, hard + 1))


ATTEMPTS = {
    "write another release": lambda: open(f"{OTHER}/bin/agent", "a"),
    "add to another release": lambda: open(f"{OTHER}/added", "w"),
    "rename another release": lambda: os.rename(OTHER, OTHER + ".moved"),
    "make a release": lambda: os.mkdir(f"{STORE}/{'0' * 64}"),
    "replace its own directory": replace_itself,
    "switch": lambda: replace(f"{INSTALL}/releases/active"),
    "replace current": lambda: replace(f"{INSTALL}/current"),
    "use incoming": lambda: open(f"{INSTALL}/releases/incoming/x", "w"),
    "write beside shared": lambda: open(f"{INSTALL}/beside", "w"),
    "write into shared itself": lambda: open(f"{INSTALL}/shared/x", "w"),
    "read the updater's key": lambda: open(f"{HOST}/identity/updater.key"),
    "list the updater's state": lambda: os.listdir(STATE),
    "list the app's state": lambda: os.listdir(f"{STATE}/apps/agent"),
    "read the facts": lambda: open(f"{STATE}/apps/agent/releases.json"),
    "write the facts": lambda: open(f"{STATE}/apps/agent/releases.json", "a"),
    "read the journal": lambda: open(f"{STATE}/apps/agent/journal.json"),
    "read the agent's log": lambda: open(f"{STATE}/apps/agent/agent.log"),
    "list the apps": lambda: os.listdir(f"{STATE}/apps"),
    "read the history": lambda: open(f"{STATE}/apps/agent/history.jsonl"),
    "add to the state": lambda: open(f"{STATE}/apps/agent/x", "w"),
    "replace the lock": lambda: replace(f"{STATE}/apps/agent/lock"),
    "open the updater's socket": lambda: connect(f"{STATE}/updater.sock"),
    "write the configuration": lambda: open(f"{HOST}/updater.toml", "a"),
    "kill its keeper": lambda: os.kill(os.getppid(), 9),
    "become root": lambda: os.setuid(0),
    "give a file to root": lambda: os.chown("build.py", 0, 0),
    "make a device": lambda: os.mknod("null", 0o20666, os.makedev(1, 3)),
    "make a file immutable": lambda: make_immutable("immutable"),
    "mount": mount,
    "raise the bound on processes": lambda: raise_limit(resource.RLIMIT_NPROC),
    "raise the bound on descriptors": lambda: raise_limit(resource.RLIMIT_NOFILE),
    "raise the bound on files": lambda: raise_limit(resource.RLIMIT_FSIZE),
    "dump core": lambda: raise_limit(resource.RLIMIT_CORE),
}
for process in UPDATERS:
    ATTEMPTS |= {
        f"kill {process}": lambda process=process: os.kill(process, 9),
        f"stop {process}": lambda process=process: os.kill(process, 19),
        f"trace {process}": lambda process=process: trace(process),
        f"read the memory of {process}": lambda process=process: open(f"/proc/{process}/mem", "rb"),
        f"read the environment of {process}": lambda process=process: open(
            f"/proc/{process}/environ", "rb"
        ).read(),
        f"use the descriptors of {process}": lambda process=process: os.listdir(
            f"/proc/{process}/fd"
        ),
    }

refused = 0
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except FileNotFoundError as error:
        print(f"NOT THERE: {name}: {error}")
    except (OSError, ValueError):
        refused += 1
    else:
        print(f"DONE: {name}")
print(f"refused: {refused} of {len(ATTEMPTS)}")
