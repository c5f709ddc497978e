"""A rule of ours as the task sampler of prime-rl, over our taskset of verifiers.

    source.curricula["mine"].sampler = RuleSampler(ProblemsConfig(env="Countdown-v0", split="train"), ...)

where `source` is prime-rl's TrainSource: its config knows samplers of its own alone. prime-rl draws while
groups are still being answered, so the rule lags behind; `metrics` says by how many batches. The state goes
into prime-rl's checkpoints. prime-rl is not imported: what it asks of a sampler are the methods below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import verifiers.v1 as vf

from edgewise.agents.integrations.named import posed
from edgewise.agents.integrations.verifiers import (
    ProblemsConfig,
    ProblemTask,
    ProblemTaskset,
    make_env,
)
from edgewise.agents.training.recipe_file import read_options
from edgewise.names import read_name
from edgewise.wrappers import make_rule
from edgewise.wrappers.lessons.batch import Draw
from edgewise.wrappers.vector import with_rule

MAX_WAITING = 16  # batches of which not all was heard; of older ones the rest is taken as lost
Outcomes = tuple[
    list[float], list[bool], list[bool], list[int]
]  # reward, correct, verified, length


@dataclass
class Waiting:
    """A batch that was drawn."""

    draw: Draw
    heard: dict[int, Outcomes] = field(default_factory=dict)  # by place in the batch


class RuleSampler(Iterator[ProblemTask]):
    """Draws batches of P problems and gives out their tasks; the rule learns from each batch that is complete."""

    def __init__(
        self,
        config: ProblemsConfig,
        rule: str,
        num_problems: int,
        group_size: int,
        num_steps: int = 1000,
        seed: int = 0,
    ) -> None:
        """Begin.

        Args:
            config: Of the taskset, whose split must be train.
            rule: Its name and arguments, as of `edgewise train --curriculum`.
            num_problems: P, the groups of prime-rl's batch.
            group_size: G, that of prime-rl.
            num_steps: Of the run, for rules that follow a schedule.
            seed: Of the draws.

        Raises:
            ValueError: If an argument is refused, or the rule learns from what an update did.
        """
        if config.split != "train":
            raise ValueError(f"`split` must be train for what is trained on, got {config.split}")
        make_env(config)  # so that what it refuses is told here
        self.taskset = ProblemTaskset(config)
        envs = gym.make_vec(
            config.env,
            num_envs=num_problems * group_size,
            group_size=group_size,
            preset=config.preset,
            levels=None if config.levels is None else tuple(config.levels),
            split=config.split,
            **read_options(config.env_options, [config.env]),
        )
        self.curriculum = with_rule(envs, make_rule(rule, num_steps))
        self.lesson = self.curriculum.lesson
        if self.lesson.learns_after:
            raise ValueError(f"`rule` must learn before the update for prime-rl, got {rule}")
        self.curriculum.reset(seed=seed)
        self.lesson.forget()
        self.num_drawn = self.lag = self.num_late = 0
        self._waiting: dict[int, Waiting] = {}  # by the number of the draw, from 1
        self._next: deque[tuple[int, int]] = deque()  # draw and place of what is given out next

    def __next__(self) -> ProblemTask:
        """Return the next task of the batch, or the first of a new one."""
        if not self._next:
            self.draw()
        number, place = self._next.popleft()
        name = self._waiting[number].draw.problems[place]
        env = posed(name)
        return self.taskset.task(
            env, env.problem, {"problem": name, "level": read_name(name).level}
        )

    def draw(self) -> None:
        """Draw a batch, with what the rule has learned by now."""
        while len(self._waiting) >= MAX_WAITING:
            self.learn(min(self._waiting))
        self.lag = len(self._waiting)
        self.curriculum.reset()
        self.num_drawn += 1
        self._waiting[self.num_drawn] = Waiting(self.lesson.take())
        self._next += [(self.num_drawn, place) for place in range(self.lesson.shape[0])]

    def observe(self, group: list[vf.Episode]) -> None:
        """Take what a group earned; a trace that failed is not heard of.

        The rule learns once all groups of a batch are in.
        """
        found = self.place_of(group[0].task.key)
        if found is None:
            self.num_late += 1
            return
        number, place = found
        traces = [
            trace
            for episode in group
            for trace in episode.traces
            if trace.agent.trainable and not trace.has_error
        ]
        self._waiting[number].heard[place] = outcomes_of(traces, self.lesson.shape[1])
        if len(self._waiting[number].heard) == self.lesson.shape[0]:
            self.learn(number)

    def place_of(self, key: str | None) -> tuple[int, int] | None:
        """Return the draw and place of the oldest group of a problem that was given out and not heard of."""
        ahead = set(self._next)
        for number, batch in self._waiting.items():
            for place, name in enumerate(batch.draw.problems):
                if name == key and place not in batch.heard and (number, place) not in ahead:
                    return number, place
        return None

    def learn(self, number: int) -> None:
        """Let the rule learn from a batch; of groups that were not heard of it learns nothing."""
        batch = self._waiting.pop(number)
        lost = outcomes_of([], self.lesson.shape[1])
        self.lesson.put_back(batch.draw)
        for place in range(self.lesson.shape[0]):
            self.lesson.set_outcomes(place, *batch.heard.get(place, lost))
        self.curriculum.learn()
        self._next = deque(one for one in self._next if one[0] != number)

    def metrics(self) -> dict[str, float]:
        """Return the lag of the last draw, the groups that came too late, and the metrics of the rule."""
        told = {"lag": float(self.lag), "late": float(self.num_late)}
        return {**told, **self.curriculum.metrics()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the rule, of the draws, and of batches that are waiting, for JSON."""
        waiting = [
            {
                "number": number,
                "arms": batch.draw.arms.tolist(),
                "chances": batch.draw.chances.tolist(),
                "problems": batch.draw.problems.tolist(),
                "heard": [
                    [place, *(list(part) for part in told)] for place, told in batch.heard.items()
                ],
            }
            for number, batch in self._waiting.items()
        ]
        counts = {"num_drawn": self.num_drawn, "num_late": self.num_late}
        return {**counts, "waiting": waiting, "curriculum": self.curriculum.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue; groups that were not heard of are given out again, for they are lost in a restart."""
        self.curriculum.load_state_dict(state_dict["curriculum"])
        self.num_drawn, self.num_late = state_dict["num_drawn"], state_dict["num_late"]
        self._waiting = {
            one["number"]: Waiting(
                Draw(
                    np.array(one["arms"]),
                    np.array(one["chances"]),
                    np.array(one["problems"], dtype=object),
                ),
                {told[0]: (told[1], told[2], told[3], told[4]) for told in one["heard"]},
            )
            for one in state_dict["waiting"]
        }
        self._next = deque(
            (number, place)
            for number, batch in self._waiting.items()
            for place in range(self.lesson.shape[0])
            if place not in batch.heard
        )


def outcomes_of(traces: list[vf.Trace], size: int) -> Outcomes:
    """Return what the traces of a group of G earned, and that the others were not verified."""
    made = traces[:size]
    lost = size - len(made)
    return (
        [*(float(trace.reward) for trace in made), *[0.0] * lost],
        [*(trace.metrics.get("correct") == 1.0 for trace in made), *[False] * lost],
        [*[True] * len(made), *[False] * lost],
        [*(len(trace.last_reply or "") for trace in made), *[0] * lost],
    )
