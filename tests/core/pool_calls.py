"""What the workers of `test_pool.py` are asked to do."""

import os
import signal
import time
from pathlib import Path

HOARD = []


def run(kind, text):
    if kind == "note":  # the text is the path of a file and a line for it
        path, line = text.split("|")
        with open(path, "a") as file:
            file.write(line + "\n")
        return line
    if kind == "hold":  # as "note", but it ends when there is a file beside the other
        line = run("note", text)
        while not os.path.exists(text.split("|")[0] + ".released"):
            time.sleep(0.01)
        return line
    if kind == "hang":
        time.sleep(60)
    if kind == "spin":
        while True:
            pass
    if kind == "die":
        os._exit(1)
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "mixed":  # as if killed, then as if crashed
        run("note", text)
        first = len(Path(text.split("|")[0]).read_text().split()) == 1
        os.kill(os.getpid(), signal.SIGKILL if first else signal.SIGSEGV)
    if kind == "raise":
        raise RuntimeError(text)
    if kind == "memory":
        return len(bytearray(int(text)))
    if kind == "hoard":  # and keep what was had
        for _ in range(10_000):
            HOARD.append(bytearray(2**20))
    if kind == "keep":
        HOARD.append(bytearray(int(text)))
        return "kept"
    if kind == "use":
        return str(len(bytearray(int(text))))
    if kind == "half":  # of a reply, whose end is cut off
        os.write(0, b'"half of it')
        os._exit(1)
    return text[::-1]
