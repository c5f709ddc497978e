"""The config of a game of SOAR: a preset and what overrides it; imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from edgewise.agents.algorithms.config import Count, Finite, Natural, Positive, Several
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.soar.presets import GAMES, Game
from edgewise.agents.training.flags import (
    ChatFlags,
    Flags,
    LearnerFlags,
    RunFlags,
    ThreadFlags,
)
from edgewise.agents.training.folder_kind import SOAR
from edgewise.errors import unknown

OVERRIDES = (
    "num_steps", "num_datasets", "dataset_size", "num_students", "inner_steps", "threshold",
)  # fmt: skip  # of the game's sizes


@dataclass(frozen=True)
class GameFlags(Flags):
    """The preset, and what overrides its sizes."""

    preset: str = "seedling"
    """Game: seedling, for a CPU; llama-math or llama-harp, with the settings of the paper."""
    agent: str | None = None
    """Model of teacher and student: seedling:NAME or hf:PATH; by default the game's."""
    hard: Path | None = None
    """Hard training problems, JSON lines; by default those beside the model, hard-train.jsonl. Make
    them with `edgewise profile --fail-at 128`."""
    reward: Literal["grounded", "learnability"] = "grounded"
    """Reward of the teacher: its students' gains on hard problems, or that of Intrinsic-T."""
    promote: bool = True
    """Whether students that gained enough become the baseline."""
    turns: Literal[1, 2] = 1
    """Whether the teacher writes a problem at once, which must be well formed, or the question and
    then its answer, of which nothing is filtered."""
    judge: str | None = None
    """Model that judges the problems for the report, hf:PATH, where the domain has no reference
    solver; also with --resume, which writes the report of a run that is over again."""
    num_steps: Count | None = None
    """Outer steps; by default the preset's, as for the flags below."""
    num_datasets: Several | None = None
    """Data sets in an outer step, g."""
    dataset_size: Count | None = None
    """Problems of a data set, n."""
    num_students: Count | None = None
    """Students on each data set, r."""
    inner_steps: Count | None = None
    """Training steps of a student."""
    threshold: Finite | None = None
    """Moving average of rewards above which a student is promoted, tau."""
    teacher_learning_rate: Positive | None = None
    """Learning rate of the teacher, at its highest."""
    student_learning_rate: Positive | None = None
    """Learning rate of the students, at its highest."""
    seed: Natural = 0
    """Seed of everything that is drawn."""
    check: bool = False
    """Only see whether the game can be won: what students gain from the generator's own problems of
    each level, and from problems with wrong answers."""

    def __post_init__(self) -> None:
        """Validate the preset and the number of steps."""
        super().__post_init__()
        if self.preset not in GAMES:
            raise ValueError(unknown("preset", self.preset, GAMES))


@dataclass(frozen=True)
class SOARRunConfig(RunFlags, ThreadFlags, LearnerFlags, ChatFlags, GameFlags):
    """Train a teacher to write problems from which its students learn to solve hard ones."""

    kind: ClassVar[str] = SOAR
    beside_resume: ClassVar[frozenset[str]] = frozenset({"--judge"})

    @property
    def run_name(self) -> str:
        """Return soar-PRESET-REWARD-sSEED."""
        return f"soar-{self.preset}-{self.reward}-s{self.seed}"


def game_of(config: SOARRunConfig) -> Game:
    """Return the preset's game with the overrides applied."""
    game = GAMES[config.preset]
    given = {name: getattr(config, name) for name in OVERRIDES}
    sizes = {name: value for name, value in given.items() if value is not None}
    if config.inner_steps is not None:  # no student takes fewer steps than the first ones
        sizes["max_inner_steps"] = max(game.soar.max_inner_steps, config.inner_steps)
    soar = replace(
        game.soar, **sizes, reward=config.reward, promote=config.promote, seed=config.seed
    )
    teacher = replace(game.teacher, num_steps=soar.num_steps, seed=config.seed)
    student = game.student
    if config.teacher_learning_rate is not None:
        teacher = replace(teacher, learning_rate=config.teacher_learning_rate)
    if config.student_learning_rate is not None:
        student = replace(student, learning_rate=config.student_learning_rate)
    agent = config.agent or game.agent
    form = game.form if config.turns == 1 else f"{game.form}-turns"
    return replace(game, agent=agent, form=form, soar=soar, teacher=teacher, student=student)


def hard_file(config: SOARRunConfig, game: Game, half: str = "train") -> Path:
    """Return the path of the hard problems.

    Raises:
        ValueError: If there is none.
    """
    named = config.hard if half == "train" else None
    path = named or Path(model_path(game.agent)) / f"hard-{half}.jsonl"
    if not path.is_file():
        raise ValueError(
            f"`hard` must be a file of hard problems, got {path}; make one with: "
            f"edgewise profile --env {game.env} --agent {game.agent} --fail-at 128"
        )
    return path


def game_record(config: SOARRunConfig) -> dict[str, Any]:
    """Return the game that a run plays, for JSON."""
    record: dict[str, Any] = json.loads(json.dumps(asdict(game_of(config)), default=str))
    return record
