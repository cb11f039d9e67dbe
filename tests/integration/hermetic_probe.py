"""Tried from inside a container: all that a hermetic one must refuse. Prints one JSON object.

    python3 -c SOURCE HOST_PORT FOLDER...

An attempt is `ok`, or the name of the error that it ended with. Standard library only.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

TIMEOUT_S = 5
# Not a real file system, or not one of folders.
_NOT_WALKED = ("/proc", "/sys")


def attempt(action: Callable[[], object]) -> str:
    """Return `ok`, or the name of the error."""
    try:
        action()
    except socket.gaierror as error:
        return f"gaierror {error.errno}"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))
    return "ok"


def connect(host: str, port: int) -> None:
    """Open a connection and close it."""
    socket.create_connection((host, port), TIMEOUT_S).close()


def write(folder: str) -> None:
    """Write a file and remove it."""
    path = Path(folder) / "probe-was-here"
    path.write_text("x")
    path.unlink()


def raise_privileges() -> None:
    """Become root, in a child, so that the rest is tried as before."""
    child = os.fork()
    if child == 0:
        try:
            os.setuid(0)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
    _, status = os.waitpid(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise OSError(code, os.strerror(code))


def writable_folders() -> list[str]:
    """Return every folder in which this user may make a file."""
    found = []
    for folder, names, _ in os.walk("/"):
        names[:] = [name for name in names if os.path.join(folder, name) not in _NOT_WALKED]  # noqa: PTH118
        if os.access(folder, os.W_OK):
            found.append(folder)
    return sorted(found)


def main() -> None:
    """Try everything."""
    host_port, folders = int(sys.argv[1]), sys.argv[2:]
    status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines())
    report = {
        "user": os.getuid(),
        "capabilities": int(status["CapBnd"], 16),
        "no_new_privileges": status["NoNewPrivs"],
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "public address": attempt(lambda: connect("1.1.1.1", 443)),
        "name": attempt(lambda: socket.getaddrinfo("example.org", 443)),
        "host's loopback": attempt(lambda: connect("127.0.0.1", host_port)),
        "engine": attempt(lambda: connect("127.0.0.1", 8080)),
        "root": attempt(raise_privileges),
        "write": {folder: attempt(lambda folder=folder: write(folder)) for folder in folders},
        "writable": writable_folders(),
        "devices": sorted(str(path) for path in Path("/dev").iterdir() if path.is_block_device()),
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
