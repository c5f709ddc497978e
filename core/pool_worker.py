"""The script of a worker of `Pool`, which imports nothing but what its function does.

python -P pool_worker.py FUNCTION SECONDS MEMORY
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from pkgutil import resolve_name

OUTSIDE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # ends a worker, and raises nothing in it


def work(function: str, seconds: str, memory: str) -> None:
    """Answer the calls that come in at the standard input, a socket, until it is closed."""
    line = socket.socket(fileno=0)
    stream = line.makefile("rb")
    try:
        called = resolve_name(function)
    except Exception as error:
        line.sendall(json.dumps(f"{type(error).__name__}: {error}").encode() + b"\n")
        return
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    for number in (signal.SIGALRM, *OUTSIDE):
        signal.signal(number, signal.SIG_DFL)
    line.sendall(b"ready\n")
    for request in stream:
        signal.setitimer(signal.ITIMER_REAL, float(seconds) + 1)  # should the caller be gone
        try:
            reply = json.dumps(called(*json.loads(request)))
        except MemoryError:
            os._exit(1)  # what filled the memory may stay; a fresh process does not have it
        except Exception as error:
            reply = "!" + json.dumps(f"{type(error).__name__}: {error}"[:1000])
        signal.setitimer(signal.ITIMER_REAL, 0)
        line.sendall(reply.encode() + b"\n")


if __name__ == "__main__":
    work(*sys.argv[1:])
