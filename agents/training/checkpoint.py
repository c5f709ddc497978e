"""Save, verify and load checkpoints: the state of a run, with a manifest of checksums.

model/        as the policy saves it
algorithm.pt  the `state_dict` of the algorithm: tensors, numbers and lists
envs.json     the `state_dict` of the environments: numbers and lists
manifest.json size and SHA-256 of each file; version 0.1 wrote none
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError, safe_open

from edgewise.agents.policies.memory import give_back
from edgewise.agents.policies.policy import Policy
from edgewise.agents.policies.sampling import is_out_of_memory
from edgewise.files import FileError, flush, read_json, readable
from edgewise.manifest import MANIFEST, check_manifest, write_manifest

ALGORITHM, ENVS = NEEDED = ("algorithm.pt", "envs.json")
UNLOADABLE = (
    UnpicklingError, RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError,
    EOFError, ArithmeticError,
)  # fmt: skip  # what torch.load raises of damaged content


def fill(
    folder: Path,
    policy: Policy,
    algorithm: dict[str, Any],
    envs: dict[str, Any],
    run: str | None = None,
) -> None:
    """Write the files of a checkpoint of a run, the manifest last, and fsync them."""
    give_back()  # what the step freed, before the weights are copied
    folder.mkdir(parents=True)
    policy.save(folder / "model")
    with open(folder / ALGORITHM, "wb") as file:  # given a path, a full disk is no OSError
        torch.save(algorithm, file)
    (folder / ENVS).write_text(json.dumps(envs), encoding="utf-8")
    write_manifest(folder, run)
    for path in (*folder.rglob("*"), folder):
        flush(path)


def check(folder: Path, needed: Collection[str] = NEEDED, run: str | None = None) -> None:
    """Verify a checkpoint by its manifest; without one (version 0.1), by the formats of its files.

    Args:
        folder: The checkpoint.
        needed: Files that one without a manifest must have.
        run: The run that it must be of, where it tells one.

    Raises:
        FileError: If it is damaged, or of another run.
    """
    if (folder / MANIFEST).exists():
        check_manifest(folder, run)
        return
    for name in needed:
        if not (folder / name).is_file():
            raise FileError(f"{folder / name}: must be a file of the checkpoint, got none")
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".safetensors":
            check_weights(path)
        elif path.suffix == ".pt":
            check_archive(path)


def check_weights(path: Path) -> None:
    """Raise FileError if a safetensors file is truncated."""
    try:
        with readable(path), safe_open(path, "pt"):
            pass
    except SafetensorError as error:
        raise FileError(f"{path}: must be a whole file of safetensors, got {error}") from error


def check_archive(path: Path) -> None:
    """Raise FileError if a `torch.save` file is damaged, by the checksums of its archive."""
    try:
        with readable(path), ZipFile(path) as archive:
            damaged = archive.testzip()
    except (BadZipFile, NotImplementedError) as error:
        raise FileError(f"{path}: must be a file of torch.save, got {error}") from error
    if damaged is not None:
        raise FileError(f"{path}: must be as it was written, got another content of {damaged}")


def load(folder: Path, policy: Policy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Load a checkpoint into `policy`; return the states of algorithm and environments.

    Raises:
        FileError: If a file cannot be loaded.
    """
    restore(folder / "model", policy)
    return read_tensors(folder / ALGORITHM), read_json(folder / ENVS)


def restore(folder: Path, policy: Policy) -> None:
    """Load the weights in a folder into `policy`.

    Raises:
        FileError: If they cannot be loaded, or are of another model.
    """
    try:
        with readable(folder):
            policy.restore(folder)
    except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if isinstance(error, FileError) or is_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FileError(f"{folder}: must have the weights of the model, got: {reason}") from error


@contextmanager
def loading(path: Path) -> Iterator[None]:
    """Name the file `path` in what is raised while the block continues from what it holds.

    Raises:
        FileError: If it has the state of another kind of run, or of another model.
    """
    try:
        yield
    except UNLOADABLE as error:
        if isinstance(error, FileError) or is_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FileError(f"{path}: must have the state of this run, got: {reason}") from error


def read_tensors(path: Path) -> dict[str, Any]:
    """Load a `torch.save` file of tensors, numbers, strings and lists, without unpickling others.

    Raises:
        FileError: If it is anything else.
    """
    try:
        with readable(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about what is then refused
            found: Any = torch.load(path, weights_only=True)
    except FileError:
        raise
    except UNLOADABLE as error:
        if is_out_of_memory(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FileError(f"{path}: must be a file of torch.save, got: {reason}") from error
    if not isinstance(found, dict):
        raise FileError(f"{path}: must hold states by name, got {type(found).__name__}")
    return found
