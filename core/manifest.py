"""The sizes and checksums of the files of a folder, by which damage is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from edgewise.files import FileError, read_json, readable, write_atomically

MANIFEST = "manifest.json"


def write_manifest(folder: Path, run: str | None = None) -> None:
    """Write the size and the SHA-256 of every file of a folder, below it too, into manifest.json.

    Args:
        folder: The folder.
        run: What tells the run that it is of from others, if it is of one.
    """
    files = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    told = {"files": files} if run is None else {"run": run, "files": files}
    write_atomically(folder / MANIFEST, json.dumps(told, indent=2) + "\n")


def check_manifest(folder: Path, run: str | None = None) -> None:
    """Check the files of a folder against its manifest.json; other files do not count.

    Args:
        folder: The folder.
        run: The run that it must be of, where the manifest tells one.

    Raises:
        FileError: If one is missing or another than it was, the manifest is damaged, or it is of
            another run.
    """
    if run is not None and read_json(folder / MANIFEST).get("run", run) != run:
        raise FileError(
            f"{folder}: must be of this run, got that of another `output` or `seed` of config.json"
        )
    for path, recorded in entries(folder):
        with readable(path):
            size = path.stat().st_size
            if not path.is_file():
                raise FileError(f"{path}: must be a file, got a folder")
            if size != recorded["size"]:
                raise FileError(f"{path}: must have {recorded['size']} bytes, got {size}")
            if sha256(path) != recorded["sha256"]:
                raise FileError(f"{path}: must be as it was written, got another content")


def entries(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the path of each file that a manifest names, with what it tells of it."""
    path = folder / MANIFEST
    files = read_json(path).get("files")
    if not isinstance(files, dict) or not files:
        raise FileError(f"{path}: must have the files of the folder, got {files!r:.50}")
    for name, recorded in files.items():
        below = PurePosixPath(name)
        if below.is_absolute() or ".." in below.parts or "\0" in name:
            raise FileError(f"{path}: must name files of the folder, got {name!r}")
        if not isinstance(recorded, dict) or not {"size", "sha256"} <= recorded.keys():
            raise FileError(f"{path}: must have size and sha256 of {name!r}, got {recorded!r:.50}")
        yield folder / below, recorded


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
