#!/usr/bin/python3
"""An agent for any user: answers with its release, and with what it could do that it must not."""

import http.server
import json
import os
import socket


def directory_of(path, levels):
    return directory_of(os.path.dirname(path), levels - 1) if levels else path


RELEASE = os.environ["RELEASE_PATH"]
HOST = directory_of(RELEASE, 4)  # <host>/install/releases/store/<hex>


def connect():
    socket.socket(socket.AF_UNIX).connect(f"{HOST}/state/updater.sock")


ATTEMPTS = {
    "write its release": lambda: open(f"{RELEASE}/bin/agent", "a"),
    "add to its release": lambda: open(f"{RELEASE}/added", "w"),
    "write its record": lambda: open(f"{RELEASE}/.release.json", "a"),
    "change its modes": lambda: os.chmod(f"{RELEASE}/bin/agent", 0o777),
    "rename its release": lambda: os.rename(RELEASE, RELEASE + "x"),
    "switch": lambda: os.unlink(f"{HOST}/install/releases/active"),
    "read the updater's key": lambda: open(f"{HOST}/identity/updater.key"),
    "list the updater's state": lambda: os.listdir(f"{HOST}/state"),
    "read the facts": lambda: open(f"{HOST}/state/apps/agent/releases.json"),
    "open the updater's socket": connect,
    "kill the updater": lambda: os.kill(os.getppid(), 9),
}


def done(attempt):
    try:
        attempt()
    except OSError:
        return False
    return True


DONE = [name for name, attempt in ATTEMPTS.items() if done(attempt)]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"release": os.environ["RELEASE_DIGEST"], "done": DONE}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


address, port = os.environ["AGENT_LISTEN"].rsplit(":", 1)
http.server.ThreadingHTTPServer((address, int(port)), Handler).serve_forever()
