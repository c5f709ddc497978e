"""A Ray cluster to call functions on: one that is there, or a small one of this machine."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from edgewise.executor import WorkerError
from edgewise.files import FileError
from edgewise.lock import LOCK, locked
from edgewise.registration import require

LOCAL = re.compile(r"local(:[1-9][0-9]{0,3})?", re.ASCII)
REMOTE = re.compile(r"(ray://)?(\[[0-9a-fA-F:.]+\]|[\w.-]+):([0-9]{1,5})", re.ASCII)
LOCAL_CPUS = 2
STORE = 128 * 2**20  # bytes of the local object store, through which little goes
CONNECT_SECONDS = 5.0  # for somebody to answer at an address
HEALTH_SECONDS = 30.0  # for a cluster to say that it is well, on a busy machine
START_TRIES = 3  # of a local cluster, since a busy machine may be too slow for Ray's own limits
PREFIX = "ray-"  # of the folder of a local cluster
BEGUN = "session_latest"  # what Ray puts into it
SOCKET = "session_0000-00-00_00-00-00_000000_{pid}/sockets/plasma_store"  # the longest name in it
MAX_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes of the path of a socket
ENVIRONMENT = {  # of a local cluster
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_raylet_start_wait_time_s": "300",
}


def check_address(address: str) -> None:
    """Check what `--ray` is given.

    Raises:
        ValueError: If it is no address of a cluster.
    """
    remote = REMOTE.fullmatch(address)
    if address != "auto" and not LOCAL.fullmatch(address) and not remote:
        raise ValueError(
            "`ray` must be local, local:CPUS, auto, HOST:PORT or ray://HOST:PORT, "
            f"got {address[:80]!r}"
        )
    if remote is not None and not 0 < int(remote[3]) < 2**16:
        raise ValueError(f"`ray` must have a port in [1, 65535], got {address[:80]!r}")


def check_reachable(address: str) -> None:
    """Check that somebody listens at the address of a cluster, if it has a port; asks no more.

    Raises:
        WorkerError: If nobody does.
    """
    remote = REMOTE.fullmatch(address)
    if remote is None or LOCAL.fullmatch(address):
        return
    place = remote[2].strip("[]"), int(remote[3])
    try:
        socket.create_connection(place, timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise WorkerError(
            f"`ray` must be the address of a cluster that runs, got {address}: "
            f"{error.strerror or error}; start one with: ray start --head"
        ) from error


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Connect to a cluster while the block runs.

    Args:
        address: "local" for a new one of this machine with two CPUs, "local:CPUS" for one with
            others, "auto" for the one that runs here or that RAY_ADDRESS names, or else its
            HOST:PORT or ray://HOST:PORT.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If it is no such address.
        WorkerError: If there is no cluster, or it cannot be started or joined.
    """
    require("ray")
    check_address(address)
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
        check_address(address)
    previous = signal.getsignal(signal.SIGTERM)  # Ray sets a handler of its own
    try:
        with started(address) if LOCAL.fullmatch(address) else joined(address):
            restore(previous)
            yield
    finally:
        restore(previous)


def restore(handler: Any) -> None:
    """Set the handler of SIGTERM in the main thread, which alone may."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def started(address: str) -> Iterator[None]:
    """Start a cluster of this machine, and end it and remove its files afterwards."""
    cpus = int(address.partition(":")[2] or LOCAL_CPUS)
    settings = dict(ENVIRONMENT)
    if "ray" not in sys.modules or token.cache_info().currsize:  # else Ray has read its own already
        settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token()}
    home = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()).absolute()
    check_short(home)
    clear(home)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    with locked(folder), variables(settings):
        import ray  # which reads them

        try:
            begin(
                num_cpus=cpus,
                num_gpus=0,
                object_store_memory=STORE,
                include_dashboard=False,
                _temp_dir=str(folder),
            )
            yield
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)  # Ray may write a last line yet


def check_short(home: Path) -> None:
    """Check that the sockets of a cluster have room for their paths in a folder below `home`.

    Raises:
        WorkerError: If they have not.
    """
    below = Path(PREFIX + 8 * "x", SOCKET.format(pid=os.getpid()))
    room = MAX_SOCKET - 1 - len(os.fsencode(below))
    if (length := len(os.fsencode(home))) > room:
        raise WorkerError(
            f"the path of `RAY_TMPDIR`, or of the system's temporary folder, must have at most {room} bytes, "
            f"for Ray's sockets, got {length}: {home}; set RAY_TMPDIR to a shorter one, such as /tmp"
        )


def clear(home: Path) -> None:
    """Remove the folders of local clusters whose commands were killed: nobody holds their locks."""
    for folder in home.glob(f"{PREFIX}*"):
        with suppress(OSError, FileError):  # it is in use, or just removed
            is_own = stat.S_ISDIR(folder.lstat().st_mode) and folder.lstat().st_uid == os.getuid()
            if is_own and (folder / LOCK).is_file() and (folder / BEGUN).is_symlink():
                with locked(folder):
                    shutil.rmtree(folder)


@contextmanager
def variables(settings: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the block runs."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@cache
def token() -> str:
    """Return what lets this process, and nobody else, use the clusters that it starts."""
    return secrets.token_hex(32)


def begin(**options: Any) -> None:
    """Start Ray here, again where a busy machine was too slow for it.

    Raises:
        WorkerError: If it does not start.
    """
    import ray

    for attempt in range(START_TRIES):
        try:
            connect(address="local", **options)
            return
        except WorkerError:
            ray.shutdown()
            if attempt == START_TRIES - 1:
                raise


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Join a cluster that is there."""
    import ray

    check_reachable(address)
    remote = REMOTE.fullmatch(address)
    if remote is not None and remote[1] is None:
        check_health(address)
    connect(address=address)
    try:
        yield
    finally:
        ray.shutdown()


def check_health(address: str) -> None:
    """Ask Ray's own command whether a cluster answers, which `ray.init` waits for in vain.

    Raises:
        WorkerError: If none does, or not to the token of this machine.
    """
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=HEALTH_SECONDS)
    except subprocess.TimeoutExpired:
        reason = f"no cluster answers within {HEALTH_SECONDS:g} s"
    else:
        if asked.returncode == 0:
            return
        reason = (asked.stderr.strip().splitlines() or ["it is not healthy"])[-1][:500]
    raise WorkerError(f"`ray` must be the address of a cluster that runs, got {address}: {reason}")


def connect(**options: Any) -> None:
    """Call `ray.init` without its words.

    Raises:
        WorkerError: If it fails, in the words of Ray.
    """
    import ray

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is the error, too
            ray.init(log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:  # of which Ray raises many, also just that
        told = " ".join(str(error).split())[:500]
        raise WorkerError(f"Ray at {options['address']}: {type(error).__name__}: {told}") from error
