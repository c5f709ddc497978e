"""Games of SOAR in run folders: begin, resume, step, checkpoint and export."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from edgewise.agents.policies.chat import encode_prompt, today
from edgewise.agents.policies.model_card import model_path
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.soar.config import SOARRunConfig, game_of, game_record, hard_file
from edgewise.agents.soar.game import STATE, Progress, play, start
from edgewise.agents.soar.models import GamePolicy, load_models
from edgewise.agents.soar.pairs import Pair, hard_pairs, save_pairs
from edgewise.agents.soar.policies import PolicyTeacher
from edgewise.agents.soar.posing import FORMATS
from edgewise.agents.soar.presets import Game
from edgewise.agents.soar.records import CHECKS, PROBLEMS, read_game
from edgewise.agents.soar.together import PolicyCohort
from edgewise.agents.training.checkpoint import ALGORITHM, load, loading
from edgewise.agents.training.folder_kind import check_free
from edgewise.agents.training.recipe_file import from_fields
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_policy import make_learner
from edgewise.agents.training.run_reading import METRICS
from edgewise.errors import shown
from edgewise.files import FileError, about, replacing
from edgewise.frame import Frame


class SOARRun:
    """A game in progress, which can be stopped and resumed."""

    def __init__(self, config: SOARRunConfig, folder: RunFolder) -> None:
        """Load the models, and the last checkpoint if there is one.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        self.config, self.folder, self.game = config, folder, game_of(config)
        soar = self.game.soar
        models = load_models(config.model(self.game.agent), soar.num_datasets * soar.num_students)
        self.policy = models.teacher
        every = hard_pairs(hard_file(config, self.game), self.game.question)
        self.hard: list[Pair] = within_reach(self.policy, self.game, every)
        self.num_too_long = len(every) - len(self.hard)
        self.teacher = make_teacher(self.policy, self.game)
        self.student = PolicyCohort(models.student, self.game.exam, self.game.student)
        self.state = start(self.student, self.game.soar)
        found = folder.to_continue()
        if found is None:
            self.save()
        else:
            saved, _ = load(found, self.policy)
            game = game_state(saved, found / ALGORITHM)
            with loading(found / ALGORITHM):
                self.teacher.load_state_dict(saved["teacher"])
                self.state.load_state_dict(game)
            written = self.game.soar.num_datasets * self.game.soar.dataset_size
            folder.forget_after(self.state.step, {METRICS: 1, PROBLEMS: written}, CHECKS)
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
        self, progress: Progress = lambda done, total: None
    ) -> Generator[dict[str, Any], None, None]:
        """Play, saving after each outer step and yielding its metrics; `progress` is as in `play`."""
        began = time.perf_counter()
        game = play(self.teacher, self.student, self.hard, self.game.soar, self.state, progress)
        for metrics in game:
            metrics["time/step_seconds"] = time.perf_counter() - began
            self.folder.append(METRICS, [metrics])
            self.folder.append(PROBLEMS, [asdict(pair) for pair in self.state.written])
            if metrics.get("promoted"):
                save_pairs(self.folder.path / "best.jsonl", self.state.best)
            self.save()
            yield metrics
            began = time.perf_counter()
        if self.state.stopped:
            self.folder.write("stopped.json", {"why": self.state.stopped})

    def finish(self) -> None:
        """Export the teacher and the promoted student, for `hf:PATH`."""
        with replacing(self.folder.path / "teacher") as partial:
            self.policy.export(partial)
        self.student.restore(self.state.champion or self.state.baseline)
        with replacing(self.folder.path / "student") as partial:
            self.student.policy.export(partial)


def game_state(saved: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the state of the game that a checkpoint's file `path` holds.

    Raises:
        FileError: If it is of another kind of run.
    """
    state: Any = saved.get("game")
    if not isinstance(state, dict) or not state.keys() >= STATE or "teacher" not in saved:
        raise FileError(f"{path}: must have the state of a game, got {shown(sorted(saved))}")
    return state


def make_policy(config: SOARRunConfig, game: Game) -> TransformersPolicy:
    """Load the model of a game, with adapters if it has some, without an engine."""
    return make_learner(config.model(game.agent))


def within_reach(policy: GamePolicy, game: Game, pairs: Sequence[Pair]) -> list[Pair]:
    """Filter problems to those whose prompt and completion fit the model's context.

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


def make_teacher(policy: GamePolicy, game: Game) -> PolicyTeacher:
    """Return the teacher, its prompt in the model's own markup if it is a chat."""
    form = FORMATS[game.form]
    prompt = Frame(chat=game.chat).text(form.prompt, policy.render)
    return PolicyTeacher(policy, prompt, form, game.teacher)


def make_student(config: SOARRunConfig, game: Game) -> PolicyCohort:
    """Return a student with the weights of the model as it was loaded."""
    num_students = game.soar.num_datasets * game.soar.num_students
    policy = load_models(config.model(game.agent), num_students).student
    return PolicyCohort(policy, game.exam, game.student)


def begin(config: SOARRunConfig) -> SOARRun:
    """Start a new run.

    Raises:
        ValueError: If any part of `config` is refused, or the folder exists.
    """
    game = game_of(config)
    hard_pairs(hard_file(config, game), game.question)
    if config.judge is not None:
        model_path(config.judge)
    output = config.folder()
    check_free(output)
    config = replace(config, output=output, chat_date=config.chat_date or today())
    within_reach(
        make_policy(config, game), game, hard_pairs(hard_file(config, game), game.question)
    )
    record = json.loads(json.dumps(asdict(config), default=str))
    return SOARRun(config, RunFolder.create(output, {**record, "game": game_record(config)}))


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
    path = folder.path
    if "game" not in folder.config():
        raise ValueError(f"`resume` must be the folder of a run of `edgewise soar`, got {path}")
    record = read_game(folder)
    played: Mapping[str, Any] = record["game"]
    with about(path / "config.json"):
        config = from_fields(SOARRunConfig, record)
        now = game_record(config)
    if changed := [
        name for name, part in played.items() if name not in now or differs(part, now[name])
    ]:
        raise ValueError(
            f"`resume` must be of the game as it is now, got {path} with another {changed[0]!r}; "
            "begin a new run"
        )
    return config


def differs(recorded: Any, now: Any) -> bool:
    """Return whether a recorded setting differs from the current one; unrecorded ones do not."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return any(name not in now or differs(part, now[name]) for name, part in recorded.items())
    return bool(recorded != now)
