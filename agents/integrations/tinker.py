"""Curricula in tinker-cookbook: environments, group builders, and a dataset that asks a rule for each batch.

    config = train.Config(dataset_builder=CurriculumBuilder(env="Countdown-v0", ...), log_path=..., ...)

The cookbook asks for a batch after it has trained on the one before, and the rule has learned from that by
then: no lag, which is checked. Its checkpoints hold the number of the next batch; the state of the curriculum
before each batch is written by that number into `curriculum` in the log folder, so a run resumes exactly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import chz
import tinker
from tinker_cookbook.rl.types import (
    ActionExtra,
    Env,
    EnvGroupBuilder,
    Metrics,
    RLDataset,
    RLDatasetBuilder,
    StepResult,
    Trajectory,
)
from tinker_cookbook.tokenizer_utils import get_tokenizer

from edgewise.agents.integrations.episode import Episode
from edgewise.agents.integrations.versions import TINKER
from edgewise.agents.training.parts import CurriculumPart, Problems
from edgewise.agents.training.recipe_file import read_options
from edgewise.files import read_json, write_atomically
from edgewise.wrappers.vector import Curriculum, with_rule

TINKER.check(version("tinker-cookbook"))


class ProblemEnv(Env):  # type: ignore[misc]
    """An episode of a named problem, in one turn or several; a prompt goes on from turn to turn."""

    def __init__(self, problem: str, tokenizer: Any) -> None:
        """Pose the problem to a model with `tokenizer`."""
        self.problem, self.episode = problem, Episode(problem, tokenizer)
        self.stop = [tokenizer.eos_token_id]

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        """Return the tokens of the prompt, and the one that ends an answer."""
        return tinker.ModelInput.from_ints(self.episode.prompt), self.stop

    async def step(self, action: list[int], *, extra: ActionExtra | None = None) -> StepResult:
        """Verify an answer.

        Raises:
            RuntimeError: If the verifier fails: that is no reward of 0.
        """
        before = self.episode.reward
        self.episode.answer(action, [])
        if not self.episode.verified:
            raise RuntimeError(f"an answer to {self.problem} could not be verified")
        correct, formatted = self.episode.correct, self.episode.formatted
        return StepResult(
            reward=self.episode.reward - before,
            episode_done=self.episode.done,
            next_observation=tinker.ModelInput.from_ints(
                [*self.episode.prompt, *self.episode.tokens]
            ),
            next_stop_condition=self.stop,
            metrics={"correct": float(correct), "formatted": float(formatted)},
        )


class ProblemGroup(EnvGroupBuilder):  # type: ignore[misc]
    """A group of a curriculum's batch: G episodes of one problem, of which the curriculum hears."""

    def __init__(self, data: CurriculumDataset, place: int, problem: str, level: int) -> None:
        """Take the group in `place` of the batch that `data` drew last."""
        self.data, self.batch, self.place = data, data.num_drawn, place
        self.problem, self.level = problem, level

    def __reduce__(self) -> Any:
        """Refuse to be copied into another process, of which the curriculum would not hear."""
        raise TypeError(
            "groups of a curriculum must be rolled out in its process, without executor"
        )

    async def make_envs(self) -> Sequence[ProblemEnv]:
        """Pose the problem to each member."""
        size = self.data.curriculum.lesson.shape[1]
        return [ProblemEnv(self.problem, self.data.tokenizer) for _ in range(size)]

    async def compute_group_rewards(
        self, trajectory_group: list[Trajectory], env_group: Sequence[ProblemEnv]
    ) -> list[tuple[float, Metrics]]:
        """Report what the group earned, and add nothing to it."""
        earned = [sum(step.reward for step in one.transitions) for one in trajectory_group]
        self.data.hear(self, earned, [env.episode for env in env_group])
        return [(0.0, {}) for _ in trajectory_group]

    async def cleanup(self) -> None:
        """Report that the group has ended, whatever came of it."""
        self.data.end(self)

    def logging_tags(self) -> list[str]:
        """Return the names of the environment and the level."""
        return [self.data.curriculum.base.env.identity["env"], f"level_{self.level}"]


