"""Calls on a Ray cluster end as those of a pool, whatever happens to its workers and nodes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgewise.lock import locked
from edgewise.pool import LOST, Pool, WorkerError
from edgewise.ray_cluster import (
    MAX_SOCKET,
    PREFIX,
    SOCKET,
    check_address,
    check_reachable,
    check_short,
    clear,
    cluster,
)
from edgewise.ray_pool import call_many

CALLS = """
import os, time

def run(kind, text):
    if kind == "note":  # the text is the path of a file and a line for it
        path, line = text.split("|")
        with open(path, "a") as file:
            file.write(line + "\\n")
        return line
    if kind == "wait":  # until there is a file
        while not os.path.exists(text):
            time.sleep(0.01)
        return os.getppid()
    if kind == "hang":
        time.sleep(600)
    if kind == "exit":
        os._exit(3)
    if kind == "raise":
        raise KeyError(text)
    return text[::-1]
"""
TEXTS = ["", "a" * 100_000, "\n", "\0", "\ud800", '{"error": 1}', "é漢"]


@pytest.mark.parametrize(
    "address",
    ["", "locals", "local:0", "local:x", "127.0.0.1", "host:", "host:0", "host:70000", "host:1;x"],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="`ray` must "):
        check_address(address)


@pytest.mark.parametrize(
    "address", ["local", "local:8", "auto", "10.0.0.1:6379", "ray://head:10001", "[::1]:6379"]
)
def test_an_address_that_is_one_is_taken(address):
    check_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_whether_somebody_listens_is_asked_of_the_port(address):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = address.format(server.getsockname()[1])
        for asked in (address, "local:2", "auto"):
            check_reachable(asked)
    with pytest.raises(WorkerError, match=f"got {address}: Connection refused; start one"):
        check_reachable(address)


def test_a_folder_whose_name_leaves_no_room_for_sockets_is_refused_with_what_to_set():
    below = f"/{PREFIX}{8 * 'x'}/{SOCKET.format(pid=os.getpid())}"
    longest = MAX_SOCKET - len(below)
    check_short(Path("/".ljust(longest, "a")))
    for home in ("/".ljust(longest + 1, "a"), "/é".ljust(longest, "a")):
        with pytest.raises(WorkerError, match=f"at most {longest} bytes.* set RAY_TMPDIR"):
            check_short(Path(home))
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError, match="too long"):
        sock.bind("/".ljust(MAX_SOCKET + 1, "a"))


def test_what_killed_commands_left_is_removed_and_nothing_else(tmp_path):
    home = tmp_path / "home"
    dead, live, other, young = (home / f"ray-{name}" for name in ("a", "b", "c", "d"))
    outside = tmp_path / "outside"
    for folder in (dead, live, other, young, outside, home / "elsewhere"):
        folder.mkdir(parents=True)
        (folder / "log").touch()
        if folder not in (other, live):
            (folder / ".lock").touch()
        if folder != young:  # whose Ray has not begun
            (folder / "session_latest").symlink_to(folder / "session")
    (home / "ray-link").symlink_to(outside)
    with locked(live):
        clear(home)
    assert {path.name for path in home.iterdir()} == (
        {"ray-b", "ray-c", "ray-d", "ray-link", "elsewhere"}
    )
    assert (outside / "log").exists()


def test_a_node_with_another_version_of_the_package_says_so():
    found = call_many("0.0.1", "textwrap:dedent", 1.0, 2**30, False, [["a"]])
    assert found["error"].startswith("edgewise must be 0.0.1, got ")


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calls")
    (folder / "ray_calls.py").write_text(CALLS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        yield "ray_calls:run"


@pytest.fixture(scope="module")
def ray_pool(calls):
    """Make pools on a cluster of two workers."""
    pytest.importorskip("ray")
    from edgewise.ray_pool import RayPool

    with cluster("local:2"):
        yield RayPool


@pytest.mark.ray
@pytest.mark.slow
class TestCluster:
    def test_results_are_those_of_a_pool(self, ray_pool, calls):
        kinds = ["hang", "exit", "raise", "reverse"]
        jobs = [(kind, text) for text in TEXTS for kind in ("reverse",)] + [(k, "x") for k in kinds]
        with ray_pool(calls, seconds=1.0) as pool, Pool(calls, seconds=1.0) as here:
            assert pool.map(jobs) == here.map(jobs)
            assert pool.map(jobs[-4:]) == [None, None, None, "x"]
        with pytest.raises(WorkerError, match="closed"):
            pool.map([("reverse", "a")])

    def test_a_call_that_raises_is_an_error_where_that_is_asked_for(self, ray_pool, calls):
        with ray_pool(calls, strict=True) as pool:
            with pytest.raises(WorkerError, match=r"on node .*: KeyError: 'why'"):
                pool.map([("raise", "why")])
            assert pool.map([("reverse", "abc")]) == ["cba"]

    def test_a_function_that_no_node_has_is_an_error(self, ray_pool):
        with (
            ray_pool("no_such_module:run") as pool,
            pytest.raises(WorkerError, match="No module named 'no_such_module'"),
        ):
            pool.map([("a",)])

    def test_an_equal_call_is_not_made_again(self, ray_pool, calls, tmp_path):
        job = ("note", f"{tmp_path / 'notes'}|once")
        with ray_pool(calls) as pool:
            assert pool.map([job, job]) == pool.map([job]) * 2 == ["once"] * 2
        assert (tmp_path / "notes").read_text() == "once\n"

    def test_a_call_whose_worker_is_killed_is_made_by_another(self, ray_pool, calls, tmp_path):
        import ray

        gate = tmp_path / "gate"
        with ray_pool(calls, seconds=120.0) as pool:
            first = pool.start([("wait", str(gate))])[0]
            killed = set()
            while len(killed) < 2:  # its worker, and the next
                for pid in at_work(ray) - killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                time.sleep(0.05)
            gate.touch()
            assert first.result() not in killed

    def test_a_call_whose_workers_are_all_killed_is_lost_and_made_when_asked_again(
        self, ray_pool, calls, tmp_path
    ):
        import ray

        gate = tmp_path / "gate"
        with ray_pool(calls, seconds=120.0) as pool:
            job = ("wait", str(gate))
            lost = pool.start([job])[0]
            while not lost.done():
                for pid in at_work(ray):
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
            assert lost.result() is LOST
            gate.touch()
            assert isinstance(pool.map([job])[0], int)


def at_work(ray):
    """Return the processes of Ray whose workers are in a call: parents of a `pool_worker.py`."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            above = Path(f"/proc/{parent}/cmdline").read_bytes()
        except OSError:
            continue
        ours = any(word.endswith(b"pool_worker.py") for word in words) and b"ray_calls:run" in words
        if ours and above.startswith(b"ray::call_many") and descends(parent, os.getpid()):
            found.add(parent)
    return found


def descends(pid, ancestor):
    """Return whether a process is below another."""
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def run(*words, **options):
    command = [sys.executable, "-W", "error", "-m", "edgewise", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("form", ["{}", "ray://{}"])
def test_an_address_where_nobody_listens_is_refused_in_one_line(form, tmp_path):
    pytest.importorskip("ray")
    pytest.importorskip("tyro")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = form.format(f"127.0.0.1:{free.getsockname()[1]}")
        words = ["eval", "--agent", "oracle", "--ray", address]
        done = run(*words, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"must be the address of a cluster that runs, got {address}" in done.stderr
