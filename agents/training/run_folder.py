"""The folder of a run: config, metrics, group records, checkpoints; safe against a kill at any time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from edgewise.agents.algorithms.config import check_value
from edgewise.agents.policies.policy import Policy
from edgewise.agents.training import samples, validation
from edgewise.agents.training.checkpoint import NEEDED, check, fill
from edgewise.agents.training.folder_kind import check_begun, check_free, kind_of
from edgewise.agents.training.record_fields import Step, checked, is_count
from edgewise.files import (
    PARTIAL,
    Check,
    FileError,
    about,
    decoded,
    flush,
    is_cut_off,
    parsed,
    read_json,
    readable,
    remove,
    replacing,
)
from edgewise.folder import Folder

LINES = ("groups.jsonl", "metrics.jsonl", "problems.jsonl", samples.LINES, validation.LINES)
DAMAGED = ".damaged"  # the end of the name of what was set aside
STATE = "curriculum.json"
Records = Iterator[dict[str, Any]]


class RunFolder(Folder):
    """The files of one run.

    config.json          what the run was started with
    metrics.jsonl        one line a step
    groups.jsonl         one line for each group of a step that the curriculum observed, by "schema"
    problems.jsonl       one line for each problem that a teacher wrote in a step
    samples.jsonl        some completions of each step, as text
    validation.jsonl     one line for each validation
    tensorboard/         the metrics again
    checkpoints/<step>/  model, optimiser, generators, curriculum and environment; the last few
    best/                the model with the best score in validation.jsonl
    before.json, after.json, report.md, report.png, model/

    A group has its problem, its arm and that arm's probability when it was drawn; its place in the
    batch, the round of draws it comes from, and whether it was kept; and, of each completion, the
    reward, whether it is correct, |A|, the length in characters and, of kept groups, the number of
    tokens. Groups that were rejected come after the others of their step, with the
    completions that were made. Where some could not be verified, "verified" says which were; before
    schema 3 all were. In schema 1 no groups were rejected, and lengths were in tokens.
    """

    def __init__(self, path: Path) -> None:
        """Take an existing folder; `create` makes a new one."""
        super().__init__(path)
        self.notes: list[str] = []  # what is damaged, path first, of all that was done so far

    @cached_property
    def run(self) -> str | None:
        """Return what tells this run from others, wherever it lies: of its seed and where it began."""
        config = self.read("config.json") or {}
        if not isinstance(config.get("output"), str):
            return None
        text = json.dumps([config["output"], config.get("seed")])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Make the folder of a new run; one that is there must be empty, but for its lock.

        Raises:
            ValueError: If there is anything else.
        """
        check_free(path)
        (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        folder.write("config.json", config)  # without it there is no run: a kill before leaves none
        flush(path.parent)
        return folder

    @classmethod
    def open(cls, path: Path, argument: str | None = "resume") -> RunFolder:
        """Open the folder of an existing run.

        Args:
            path: The folder.
            argument: The flag that names it; None if it is named without one.

        Raises:
            FileError: If it is none.
        """
        check_begun(path, argument)
        return cls(path)

    def forget_after(
        self,
        step: int,
        sizes: Mapping[str, int] | None = None,
        checks: Mapping[str, Check] | None = None,
    ) -> None:
        """Drop records and checkpoints of later steps, and a line that was cut off.

        What is damaged is set aside, under its name and ".damaged", and named in `notes`, with the
        steps whose records are missing; so is a file with more records of a step than there are, of
        which the first stay.

        Args:
            step: From which the run goes on.
            sizes: How many records each step has in a file, but for groups that were rejected;
                one in metrics.jsonl by default.
            checks: What records of a file must pass, beside having a step.
        """
        for later in self.checkpoints():
            if int(later.name) > step:
                set_aside(later)
        sizes = {"metrics.jsonl": 1} if sizes is None else sizes
        for name in LINES:
            check = (checks or {}).get(name, with_step)
            counts, reasons = self.keep_until(name, step, sizes.get(name), check)
            lacking = missing(counts, step, sizes[name]) if name in sizes else ""
            if not reasons and lacking:
                reasons = [f"{self.path / name}: must have all steps until {step}"]
            if reasons:
                more = f" and {len(reasons) - 1} lines more" if len(reasons) > 1 else ""
                what = f"; {lacking}" if lacking else ""
                self.notes.append(f"{reasons[0]}{more}{what}; the run goes on without")

    def keep_until(
        self, name: str, step: int, size: int | None, check: Check
    ) -> tuple[Counter[int], list[str]]:
        """Truncate a file to the records until a step; return their counts by step, and what is damaged.

        Where a step has more than `size` the first stay, and the file as it was is set aside.
        """
        path, reasons, counts = self.path / name, list[str](), Counter[int]()
        if not path.exists():
            return counts, reasons
        if path.is_dir():
            set_aside(path)
            return counts, [f"{path}: must be a file, got a folder"]
        with replacing(path) as partial:
            with partial.open("w", encoding="utf-8") as file:
                for record in readable_records(path, reasons, check):
                    if record["step"] <= step:
                        counts[record["step"]] += counted(record)
                        if not counted(record) or size is None or counts[record["step"]] <= size:
                            file.write(json.dumps(record) + "\n")
            if reasons or (size is not None and max(counts.values(), default=0) > size):
                shutil.copyfile(path, path.with_name(f"{name}{DAMAGED}"))
        return counts, reasons

    def checkpoint(
        self,
        policy: Policy,
        algorithm: dict[str, Any],
        envs: dict[str, Any],
        keep: int = 1,
    ) -> None:
        """Save a checkpoint atomically, unless it exists, and remove old ones.

        What is there is on the disk itself, with the lines of all steps until now, before any older
        checkpoint goes.

        Args:
            policy: Saves its own weights.
            algorithm: The `state_dict` of the algorithm: tensors, numbers and lists.
            envs: The `state_dict` of the environments: numbers and lists.
            keep: How many of the last checkpoints stay.

        Raises:
            OSError: If it cannot be written; the checkpoints before are as they were.
        """
        final = self.path / "checkpoints" / str(algorithm["step"])
        for left in final.parent.glob(f"*{PARTIAL}"):
            shutil.rmtree(left)
        if not final.exists():
            partial = final.with_name(f"{final.name}{PARTIAL}")
            try:
                fill(partial, policy, algorithm, envs, self.run)
                for name in LINES:
                    if (self.path / name).is_file():
                        flush(self.path / name)
                os.replace(partial, final)
            except OSError as error:
                shutil.rmtree(partial, ignore_errors=True)  # it may be what fills the disk
                if error.filename is None and error.errno:
                    raise OSError(error.errno, error.strerror, str(final)) from error
                raise
            flush(final.parent)
        for old in self.checkpoints()[:-keep]:
            dropped = old.with_name(f"{old.name}{PARTIAL}")
            os.replace(old, dropped)
            shutil.rmtree(dropped)

    def checkpoints(self) -> list[Path]:
        """Return the folders of complete checkpoints, oldest first."""
        place = self.path / "checkpoints"
        if not place.exists():
            return []
        if not place.is_dir():
            raise FileError(f"{place}: must be a folder, got a file")
        found = [path for path in place.iterdir() if path.name.isdecimal()]
        return sorted(found, key=lambda path: int(path.name))

    def newest_intact(self, needed: Collection[str] = NEEDED) -> Path | None:
        """Return the newest checkpoint that is intact, None of a run that has none yet.

        Those that are damaged are named in `notes`.

        Args:
            needed: What a checkpoint of version 0.1, which has no manifest, must have.

        Raises:
            FileError: If all are damaged.
        """
        damage: list[str] = []
        for path in reversed(self.checkpoints()):
            try:
                check(path, needed, self.run)
            except FileError as error:
                damage.append(str(error))
                continue
            instead = f"the checkpoint of step {path.name} is used instead"
            self.notes += [f"{reason}; {instead}" for reason in damage]
            return path
        if damage:
            raise FileError(f"{'; '.join(damage)}; no checkpoint is intact")
        return None

    def to_continue(self) -> Path | None:
        """Return the checkpoint to resume from, None if no step was done.

        Raises:
            FileError: If all are damaged, or there is none and there are records of steps.
        """
        found = self.newest_intact()
        if found is None and any(True for name in LINES for _ in self.lines(name)):
            raise FileError(f"{self.path / 'checkpoints'}: must have a checkpoint, got none")
        return found

    def lacking(self, last: int, name: str = "metrics.jsonl", size: int = 1) -> str:
        """Return a message that names the steps until `last` without `size` records, "" if there are none.

        Raises:
            FileError: If a line is damaged.
        """
        records = self.lines(name, ("step",), checked({"step": Step}))
        lacking = missing(Counter(record["step"] for record in records), last, size)
        return f"{self.path / name}: {lacking}" if lacking else ""

    def last_step(self) -> int:
        """Return the step of the last checkpoint, damaged or not, 0 if there is none."""
        return max((int(path.name) for path in self.checkpoints()), default=0)

    def tell(self) -> None:
        """Print the notes, a line each, on standard error."""
        for note in self.notes:
            print(f"edgewise: {note}", file=sys.stderr)
        self.notes.clear()


def forget_records(path: Path, kind: str) -> None:
    """Drop config and records of a run of `kind` that has no checkpoint yet, so that it can begin again.

    Raises:
        FileError: If there are any that are not known to be of such a run; all is kept then.
    """
    config = path / "config.json"
    if kind_of(path) != kind and any((path / name).exists() for name in (config.name, *LINES)):
        raise FileError(
            f"{config}: must be of {kind}, whose records would begin again, got none or a damaged one; "
            "give `output` another folder"
        )
    for name in (*LINES, config.name):  # which tells the kind until the end
        (path / name).unlink(missing_ok=True)


def set_aside(path: Path) -> None:
    """Rename something damaged to NAME.damaged, replacing an earlier one."""
    aside = path.with_name(f"{path.name}{DAMAGED}")
    remove(aside)
    os.replace(path, aside)


def read_state(path: Path) -> tuple[int, dict[str, Any]]:
    """Read the number of batches that a curriculum has learned from, and its state.

    Raises:
        FileError: If the file is damaged.
    """
    saved = read_json(path)
    step, state = saved.get("step"), saved.get("curriculum")
    if not is_count(step) or not isinstance(state, dict):
        raise FileError(f"{path}: must have the step and the curriculum, got {sorted(saved)}")
    return step, state


def readable_records(path: Path, reasons: list[str], check: Check) -> Records:
    """Yield the records of complete lines that pass `check`; add to `reasons` why others do not.

    Raises:
        FileError: If the file itself cannot be read.
    """
    with readable(path), path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if is_cut_off(line):  # by a kill
                continue
            try:
                record = parsed(decoded(line, path, number), path, number)
                with about(Path(f"{path}:{number}")):
                    with_step(record)
                    check(record)
            except FileError as error:
                reasons.append(str(error))
                continue
            yield record


def with_step(record: Mapping[str, Any]) -> None:
    """Raise ValueError if a record is not of a step."""
    check_value("step", record.get("step"), Step)


def counted(record: Mapping[str, Any]) -> bool:
    """Return whether a record is of a kept group; every step has the same number of these."""
    return record.get("kept", True) is True  # groups that were rejected come on top


def missing(counts: Mapping[int, int], last: int, size: int) -> str:
    """Return which of the steps 1 to `last` do not have `size` records, in words; "" if all do.

    >>> missing({1: 1, 2: 1, 5: 1}, last=6, size=1)
    'the records of steps 3 to 4, 6 are missing'
    >>> missing({1: 1, 2: 2}, last=2, size=1)
    'the records of step 2 are there more than once'
    """
    counts = Counter(counts)
    fewer = [step for step in range(1, last + 1) if counts[step] < size]
    more = [step for step in range(1, last + 1) if counts[step] > size]
    parts = [f"the records of {listed(fewer)} are missing"] if fewer else []
    parts += [f"the records of {listed(more)} are there more than once"] if more else []
    return " and ".join(parts)


def listed(steps: list[int]) -> str:
    """Format step numbers, with ranges.

    >>> listed([4]), listed([1, 2, 3, 7])
    ('step 4', 'steps 1 to 3, 7')
    """
    runs: list[list[int]] = []
    for step in steps:
        if runs and step == runs[-1][-1] + 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(words)}"
