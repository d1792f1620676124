"""A build that leaves processes behind in every way that there is, and then does as it is told.

Usage: leave_daemons.py SECONDS stay|STATUS. The processes are `sleep SECONDS`.
"""

import os
import signal
import sys


def up(writer):
    """What a daemon is in the end: a program without a trace of where it came from."""
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass
    os.chdir("/")
    os.write(writer, b"x")
    os.closerange(0, 1024)
    os.execve("/bin/sleep", ["sleep", sys.argv[1]], {})


def in_a_namespace():
    # Where the kernel lets no user make one, this is one more plain daemon.
    try:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWPID)
    except (AttributeError, OSError):
        pass
    return os.fork() == 0


WAYS = [
    lambda: True,
    lambda: os.setsid() or True,
    lambda: os.setsid() or os.fork() == 0,
    lambda: os.setpgid(0, 0) or True,
    lambda: os.fork() == 0 and (os.setsid() or True) and os.fork() == 0,
    in_a_namespace,
]

reader, writer = os.pipe()
for way in WAYS:
    if os.fork() == 0:
        if way():
            up(writer)
        os._exit(0)
for _ in WAYS:
    os.read(reader, 1)
with open("up", "w"):
    pass
print("all are up", flush=True)
if sys.argv[2] == "stay":
    signal.pause()
sys.exit(int(sys.argv[2]))
