"""One process at a time writes to a folder, and a killed one leaves it free."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

from edgewise.files import FileError
from edgewise.lock import LOCK, locked

HOLD = """
import sys
from pathlib import Path
from edgewise.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """Start a process that holds the lock of a folder until its input ends."""
    started = []

    def start(path):
        command = [sys.executable, "-c", HOLD, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.communicate()


def test_a_folder_in_use_is_refused_with_the_process_and_the_host(tmp_path, holder):
    path = tmp_path / "run"
    process = holder(path)
    whose = f"in use by process {process.pid} on {socket.gethostname()}; wait for it or choose"
    with pytest.raises(FileError, match=f"^{re.escape(str(path))} is {re.escape(whose)}"):
        locked(path).__enter__()
    assert (path / LOCK).read_text() == f"{process.pid} {socket.gethostname()}\n"
    process.communicate()
    with locked(path):
        assert (path / LOCK).read_text().startswith(f"{os.getpid()} ")


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    process = holder(tmp_path / "run")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "run" / LOCK).exists()
    with locked(tmp_path / "run"):
        pass


def test_nothing_is_left_of_a_lock(tmp_path):
    (tmp_path / "old").mkdir()
    for path in (tmp_path / "old", tmp_path / "new" / "run"):
        with pytest.raises(KeyError), locked(path):
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert not list((tmp_path / "old").iterdir())
    with locked(tmp_path / "new" / "run"):
        (tmp_path / "new" / "run" / "file").touch()
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["file"]


def test_the_lock_of_a_file_is_beside_it(tmp_path):
    path = tmp_path / "profile.jsonl"
    with locked(path, beside=True):
        with pytest.raises(FileError, match=r"^.*profile\.jsonl is in use by process"):
            locked(path, beside=True).__enter__()
        with locked(tmp_path):  # is another one
            pass
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_folder_to_lock(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file: must be a folder, got a file"):
        locked(tmp_path / "file").__enter__()


def test_a_lock_that_moves_between_threads_is_held_by_one_at_a_time(tmp_path):
    inside, most, refused = [], [], []

    def work():
        for _ in range(200):
            try:
                with locked(tmp_path / "run"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except FileError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and len(most) + len(refused) == 800
