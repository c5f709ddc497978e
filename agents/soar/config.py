"""The config of a game of SOAR: a preset and what overrides it; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro

from edgewise.agents.algorithms.config import (
    FINITE,
    NUMBER,
    Condition,
    Count,
    Finite,
    Natural,
    Positive,
    Several,
)
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.policies.options import IMPORTANCE_CAP, OWN
from edgewise.agents.soar.pairs import names_halves
from edgewise.agents.soar.presets import GAMES, Game
from edgewise.agents.training.flags import (
    ChatFlags,
    EngineFlags,
    Flags,
    LearnerFlags,
    RunFlags,
    ScaledAdapterFlags,
    ThreadFlags,
)
from edgewise.agents.training.folder_kind import SOAR
from edgewise.agents.training.parts import AdapterPart, ModelPart
from edgewise.agents.training.plan_config import read_size
from edgewise.errors import unknown

OVERRIDES = (
    "num_steps", "num_datasets", "dataset_size", "num_students", "inner_steps", "max_inner_steps",
    "num_hard", "threshold",
)  # fmt: skip  # of the game's sizes
TEACHER_OVERRIDES = {
    "teacher_learning_rate": "learning_rate",
    "teacher_minibatches": "num_minibatches",
}
STUDENT_OVERRIDES = {
    "student_learning_rate": "learning_rate",
    "student_problems": "num_problems",
    "student_group_size": "group_size",
    "student_minibatches": "num_minibatches",
}
Share = Annotated[float, NUMBER, Condition("in (0, 1]", lambda x: 0 < x <= 1), FINITE]


@dataclass(frozen=True)
class GamePlanFlags(Flags):
    """Compute what a game needs, from sizes and rates alone."""

    plan: bool = False
    """Only compute what the game needs of memory and time: no weights are loaded, and no GPU is needed."""
    memory: str | None = None
    """Memory of a GPU, or of the machine with --device cpu, that is planned for: 141GB, 80GB; by default
    that of the one found."""
    mean_tokens: Count = 256
    """Tokens of a completion on average; of a student's, an assumption, at most the game's limit."""
    mean_teacher_tokens: Count = 256
    """Tokens of a teacher's completion on average; an assumption, as above."""
    prompt_tokens: Count = 192
    """Tokens of a student's prompt on average, computed once for all completions of a problem."""
    accepted_ratio: Share = 0.5
    """Share of the teacher's completions that are well formed; an assumption."""
    promotions: tuple[Count, ...] = ()
    """Outer steps after which a student is promoted, each of which lengthens later trainings: 22 83."""
    total_hard: Count = 359
    """Hard training problems, all of which a promoted student answers; 359 of MATH in the paper."""
    sampled_per_second: Positive | None = None
    """Tokens that are sampled in a second; by default vLLM's 12,500 of a model of 8.03 billion weights on an
    H100, in the inverse proportion of the weights."""
    peak_tflops: Positive = 989.0
    """Floating-point operations of the device in a second, in units of 10**12; those of an H100 or H200 in
    bfloat16, by the vendor's data sheet."""
    utilization: Share = 0.33
    """Share of them that scoring and learning reach; that of torchtitan with an 8B model on H100s, without
    compilation."""

    def __post_init__(self) -> None:
        """Check what is planned for.

        Raises:
            ValueError: If the memory is no size, or a flag is given without `plan`.
        """
        super().__post_init__()
        if self.memory is not None:
            read_size(self.memory)
        for name, default in PLANNED.items():
            if not self.plan and getattr(self, name) != default:
                raise ValueError(f"`{name}` must be left out without `plan`")


PLANNED: dict[str, Any] = {
    field.name: field.default for field in fields(GamePlanFlags) if field.name != "plan"
}


@dataclass(frozen=True)
class GameFlags(Flags):
    """The preset, and what overrides its sizes."""

    preset: Annotated[str, tyro.conf.arg(name="game", aliases=["--preset"])] = "seedling"
    """Game of SOAR: seedling, for a CPU; llama-math or llama-harp, with the settings of the paper."""
    agent: str | None = None
    """Model of teacher and student: seedling:NAME or hf:PATH; by default the game's."""
    hard: Path | None = None
    """Hard training problems; JSON lines, by default those beside the model, hard-train.jsonl. Make
    them with `edgewise profile --game PRESET`. Of a file whose rows have a "half" or "split", train or
    test, those for training."""
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
    """Training steps of a student, before the first promotion."""
    max_inner_steps: Count | None = None
    """Training steps of a student after promotions, each of which adds 5, at most."""
    num_hard: Count | None = None
    """Hard problems that an outer step asks each student, M."""
    threshold: Finite | None = None
    """Moving average of rewards above which a student is promoted, tau."""
    teacher_learning_rate: Positive | None = None
    """Learning rate of the teacher, at its highest."""
    student_learning_rate: Positive | None = None
    """Learning rate of the students, at its highest."""
    teacher_minibatches: Count | None = None
    """Parts of the teacher's batch, each an update."""
    student_problems: Count | None = None
    """Problems in a batch of a student."""
    student_group_size: Several | None = None
    """Completions of each of them."""
    student_minibatches: Count | None = None
    """Parts of a student's batch, each an update."""
    seed: Natural = 0
    """Seed of everything that is drawn: problems, data sets and sampled tokens."""
    check: bool = False
    """Only see whether the game can be won: what students gain from the generator's own problems of
    each level, and from problems with wrong answers."""

    def __post_init__(self) -> None:
        """Validate the preset and the number of steps."""
        super().__post_init__()
        if self.preset not in GAMES:
            raise ValueError(unknown("game", self.preset, GAMES))


