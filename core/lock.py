"""One process at a time writes to a folder."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOLCK, ENOSYS, ENOTSUP
from pathlib import Path

from edgewise.files import FileError

LOCK = ".lock"  # the file in a folder in use: the process and the host that use it
TRIES = 1_000  # to make a folder that others remove at the same time


@contextmanager
def locked(path: Path, beside: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which is made if it is new, while the block runs.

    The lock is the system's (flock), so one that a killed process had is free. The file goes at the
    end, and so does a folder that was made for it alone. On network file systems a lock holds between
    hosts only if they support it, as NFS does from version 4 and Lustre when mounted with flock; where
    the file system has no locks there is a warning, and none is held.

    Args:
        path: The folder.
        beside: Whether the file is beside `path`, which is a file or is replaced as a whole.

    Raises:
        FileError: If another process holds it, with its id and host.
        OSError: If the folder cannot be made or written.
    """
    folder = path.parent if beside else path
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder}: must be a folder, got a file")
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    place = path.with_name(f".{path.name}{LOCK}") if beside else path / LOCK
    try:
        descriptor = taken(place, path)
        try:
            yield
        finally:
            place.unlink(missing_ok=True)  # before it is free: whoever waits for it sees that
            os.close(descriptor)
    finally:
        with suppress(OSError):  # the first that is not empty
            for part in made:
                part.rmdir()


def taken(place: Path, path: Path) -> int:
    """Return a descriptor of the file `place`, locked, with this process and host in it."""
    if os.name != "posix":
        return opened(place)
    import fcntl

    while True:
        descriptor = opened(place)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            user = os.read(descriptor, 1_000).decode("utf-8", "replace").split()
            os.close(descriptor)
            named = f"process {user[0]} on {user[1]}" if len(user) == 2 else "another process"
            raise FileError(
                f"{path} is in use by {named}; wait for it or choose another --output"
            ) from error
        except OSError as error:
            if error.errno not in (ENOLCK, ENOSYS, ENOTSUP):
                os.close(descriptor)
                raise
            warnings.warn(f"{path} is without a lock: {error.strerror}", stacklevel=4)
        if is_at(descriptor, place):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
            return descriptor
        os.close(descriptor)  # it was let go of and removed between the two calls


def opened(place: Path) -> int:
    """Open the lock file `place`, creating it and its folder; return the descriptor."""
    for _ in range(TRIES):
        with suppress(FileNotFoundError, FileExistsError):  # another has just removed the folder
            place.parent.mkdir(parents=True, exist_ok=True)
            return os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
    place.parent.mkdir(parents=True, exist_ok=True)
    return os.open(place, os.O_RDWR | os.O_CREAT, 0o644)


def is_at(descriptor: int, place: Path) -> bool:
    """Return whether an open file is the one that has the name `place`."""
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False
