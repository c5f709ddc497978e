"""What of a run is shared: the model, its card, and the metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgewise.agents.training import validation
from edgewise.agents.training.folder_kind import TRAIN, TRL, VERL, check_kind, kind_of
from edgewise.agents.training.run_reading import read_looks
from edgewise.benchmarks.sharing.bundle import README, Bundle, model_files
from edgewise.benchmarks.sharing.public import public_value
from edgewise.benchmarks.sharing.run_card import run_card
from edgewise.files import FileError, read_json, read_jsonl
from edgewise.folder import Folder

METRICS = ("metrics.jsonl", "validation.jsonl", "before.json", "after.json")
MODEL = "model"
TEXTS = ("env",)  # fields of metrics that are no numbers


def scores(path: Path) -> Path | bytes:
    """Return a file of metrics as it is, or with its numbers, and the fields of `TEXTS`, alone.

    Raises:
        FileError: If it has anything else than objects of JSON, to its end.
    """
    is_lines = path.suffix == ".jsonl"
    rows = list(read_jsonl(path, growing=False)) if is_lines else [read_json(path)]
    kept = [numbers(row) for row in rows]
    return path if kept == rows else "".join(f"{json.dumps(row)}\n" for row in kept).encode()


def numbers(value: Any) -> Any:
    """Return JSON with its numbers and nothing else, but for the fields of `TEXTS`.

    >>> numbers({"step": 1, "host": "a", "levels": [{"env": "Countdown-v0", "pass_at_1": 0.5, "by": "b"}]})
    {'step': 1, 'levels': [{'env': 'Countdown-v0', 'pass_at_1': 0.5}]}
    """
    if isinstance(value, dict):
        return {
            name: public_value(inner) if name in TEXTS else numbers(inner)
            for name, inner in value.items()
            if name in TEXTS or not isinstance(inner, str)
        }
    if isinstance(value, list):
        return [numbers(inner) for inner in value if not isinstance(inner, str)]
    return value


def run_bundle(path: Path, repo: str, best: bool = False, licence: str | None = None) -> Bundle:
    """Return what is shared of a training run, its files checked.

    Args:
        path: The folder of the run, which is finished.
        repo: The name of the repository, OWNER/NAME.
        best: Whether the model with the best validation score goes, instead of that of the end.
        licence: Identifier of the licence of the weights.

    Raises:
        FileError: If there is no such model, a file is damaged, or a text has a path of this machine
            or a secret.
        ValueError: If the folder is of something else than a training run.
    """
    check_kind(path, None, TRAIN, TRL, VERL)
    folder = Folder(path)
    if kind_of(path) is None:
        folder.config()  # says what is wrong
        raise FileError(f"{path}: must be the folder of a run, got none")
    looks = read_looks(folder)
    look = validation.best_of(looks) if best else None
    if best and look is None:
        raise FileError(
            f"{path}: must have validations for its best model, got none; see --eval-every"
        )
    weights = model_files(path / (validation.BEST if best else MODEL))
    card = run_card(folder, repo, look, licence)
    for name in METRICS:
        if (path / name).is_symlink():
            raise FileError(f"{path / name}: must be a file of its own, got a link")
    metrics = {
        f"metrics/{name}": scores(path / name) for name in METRICS if (path / name).is_file()
    }
    bundle = Bundle("model", {README: card.encode(), **weights, **metrics})
    bundle.check((path.resolve(), path.absolute()))
    return bundle