@dataclass(frozen=True)
class SOARRunConfig(
    GamePlanFlags,
    RunFlags,
    ThreadFlags,
    EngineFlags,
    ScaledAdapterFlags,
    LearnerFlags,
    ChatFlags,
    GameFlags,
):
    """Train a teacher to write problems from which its students learn to solve hard ones."""

    kind: ClassVar[str] = SOAR
    beside_resume: ClassVar[frozenset[str]] = frozenset({"--judge"})

    def check_names(self) -> None:
        """Check the engine, and the models of the game and of the judge."""
        super().check_names()
        for agent in (game_of(self).agent, self.judge):
            if agent is not None:
                model_path(agent)

    def check_folders(self) -> None:
        """Check the folder, and that a file of hard problems that is named is there."""
        super().check_folders()
        if self.hard is not None:
            hard_file(self, game_of(self))

    def model(self, agent: str) -> ModelPart:
        """Return the model of teacher and students, its precision, adapters and engine."""
        return ModelPart(
            agent=agent,
            dtype=self.dtype,
            device=self.device,
            chat=self.chat,
            adapters=AdapterPart.of(self),
            gradient_checkpointing=self.gradient_checkpointing,
            max_tokens_per_pass=self.max_tokens_per_pass,
            sharded=False,
            decode_dtype=None,
            engine=self.engine,
            engine_folder=self.engine_folder,
            endless=False,
        )

    @property
    def run_name(self) -> str:
        """Return soar-PRESET-REWARD-sSEED."""
        return f"soar-{self.preset}-{self.reward}-s{self.seed}"


def game_of(config: SOARRunConfig) -> Game:
    """Return the preset's game with the overrides applied."""
    game = GAMES[config.preset]
    given = {name: getattr(config, name) for name in OVERRIDES}
    sizes = {name: value for name, value in given.items() if value is not None}
    if config.inner_steps is not None and config.max_inner_steps is None:
        # no student takes fewer steps than the first ones
        sizes["max_inner_steps"] = max(game.soar.max_inner_steps, config.inner_steps)
    soar = replace(
        game.soar, **sizes, reward=config.reward, promote=config.promote, seed=config.seed
    )
    teacher = replace(
        game.teacher,
        num_steps=soar.num_steps,
        seed=config.seed,
        **given_of(config, TEACHER_OVERRIDES),
    )
    student = replace(game.student, **given_of(config, STUDENT_OVERRIDES))
    if config.engine != OWN:
        teacher = replace(teacher, importance_cap=IMPORTANCE_CAP)
        student = replace(student, importance_cap=IMPORTANCE_CAP)
    agent = config.agent or game.agent
    form = game.form if config.turns == 1 else f"{game.form}-turns"
    return replace(game, agent=agent, form=form, soar=soar, teacher=teacher, student=student)


def given_of(config: GameFlags, overrides: Mapping[str, str]) -> dict[str, Any]:
    """Return what the flags that are given set, by the fields' names."""
    given = {field: getattr(config, flag) for flag, field in overrides.items()}
    return {field: value for field, value in given.items() if value is not None}


def hard_file(config: SOARRunConfig, game: Game, half: str = "train") -> Path:
    """Return the path of the hard problems.

    Raises:
        ValueError: If there is none.
    """
    named = config.hard
    if half == "test" and named is not None and not (named.is_file() and names_halves(named)):
        named = None  # it has the other half alone
    path = named or Path(model_path(game.agent)) / f"hard-{half}.jsonl"
    if not path.is_file():
        raise ValueError(
            f"`hard` must be a file of hard problems, got {path}; make one with: "
            f"edgewise profile --game {config.preset} --agent {game.agent}"
        )
    return path


def game_record(config: SOARRunConfig) -> dict[str, Any]:
    """Return the game that a run plays, for JSON."""
    record: dict[str, Any] = json.loads(json.dumps(asdict(game_of(config)), default=str))
    return record
