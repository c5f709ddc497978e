"""A game of SOAR in a run folder: what the command line shows, and what continues after a stop."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from edgewise.agents.policies.chat import encode_prompt, read_chat_options, today
from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.policies.options import Precision
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.game import Heard, play, start
from edgewise.agents.soar.pairs import Pair, hard_pairs, save_pairs
from edgewise.agents.soar.posing import FORMATS
from edgewise.agents.soar.presets import GAMES, Game
from edgewise.agents.soar.student import PolicyStudent
from edgewise.agents.soar.teacher import PolicyTeacher
from edgewise.agents.training.run_folder import RunFolder
from edgewise.errors import unknown
from edgewise.fields import build, convert
from edgewise.files import about, replacing
from edgewise.frame import Frame

OVERRIDES = (
    "num_steps", "num_datasets", "dataset_size", "num_students", "inner_steps", "threshold",
)  # fmt: skip  # of the game's sizes


@dataclass(frozen=True)
class SOARRunConfig:
    """Train a teacher to write problems from which its students learn to solve hard ones."""

    preset: str = "seedling"
    """Game: seedling, for a CPU; llama-math or llama-harp, with the settings of the paper."""
    agent: str | None = None
    """Model of teacher and student: seedling:NAME or hf:PATH; by default the game's."""
    hard: Path | None = None
    """Hard training problems, JSON lines; by default those beside the model, hard-train.jsonl. Make
    them with `edgewise profile --fail-at 128`."""
    reward: Literal["grounded", "learnability"] = "grounded"
    """What the teacher is paid for: its students' gains on hard problems, or Intrinsic-T's."""
    promote: bool = True
    """Whether students that gained enough become the baseline."""
    turns: Literal[1, 2] = 1
    """Whether the teacher writes a problem at once, which must be well formed, or the question and
    then its answer, of which nothing is filtered."""
    judge: str | None = None
    """Model that judges the problems for the report, hf:PATH, where the domain has no reference
    solver; also with --resume, which writes the report of a run that is over again."""
    num_steps: int | None = None
    """Outer steps; by default the game's, as with what follows."""
    num_datasets: int | None = None
    """Data sets in an outer step, g."""
    dataset_size: int | None = None
    """Problems of a data set, n."""
    num_students: int | None = None
    """Students on each data set, r."""
    inner_steps: int | None = None
    """Training steps of a student."""
    threshold: float | None = None
    """Moving average of rewards above which a student is promoted, tau."""
    teacher_learning_rate: float | None = None
    """Learning rate of the teacher, at its highest."""
    student_learning_rate: float | None = None
    """Learning rate of the students, at its highest."""
    chat_template_kwargs: str = "{}"
    """What the chat template of the model is told, JSON: {"enable_thinking": false}."""
    chat_date: str | None = None
    """Day that chat templates take for today, YYYY-MM-DD; by default that on which the run begins."""
    seed: int = 0
    """Seed of everything that is drawn."""
    output: Path | None = None
    """Folder of the run, which must not exist; by default a new one under runs/."""
    resume: Path | None = None
    """Folder of a run to continue where it stopped; other flags must be left out."""
    check: bool = False
    """Only see whether the game can be won: what students gain from the generator's own problems of
    each level, and from problems with wrong answers."""
    gradient_checkpointing: bool = False
    """Whether passes are computed again for the gradient, which takes less memory and more time."""
    dtype: Precision = "float32"
    """Precision of the weights."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the models compute."""
    threads: int = 1
    """Threads of torch."""

    def __post_init__(self) -> None:
        """Check what nothing else checks."""
        if self.preset not in GAMES:
            raise ValueError(unknown("preset", self.preset, GAMES))
        read_chat_options(self.chat_date, self.chat_template_kwargs)
        for name in ("num_steps", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")


def game_of(config: SOARRunConfig) -> Game:
    """Return the game with what the command line overrides."""
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
    """Return the file of hard problems.

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


class SOARRun:
    """A game in progress."""

    def __init__(self, config: SOARRunConfig, folder: RunFolder) -> None:
        """Load the models, and take up the last checkpoint if there is one.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder, self.game = config, folder, game_of(config)
        self.policy = make_policy(config, self.game)
        every = hard_pairs(hard_file(config, self.game), self.game.question)
        self.hard: list[Pair] = within_reach(self.policy, self.game, every)
        self.num_too_long = len(every) - len(self.hard)
        self.teacher = make_teacher(self.policy, self.game)
        self.student = make_student(config, self.game)
        self.state = start(self.student, self.game.soar)
        saved = folder.restore(self.policy)
        if saved is None:
            self.save()
        else:
            self.teacher.load_state_dict(saved[0]["teacher"])
            self.state.load_state_dict(saved[0]["game"])
            written = self.game.soar.num_datasets * self.game.soar.dataset_size
            sizes = {"metrics.jsonl": 1, "problems.jsonl": written}
            folder.forget_after(self.state.step, sizes)
            if self.state.best:
                save_pairs(folder.path / "best.jsonl", self.state.best)

    def save(self) -> None:
        """Write a checkpoint."""
        states = {
            "step": self.state.step,
            "teacher": self.teacher.state_dict(),
            "game": self.state.state_dict(),
        }
        self.folder.checkpoint(self.policy, states, {}, keep=2)

    def steps(
        self, heard: Heard = lambda done, total: None
    ) -> Generator[dict[str, Any], None, None]:
        """Play, saving after each outer step and yielding its metrics; `heard` is as in `play`."""
        began = time.perf_counter()
        game = play(self.teacher, self.student, self.hard, self.game.soar, self.state, heard)
        for metrics in game:
            metrics["time/step_seconds"] = time.perf_counter() - began
            self.folder.append("metrics.jsonl", [metrics])
            self.folder.append("problems.jsonl", [asdict(pair) for pair in self.state.written])
            if metrics.get("promoted"):
                save_pairs(self.folder.path / "best.jsonl", self.state.best)
            self.save()
            yield metrics
            began = time.perf_counter()
        if self.state.stopped:
            self.folder.write("stopped.json", {"why": self.state.stopped})

    def finish(self) -> None:
        """Write teacher and promoted student, for `hf:PATH`."""
        with replacing(self.folder.path / "teacher") as partial:
            self.policy.export(partial)
        self.student.restore(self.state.champion or self.state.baseline)
        with replacing(self.folder.path / "student") as partial:
            self.student.policy.export(partial)


def make_policy(config: SOARRunConfig, game: Game) -> TransformersPolicy:
    """Return the model that teacher and student begin with."""
    chat = read_chat_options(config.chat_date, config.chat_template_kwargs)
    policy = load_policy(game.agent, config.dtype, config.device, chat)
    policy.gradient_checkpointing = config.gradient_checkpointing
    return policy


def within_reach(policy: TransformersPolicy, game: Game, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the problems that the model has room for, in a prompt and a completion.

    Raises:
        ValueError: If it has none, or not for the teacher's prompt.
    """
    if policy.positions is None:
        return list(pairs)
    prompt = Frame(chat=game.chat).text(FORMATS[game.form].prompt, policy.render)
    needed = len(encode_prompt(policy.tokenizer, prompt)) + game.teacher.sampling.max_tokens
    frame, room = game.exam.frame, policy.positions - game.student.max_tokens
    texts = [game.exam.template.replace("{problem}", pair.question) for pair in pairs]
    lengths = [
        len(encode_prompt(policy.tokenizer, frame.text(text, policy.render))) for text in texts
    ]
    needed = max(needed, min(lengths) + game.student.max_tokens)
    if needed > policy.positions:
        raise ValueError(
            f"`agent` must have at least {needed} positions, for the prompts and completions of "
            f"teacher and students, got a model of {policy.positions}"
        )
    return [pair for pair, length in zip(pairs, lengths, strict=True) if length <= room]


def make_teacher(policy: TransformersPolicy, game: Game) -> PolicyTeacher:
    """Return the teacher, its prompt in the model's own markup if it is a chat."""
    form = FORMATS[game.form]
    prompt = Frame(chat=game.chat).text(form.prompt, policy.render)
    return PolicyTeacher(policy, prompt, form, game.teacher)


def make_student(config: SOARRunConfig, game: Game) -> PolicyStudent:
    """Return a student with the weights of the model as it was loaded."""
    return PolicyStudent(make_policy(config, game), game.exam, game.student)


def begin(config: SOARRunConfig) -> SOARRun:
    """Start a new run.

    Raises:
        ValueError: If any part of `config` is refused, or the folder exists.
    """
    game = game_of(config)
    hard_pairs(hard_file(config, game), game.question)
    if config.judge is not None:
        model_path(config.judge)
    output, day = config.output or default_output(config), config.chat_date or today()
    config = replace(config, output=output, chat_date=day)
    within_reach(
        make_policy(config, game), game, hard_pairs(hard_file(config, game), game.question)
    )
    assert config.output is not None
    record = json.loads(json.dumps(asdict(config), default=str))
    return SOARRun(config, RunFolder.create(config.output, {**record, "game": game_record(config)}))


def game_record(config: SOARRunConfig) -> dict[str, Any]:
    """Return the game that a run plays, for JSON."""
    record: dict[str, Any] = json.loads(json.dumps(asdict(game_of(config)), default=str))
    return record


def resume(path: Path) -> SOARRun:
    """Continue the run in `path`.

    Raises:
        ValueError: If there is none, or its game has other settings now.
    """
    folder = RunFolder.open(path)
    return SOARRun(config_of(folder), folder)


def config_of(folder: RunFolder) -> SOARRunConfig:
    """Return the config of the run in `folder`.

    Raises:
        ValueError: If it is of another kind, or its game has other settings now.
    """
    record, path = folder.config(), folder.path
    if "game" not in record:
        raise ValueError(f"`resume` must be the folder of a run of `edgewise soar`, got {path}")
    with about(path / "config.json"):
        config = from_record(record)
        played: Mapping[str, Any] = convert(record["game"], Mapping[str, Any], "game")
    if changed := [
        name for name, now in game_record(config).items() if differs(played.get(name), now)
    ]:
        raise ValueError(
            f"`resume` must be of the game as it is now, got {path} with another {changed[0]!r}; "
            "begin a new run"
        )
    return config


def differs(recorded: Any, now: Any) -> bool:
    """Return whether a part of a game is another one now; what was not recorded may be anything."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return any(name not in now or differs(part, now[name]) for name, part in recorded.items())
    return bool(recorded != now)


def from_record(record: Mapping[str, Any]) -> SOARRunConfig:
    """Return the config of a run that has begun.

    Raises:
        ValueError: If a value is refused.
    """
    given = {k: v for k, v in record.items() if k in SOARRunConfig.__dataclass_fields__}
    return build(SOARRunConfig, given)


def default_output(config: SOARRunConfig) -> Path:
    """Return the first free folder runs/soar-PRESET-REWARD-sSEED[-N]."""
    name = f"soar-{config.preset}-{config.reward}-s{config.seed}"
    names: Sequence[str] = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
    return next(path for path in map(Path("runs").joinpath, names) if not path.exists())
