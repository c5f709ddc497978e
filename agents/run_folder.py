"""A run on disk: config, metrics, group records, checkpoints; it survives a kill at any moment."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter

from edgewise.agents.policy import Policy
from edgewise.files import PARTIAL, flush, write_atomically

LINES = ("groups.jsonl", "metrics.jsonl", "problems.jsonl")


class RunFolder:
    """The files of one run.

    config.json          what the run was started with
    metrics.jsonl        one line a step
    groups.jsonl         one line for each group that the curriculum heard of in a step, by "schema"
    problems.jsonl       one line for each problem that a teacher wrote in a step
    tensorboard/         the metrics again
    checkpoints/<step>/  model, optimiser, generators, curriculum and environment; the last few
    before.json, after.json, report.md, report.png, model/

    A group is told by its problem, its arm and that arm's probability when it was drawn; by its place
    in the batch, the round of draws it comes from, and whether it was kept; and, of each completion,
    by the reward, whether it is correct, |A|, the length in characters and, of kept groups, the
    number of tokens. Groups that were rejected come after the others of their step, with the
    completions that were made. Where some could not be verified, "verified" says which were; before
    schema 3 all were. In schema 1 no groups were rejected, and lengths were in tokens.
    """

    def __init__(self, path: Path) -> None:
        """Take an existing folder; `create` makes a new one."""
        self.path = path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Make the folder of a new run.

        Raises:
            ValueError: If there is one already.
        """
        if path.exists():
            raise ValueError(
                f"`output` must not exist, got {path}; continue it with --resume, or name another"
            )
        partial = path.with_name(f"{path.name}{PARTIAL}")  # a kill leaves no folder without config
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "checkpoints").mkdir(parents=True)
        cls(partial).write("config.json", config)
        os.replace(partial, path)
        flush(path.parent)
        return cls(path)

    @classmethod
    def open(cls, path: Path, argument: str = "resume") -> RunFolder:
        """Take up the folder of a run that has begun.

        Args:
            path: The folder.
            argument: What the user calls it.

        Raises:
            ValueError: If it is none.
        """
        if not (path / "config.json").is_file():
            raise ValueError(f"`{argument}` must be the folder of a run, got {path}")
        return cls(path)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        self.write_text(name, json.dumps(content, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a file, whole or not at all."""
        write_atomically(self.path / name, text)

    def read(self, name: str) -> Any:
        """Return the content of a JSON file, None if it is not there."""
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the complete lines of a JSON-lines file."""
        path = self.path / name
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in file if line.endswith("\n"))

    def append(self, name: str, records: list[dict[str, Any]]) -> None:
        """Add lines to a JSON-lines file."""
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)

    @contextmanager
    def curves(self, step: int) -> Iterator[SummaryWriter]:
        """Open the curves of TensorBoard, to go on after `step`."""
        writer = SummaryWriter(str(self.path / "tensorboard"), purge_step=step + 1)
        try:
            yield writer
        except BaseException:
            with suppress(OSError):  # a disk that is full is told already
                writer.close()
            raise
        writer.close()

    def forget_after(self, step: int) -> None:
        """Drop the lines of later steps, and one that was cut off in the middle."""
        for name in LINES:
            if not (self.path / name).is_file():
                continue
            partial = self.path / f"{name}{PARTIAL}"
            with partial.open("w", encoding="utf-8") as file:
                for record in self.lines(name):
                    if record["step"] <= step:
                        file.write(json.dumps(record) + "\n")
            flush(partial)
            os.replace(partial, self.path / name)

    def checkpoint(
        self,
        policy: Policy,
        algorithm: dict[str, Any],
        envs: dict[str, Any],
        keep: int = 1,
    ) -> None:
        """Save all that the next step depends on, whole or not at all, unless it is saved.

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
                fill(partial, policy, algorithm, envs)
                for name in LINES:
                    if (self.path / name).is_file():
                        flush(self.path / name)
                os.replace(partial, final)
            except OSError:
                shutil.rmtree(partial, ignore_errors=True)  # it may be what fills the disk
                raise
            flush(final.parent)
        for old in self.checkpoints()[:-keep]:
            dropped = old.with_name(f"{old.name}{PARTIAL}")
            os.replace(old, dropped)
            shutil.rmtree(dropped)

    def checkpoints(self) -> list[Path]:
        """Return the folders of complete checkpoints, oldest first."""
        found = [path for path in (self.path / "checkpoints").iterdir() if path.name.isdigit()]
        return sorted(found, key=lambda path: int(path.name))

    def restore(self, policy: Policy) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Load the latest checkpoint into `policy`; return both states, None if there is none."""
        found = self.checkpoints()
        if not found:
            return None
        policy.restore(found[-1] / "model")
        algorithm = torch.load(found[-1] / "algorithm.pt", weights_only=True)
        envs = json.loads((found[-1] / "envs.json").read_text(encoding="utf-8"))
        return algorithm, envs


def fill(folder: Path, policy: Policy, algorithm: dict[str, Any], envs: dict[str, Any]) -> None:
    """Write the files of a checkpoint, and wait until they are on the disk."""
    folder.mkdir(parents=True)
    policy.save(folder / "model")
    content = io.BytesIO()  # so that a full disk is an OSError
    torch.save(algorithm, content)
    (folder / "algorithm.pt").write_bytes(content.getvalue())
    (folder / "envs.json").write_text(json.dumps(envs), encoding="utf-8")
    for path in (*folder.rglob("*"), folder):
        flush(path)
