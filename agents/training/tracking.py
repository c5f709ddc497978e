"""Trackers of experiments: the metrics of a run in TensorBoard, Weights & Biases or Trackio as well."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from edgewise.errors import UsageError, shown
from edgewise.files import FileError, read_json, write_atomically

TrackerName = Literal["tensorboard", "wandb", "trackio", "none"]
Row = Mapping[str, Any]
ID = "tracking.json"  # what trackers with a place of their own know the run by
PROJECT = "edgewise"
ARM = re.compile(r"arm/(\d+)_(\w+)")
KNOWN = re.compile(r"[0-9a-f]{12}")
UNFIT = re.compile(r"[^-/\w.]")  # for a name in TensorBoard


class Tracker(Protocol):
    """Where metrics go, beside the run's own records."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take metrics by name."""

    def table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        """Take rows with the same columns."""

    def close(self) -> None:
        """Flush and close the tracker."""


class TensorBoard:
    """Files in the folder tensorboard/ of the run."""

    def __init__(self, path: Path, config: Mapping[str, Any], step: int) -> None:
        """Go on after `step`."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(path / "tensorboard"), purge_step=step + 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in metrics.items():
            self.writer.add_scalar(UNFIT.sub("_", name), value, step)

    def table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        """Add a text with a block for each row."""
        blocks = [
            "\n".join(f"    {line}" for key in row for line in f"{key}: {row[key]}".splitlines())
            for row in rows
        ]
        self.writer.add_text(name, "\n\n---\n\n".join(blocks), step)

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


class WandB:
    """A run of Weights & Biases; WANDB_MODE=offline keeps it in the folder wandb/ of the run."""

    def __init__(self, path: Path, config: Mapping[str, Any], step: int) -> None:
        """Begin the run, or continue it.

        Raises:
            UsageError: If it is refused, as without a key.
        """
        self.wandb = import_module("wandb")
        settings = self.wandb.Settings(silent=True, console="off")
        known = {"id": identity(path), "name": path.name, "config": dict(config)}
        try:
            self.run = self.wandb.init(
                project=PROJECT, dir=str(path), resume="allow", settings=settings, **known
            )
        except self.wandb.Error as error:
            raise UsageError(f"`track` wandb: {error}") from error

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics of a step."""
        self.run.log(dict(metrics), step=step)

    def table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        """Log a table of a step."""
        data = [list(row.values()) for row in rows]
        self.run.log({name: self.wandb.Table(columns=list(rows[0]), data=data)}, step=step)

    def close(self) -> None:
        """Finish, after what is left was sent."""
        self.run.finish()


class Trackio:
    """A run in the local database of Trackio, which `trackio show` shows."""

    def __init__(self, path: Path, config: Mapping[str, Any], step: int) -> None:
        """Begin the run, or continue it."""
        self.trackio = import_module("trackio")
        name = f"{path.name}-{identity(path)[:6]}"
        with redirect_stdout(io.StringIO()):  # it greets
            self.run = self.trackio.init(
                project=PROJECT, name=name, config=dict(config), resume="allow", embed=False
            )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics of a step."""
        self.run.log(dict(metrics), step=step)

    def table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        """Log a table of a step."""
        data = [list(row.values()) for row in rows]
        self.run.log({name: self.trackio.Table(columns=list(rows[0]), data=data)}, step=step)

    def close(self) -> None:
        """Finish, after what is left was written."""
        with redirect_stdout(io.StringIO()):
            self.trackio.finish()


KINDS: Mapping[str, type[TensorBoard | WandB | Trackio]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "trackio": Trackio,
}


class Trackers:
    """All trackers of a run; metrics of arms are logged under the arms' names."""

    def __init__(self, trackers: Sequence[Tracker], arms: Sequence[str]) -> None:
        """Take trackers that are open."""
        self.trackers, self.arms = trackers, arms

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell all of them metrics, by the names that metrics.jsonl has."""
        named = {name_of(name, self.arms): metrics[name] for name in metrics if name != "step"}
        for tracker in self.trackers:
            tracker.log(step, named)

    def table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        """Tell all of them rows, in which an arm is a number, or None; none if there are none."""
        named = [
            {**row, "arm": "" if row["arm"] is None else self.arms[row["arm"]]} for row in rows
        ]
        for tracker in self.trackers if named else ():
            tracker.table(step, name, named)


@contextmanager
def tracking(
    names: Sequence[TrackerName], path: Path, config: Mapping[str, Any], step: int
) -> Iterator[Trackers]:
    """Open the trackers of a run, and close them after the block.

    Args:
        names: Which, of `KINDS`; "none" is none.
        path: The folder of the run.
        config: What the run was started with, and "arms", their names.
        step: From which the run goes on.

    Raises:
        UsageError: If one cannot be opened.
        OSError: If one cannot write.
    """
    with ExitStack() as opened:
        trackers: list[Tracker] = []
        for name in names:
            if name != "none":
                tracker = KINDS[name](path, config, step)
                opened.push(closing(tracker))
                trackers.append(tracker)
        yield Trackers(trackers, config["arms"])


def closing(tracker: Tracker) -> Any:
    """Return what closes a tracker at the end of a block; where the block failed, quietly."""

    def close(kind: type[BaseException] | None, *_: object) -> None:
        with suppress(*((OSError,) if kind else ())):  # a full disk was reported already
            tracker.close()

    return close


def check_trackers(names: Sequence[str]) -> None:
    """Raise ValueError unless every tracker is known and installed.

    >>> check_trackers(["none", "tensorboard"])
    Traceback (most recent call last):
        ...
    ValueError: `track` must be none alone, or trackers, got none tensorboard
    """
    if not names:
        raise ValueError("`track` must be none, or trackers, got nothing")
    if "none" in names and len(names) > 1:
        raise ValueError(f"`track` must be none alone, or trackers, got {' '.join(names)}")
    for name in names:
        if name in ("wandb", "trackio") and find_spec(name) is None:
            raise ValueError(
                f"`track` must be installed, got {name}: pip install 'edgewise[track]'"
            )


def identity(path: Path) -> str:
    """Return what other programs know the run in a folder by, made when it is first asked for.

    Raises:
        FileError: If the file that has it is damaged.
    """
    place = path / ID
    if not place.is_file():
        made = sha256(f"{path.resolve()} {time.time_ns()}".encode()).hexdigest()[:12]
        write_atomically(place, json.dumps({"id": made}) + "\n")
    found = read_json(place).get("id")
    if not isinstance(found, str) or not KNOWN.fullmatch(found):
        raise FileError(f"{place}: `id` must be 12 hexadecimal digits, got {shown(found)}")
    return found


def name_of(name: str, arms: Sequence[str]) -> str:
    """Return the name of a metric with that of its arm.

    >>> name_of("arm/0_reward", ["level 1", "level 2"]), name_of("reward", [])
    ('arm/level 1/reward', 'reward')
    """
    found = ARM.fullmatch(name)
    return f"arm/{arms[int(found[1])]}/{found[2]}" if found else name
