"""Records of a TRL run beside TRL's own files, for `edgewise replay` and reports.

In the output folder: config.json, groups.jsonl and metrics.jsonl as of our own runs, whose step is a
batch of generated completions, of which TRL may make several optimiser steps, or the reverse. In each
of TRL's checkpoints: curriculum.json, and if it was taken in the middle of a batch, what is left of it
on each rank.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper

from edgewise.agents.integrations import records
from edgewise.agents.training import samples
from edgewise.agents.training.run_folder import STATE, RunFolder, read_state
from edgewise.files import FileError, flush
from edgewise.manifest import MANIFEST, check_manifest
from edgewise.wrappers.vector import Curriculum, PromptFormat


def num_batches(args: Any) -> int:
    """Return how many batches TRL will generate with the config `args`."""
    micro_steps: int = args.max_steps * args.gradient_accumulation_steps
    per_batch: int = args.num_iterations * args.steps_per_generation
    return ceil(micro_steps / per_batch)


def refuse_misfit(curriculum: Curriculum, args: Any) -> None:
    """Check that the curriculum's batch and groups have TRL's sizes.

    Raises:
        ValueError: If it does not.
    """
    if args.max_steps < 1:
        raise ValueError(
            f"`max_steps` must be positive, for a curriculum has no epochs, got {args.max_steps}"
        )
    if curriculum.num_envs != args.generation_batch_size:
        raise ValueError(
            f"`curriculum` must have num_envs = {args.generation_batch_size}, "
            f"args.generation_batch_size, got {curriculum.num_envs}"
        )
    if curriculum.lesson.allotment is not None:
        raise ValueError(
            "`curriculum` must be without an allocation: TRL samples as many completions of each "
            "problem"
        )
    if curriculum.lesson.shape[1] != args.num_generations:
        raise ValueError(
            f"`curriculum` must have group_size = {args.num_generations}, args.num_generations, "
            f"got {curriculum.lesson.shape[1]}"
        )
    if curriculum.lesson.rank or curriculum.lesson.gather is not np.asarray:
        raise ValueError(
            "`curriculum` must be without `rank` and `gather`: every rank has the whole of it"
        )
    if curriculum.lesson.learns_after:
        raise ValueError(
            "`curriculum` must have a rule that learns before the update, got "
            f"{type(curriculum.lesson.rule).__name__}; TRL's trainers say nothing of it after"
        )


def refuse_format(curriculum: Curriculum) -> None:
    """Check that there is no `PromptFormat`, since the prompts of turns are messages.

    Raises:
        ValueError: If there is one.
    """
    layer: Any = curriculum
    while isinstance(layer, VectorWrapper):
        if isinstance(layer, PromptFormat):
            raise ValueError(
                "`curriculum` must be without `PromptFormat` where there is an "
                "`environment_factory`: TRL makes the prompts, with the functions to call"
            )
        layer = layer.env


def describe(curriculum: Curriculum, model: Any, args: Any, algorithm: str) -> dict[str, Any]:
    """Return the config of a run for its folder."""
    name = model if isinstance(model, str) else getattr(model.config, "_name_or_path", "")
    return records.describe(
        curriculum,
        algorithm=f"{algorithm} of TRL",
        agent=name or type(model).__name__,
        seed=args.seed,
        num_steps=num_batches(args),
        learning_rate=args.learning_rate,
        trl=json.loads(json.dumps(args.to_dict(), default=str)),
    )


def begin(path: Path, config: Mapping[str, Any]) -> None:
    """Start the records of a new run.

    Raises:
        ValueError: If there are records of another.
    """
    if (path / "groups.jsonl").exists():
        raise ValueError(
            f"`output_dir` must hold no run, got {path}; continue that one with "
            "train(resume_from_checkpoint=True), or name another"
        )
    RunFolder(path).write("config.json", config)


def save(checkpoint: Path, step: int, curriculum: Curriculum) -> None:
    """Write the state of the curriculum into a checkpoint of TRL."""
    checkpoint.mkdir(parents=True, exist_ok=True)
    RunFolder(checkpoint).write(STATE, {"step": step, "curriculum": curriculum.state_dict()})
    for name in ("groups.jsonl", samples.LINES, "metrics.jsonl"):
        flush(checkpoint.parent / name)


def newest_intact(run: RunFolder) -> Path | None:
    """Return the newest checkpoint of TRL that is intact, None if there is none at all.

    Those that are damaged are named in the notes of `run`. One without a manifest was not written to
    its end if an older one has a manifest; where none has, version 0.1 wrote them.

    Raises:
        FileError: If all are damaged.
    """
    found = sorted(run.path.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    damage: list[str] = []
    for place, path in reversed(list(enumerate(found))):
        try:
            if any((older / MANIFEST).exists() for older in found[: place + 1]):
                check_manifest(path)
        except FileError as error:
            damage.append(str(error))
            continue
        run.notes += [f"{reason}; {path.name} is used instead" for reason in damage]
        return path
    if damage:
        raise FileError(f"{'; '.join(damage)}; no checkpoint is intact")
    return None


def load(checkpoint: Path, curriculum: Curriculum) -> int:
    """Restore the curriculum, and return the number of batches that it has learned from.

    Raises:
        ValueError: If the checkpoint has none.
    """
    if not (checkpoint / STATE).exists():
        raise ValueError(
            f"`resume_from_checkpoint` must be of a run under a curriculum, got {checkpoint}"
        )
    step, state = read_state(checkpoint / STATE)
    curriculum.load_state_dict(state)
    return step
