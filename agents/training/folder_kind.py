"""Tell folders of runs, evaluations, comparisons and models apart by their config.json; imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgewise.files import PARTIAL, FileError, read_json
from edgewise.lock import LOCK

TRAIN = "a run of `edgewise train`"
TRL = "a run of `edgewise trl`"
VERL = "a run of `edgewise verl`"
SOAR = "a run of `edgewise soar`"
EVALUATION = "an evaluation"
SIMULATED = "a comparison of simulated learners"
SUITE = "a comparison on a suite"
MODEL = "a model"
OTHER = "something else"
SIGNS = {  # the first of these fields that config.json has
    "asked": EVALUATION,
    "game": SOAR,
    "trl": TRL,
    "verl": VERL,
    "arms": TRAIN,
    "num_arms": SIMULATED,
    "model_type": MODEL,
}
READ_BY = {
    TRAIN: "edgewise train --resume, replay, report and view",
    TRL: "edgewise trl --resume, replay, report and view",
    VERL: "edgewise verl --resume, replay, report and view",
    SOAR: "edgewise soar --resume, report and view",
    EVALUATION: "edgewise eval with the same flags, report and view",
    SIMULATED: "edgewise compare with the same flags, which writes its report.md anew, report and view",
    SUITE: "edgewise compare with the same flags, which writes its report.md anew, report and view",
    MODEL: "--agent hf:PATH",
    OTHER: "no command of Edgewise",
}


def kind_of(path: Path) -> str | None:
    """Return the kind of a folder, None if it is damaged or unknown."""
    if not (path / "config.json").is_file():
        return SUITE if (path / "size.json").is_file() else None
    try:
        config: Any = json.loads((path / "config.json").read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(config, dict):
        return None
    return next((kind for sign, kind in SIGNS.items() if sign in config), OTHER)


def check_undamaged(path: Path) -> None:
    """Raise FileError if a folder has a config.json that cannot be read, so that its kind is not known."""
    if kind_of(path) is None and (path / "config.json").is_file():
        read_json(path / "config.json")


def check_free(path: Path) -> None:
    """Raise ValueError unless a run can begin in `path`: it is new, or empty but for its lock."""
    if path.exists() and not (path.is_dir() and is_blank(path)):
        raise ValueError(
            f"`output` must not exist, got {path}; continue it with --resume, or name another"
        )


def check_file(path: Path, argument: str) -> None:
    """Raise ValueError unless a file can be at `path`, which the flag `argument` names."""
    if path.is_dir():
        raise ValueError(f"`{argument}` must be a file, got {path}, which is a folder")
    above = next((folder for folder in path.parents if folder.exists()), path.parent)
    if above.is_file():
        raise ValueError(f"`{argument}` must be in a folder, got {path}; {above} is a file")


def is_blank(path: Path) -> bool:
    """Return whether a folder holds nothing but a lock and leftovers of a run that never began."""
    names = {found.name for found in path.iterdir() if not found.name.endswith(PARTIAL)}
    return names <= {LOCK, "checkpoints"} and not any(path.glob("checkpoints/*"))


def check_begun(path: Path, argument: str | None) -> None:
    """Raise FileError if a folder is not that of a run; `argument` is the flag that names it, if one does."""
    config = path / "config.json"
    if config.is_file():
        return
    if argument is not None:
        raise FileError(f"{config}: `{argument}` must be the folder of a run, got no such file")
    got = "no such folder" if not path.exists() else "a file" if path.is_file() else "no run"
    raise FileError(f"{path}: must be the folder of a run or an evaluation, got {got}")


def check_kind(path: Path, argument: str | None, *wanted: str) -> None:
    """Raise ValueError if a folder is known to be of another kind than wanted.

    Args:
        path: The folder.
        argument: The flag that names it; None if it is named without one.
        wanted: What it may be of.

    Raises:
        ValueError: If it is of something else, with the commands that read it.
    """
    kind = kind_of(path)
    if kind is not None and kind not in wanted:
        one = " or ".join(wanted)
        said = (
            f"{path} must be of {one}, got"
            if argument is None
            else (f"`{argument}` must be of {one}, got {path}, which is of")
        )
        raise ValueError(f"{said} {kind}; that is read by {READ_BY[kind]}")