class CurriculumDataset(RLDataset):  # type: ignore[misc]
    """The batches of a curriculum of P groups of G."""

    def __init__(
        self,
        curriculum: Curriculum,
        tokenizer: Any,
        num_batches: int,
        log_path: Path,
        seed: int = 0,
    ) -> None:
        """Begin; what was saved in `log_path` is read when the trainer goes on from a later batch.

        Raises:
            ValueError: If the rule learns from what an update did, which nobody tells.
        """
        if curriculum.lesson.learns_after:
            raise ValueError(
                "`rule` must learn before the update, got "
                f"{type(curriculum.lesson.rule).__name__}: Tinker says nothing of it after"
            )
        self.curriculum, self.tokenizer, self.num_batches = curriculum, tokenizer, num_batches
        self.folder = Path(log_path) / "curriculum"
        curriculum.reset(seed=seed)
        curriculum.lesson.forget()
        self.num_drawn = self.num_taught = 0
        self.lag = 0  # batches that the rule had not heard of at the last draw
        self._open: set[int] = set()  # the groups of the batch that have not ended
        self._heard: set[int] = set()  # those of which it was reported what they earned

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.num_batches

    def get_batch(self, index: int) -> list[ProblemGroup]:
        """Draw a batch; the first of a resumed run after the state that it had there.

        Raises:
            FileError: If there is no such state.
            RuntimeError: If the rule has not heard of the batch before, as in asynchronous training.
        """
        if index != self.num_drawn:
            self.curriculum.load_state_dict(read_json(self.path(index)))
            self.num_drawn = self.num_taught = index
        self.lag = self.num_drawn - self.num_taught
        if self.lag:
            raise RuntimeError(
                f"batch {index} is drawn before batch {index - 1} has taught the rule: training must "
                "be synchronous, without async_config"
            )
        if index == 0:
            self.save()
        self.num_drawn += 1
        _, infos = self.curriculum.reset()
        num_groups, size = self.curriculum.lesson.shape
        self._open, self._heard = set(range(num_groups)), set()
        names, levels = infos["problem"][::size].tolist(), infos["level"][::size].tolist()
        return [
            ProblemGroup(self, place, *told)
            for place, told in enumerate(zip(names, levels, strict=True))
        ]

    def hear(self, group: ProblemGroup, rewards: list[float], episodes: Sequence[Episode]) -> None:
        """Take what the members of a group earned; those that are missing failed."""
        if group.batch == self.num_drawn and group.place in self._open:
            self._heard.add(group.place)
            missing = self.curriculum.lesson.shape[1] - len(rewards)
            self.curriculum.lesson.set_outcomes(
                group.place,
                [*rewards, *[0.0] * missing],
                [*(one.correct for one in episodes), *[False] * missing],
                [*[True] * len(rewards), *[False] * missing],
                [*(one.length for one in episodes), *[0] * missing],
            )

    def end(self, group: ProblemGroup) -> None:
        """End a group; after the last of a batch the rule learns, and its state is written."""
        if group.batch != self.num_drawn or group.place not in self._open:
            return
        if group.place not in self._heard:
            self.hear(group, [], [])
        self._open.remove(group.place)
        if not self._open:
            self.curriculum.learn()
            self.num_taught = self.num_drawn
            self.save()

    def save(self) -> None:
        """Write the state before the next batch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path(self.num_drawn), json.dumps(self.curriculum.state_dict()))

    def path(self, index: int) -> Path:
        """Return the file of the state before a batch."""
        return self.folder / f"{index:06d}.json"


@chz.chz
class CurriculumBuilder(RLDatasetBuilder):  # type: ignore[misc]
    """What `train.Config` takes as dataset_builder."""

    env: str
    model_name: str  # whose tokenizer is used
    log_path: str  # that of the config
    preset: str | None = None
    levels: tuple[int, ...] | None = None
    env_options: str = "{}"
    curriculum: str = "sec"
    num_problems: int = 8
    group_size: int = 8
    num_batches: int = 100
    seed: int = 0

    async def __call__(self) -> tuple[CurriculumDataset, None]:
        """Make the environments, the rule and the dataset; there is no test set."""
        options = read_options(self.env_options, [self.env])
        envs = Problems((self.env,), self.preset, self.levels, options).make(
            self.num_problems, self.group_size
        )
        rule = CurriculumPart(self.curriculum, self.num_batches).make(envs)
        curriculum = with_rule(envs, rule)
        tokenizer = get_tokenizer(self.model_name)
        made = CurriculumDataset(
            curriculum, tokenizer, self.num_batches, Path(self.log_path), self.seed
        )
        return made, None
