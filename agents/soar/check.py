r"""Check that a game of SOAR can be won: train students on generated instead of written problems.

If problems of some level, with right answers, do not give a reward above tau, no teacher can earn
one, and the game needs other hard problems or another domain. With the answers of the same problems
shuffled the reward should be about 0: then it is the answers that teach, not the training itself.

Last come problems of the teacher as it is. If they earn tau already, students are promoted before the
teacher has learnt anything. How much of what data sets earn is theirs, and how much a teacher can learn
from it, `Noise` says. The reward of data set k is the mean of r students, R_k = S_k + mean_j e_kj: S_k,
what the set is worth, with variance s^2 between sets, and e_kj, with variance w^2, what chance adds to a
student. The analysis of variance estimates both,

    w^2 = mean_k var_j R_kj,    s^2 = var_k R_k - w^2 / r, at least 0,

and the reliability of R_k is c^2 = s^2 / (s^2 + w^2 / r). The advantages of an outer step have then as much
to say about which of its problems are worth writing as g c^2 problems whose own reward is known: all n
problems of a set share one reward, so that n is no gain, but for what it does to s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import eq
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from edgewise.agents.soar.config import SOARRunConfig, game_of, hard_file
from edgewise.agents.soar.game import Progress, grounded, start
from edgewise.agents.soar.pairs import Pair, hard_pairs
from edgewise.agents.soar.policies import PolicyStudent
from edgewise.agents.soar.presets import Game
from edgewise.agents.soar.promotion import Floats
from edgewise.agents.soar.run import make_student, make_teacher
from edgewise.env import unwrap

OWN = "the teacher's own"


@dataclass(frozen=True)
class Noise:
    """The estimates of one outer step, or of several with the same baseline."""

    mean: float  # reward
    spread: float  # s, standard deviation
    noise: float  # w
    num_datasets: int  # g
    num_students: int  # r

    @classmethod
    def of(cls, rewards: Floats) -> Noise:
        """Estimate from rewards, (g, r), without those of crashed students.

        Raises:
            ValueError: If there are fewer than two data sets or two students of each.
        """
        num_datasets, num_students = rewards.shape
        if num_datasets < 2 or num_students < 2:
            raise ValueError(
                f"`rewards` must be of at least 2 data sets and 2 students, got {rewards.shape}"
            )
        within = float(rewards.var(axis=1, ddof=1).mean())
        between = max(float(rewards.mean(axis=1).var(ddof=1)) - within / num_students, 0.0)
        return cls(float(rewards.mean()), between**0.5, within**0.5, num_datasets, num_students)

    @property
    def reliability(self) -> float:
        """Return c^2, 0 where nothing differs."""
        total = self.spread**2 + self.noise**2 / self.num_students
        return self.spread**2 / total if total else 0.0

    @property
    def known(self) -> float:
        """Return how many problems with a reward of their own an outer step is worth, g c^2."""
        return self.num_datasets * self.reliability


def nobody(done: int, total: int) -> None:
    """Tell nobody of progress."""


@dataclass(frozen=True)
class CheckRow:
    """Gains of students from one kind of problems."""

    name: str
    rewards: list[list[float | None]]  # of each data set and student
    threshold: float

    @property
    def mean(self) -> float:
        """Return the mean gain."""
        return float(np.mean([x for row in self.rewards for x in row if x is not None]))

    def line(self) -> str:
        """Return the row for the terminal."""
        means = " ".join(
            f"{np.mean([x for x in row if x is not None]):+.3f}" for row in self.rewards
        )
        word = "above" if self.mean > self.threshold else "not above"
        return f"{self.name:22} reward {self.mean:+.4f}, {word} {self.threshold}  data sets {means}"

    def noise(self) -> Noise | None:
        """Return how much of the rewards is chance; None with one student of each, or a crash."""
        known = all(x is not None for row in self.rewards for x in row)
        rewards = np.array(self.rewards, dtype=np.float64)
        return Noise.of(rewards) if known and rewards.shape[1] > 1 else None


@dataclass(frozen=True)
class Bench:
    """A student that is trained on any problems, and the hard ones that it is asked."""

    student: PolicyStudent
    game: Game
    hard: Sequence[Pair]

    @classmethod
    def of(cls, config: SOARRunConfig) -> Bench:
        """Load the model of a game.

        Raises:
            ValueError: If any part of `config` is refused.
        """
        torch.set_num_threads(config.threads)
        game = game_of(config)
        hard = hard_pairs(hard_file(config, game), game.question)
        return cls(make_student(config, game), game, hard)

    def measure(self, name: str, pairs: Sequence[Pair], progress: Progress = nobody) -> CheckRow:
        """Train r students on each of the g parts of `pairs`, all from the weights as they are."""
        size, soar = self.game.soar.dataset_size, replace(self.game.soar, promote=False)
        datasets = [pairs[k * size : (k + 1) * size] for k in range(soar.num_datasets)]
        begun = start(self.student, soar)
        _, metrics = grounded(self.student, datasets, self.hard, soar, begun, progress)
        return CheckRow(name, metrics["rewards"], soar.threshold)

    def own(self, progress: Progress = nobody) -> CheckRow:
        """Measure gains from problems that the model itself writes."""
        teacher = make_teacher(self.student.policy, self.game)
        count = self.game.soar.num_datasets * self.game.soar.dataset_size
        written = teacher.write(count).pairs
        teacher.state.optimizer.release()  # the weights are the student's from here on
        return self.measure(OWN, written, progress)


def check_game(config: SOARRunConfig, progress: Progress = nobody) -> Iterator[CheckRow]:
    """Measure gains of each level, of the best one with shuffled answers, and of the teacher's own.

    Args:
        config: What is played.
        progress: Called with how many students of a row are done, and of how many.

    Raises:
        ValueError: If any part of `config` is refused.
    """
    bench = Bench.of(config)
    game = bench.game
    env = unwrap(gym.make(game.env, preset=game.preset, allow_ood=True))
    drawn = {level: generated(env, game, level, config.seed) for level in env.preset.levels}
    means = {}
    for level, pairs in drawn.items():
        row = bench.measure(f"level {level}", pairs, progress)
        means[level] = row.mean
        yield row
    best = max(means, key=lambda level: means[level])
    yield bench.measure(f"level {best}, shuffled", shuffled(drawn[best], config.seed), progress)
    yield bench.own(progress)


def generated(env: Any, game: Game, level: int, seed: int) -> list[Pair]:
    """Return g n training problems of one level, with right answers."""
    rng = np.random.default_rng([seed, level])
    pairs = []
    for _ in range(game.soar.num_datasets * game.soar.dataset_size):
        problem, _ = env.pose(env.choose(rng, {"level": level}))
        pairs.append(Pair(env.task.prompt(problem, game.question), env.task.solve(problem)))
    return pairs


def whole(env: Any, game: Game, most: int) -> list[Pair]:
    """Return the training problems of all in-distribution levels.

    Those of a data set are all of them, those of a generator the first `most` of it, in equal shares.
    """
    pairs = []
    levels = [level for level in env.preset.levels if level not in env.preset.ood]
    for level in levels:
        rows = env.task.num_rows("train", **env.preset.levels[level])
        for seed in range(most // len(levels) if rows is None else rows):
            problem, _ = env.pose({"level": level, "params": {}, "problem_seed": seed})
            pairs.append(Pair(env.task.prompt(problem, game.question), env.task.solve(problem)))
    return pairs


def shuffled(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """Return the questions with permuted answers, of which as few as possible are right.

    All move by the same number of places, drawn from those that leave the fewest right by chance.
    """
    answers = [pair.answer for pair in pairs]
    turned = [answers[moved:] + answers[:moved] for moved in range(1, len(answers))]
    still_right = [sum(map(eq, answers, row)) for row in turned]
    best = np.flatnonzero(np.array(still_right) == min(still_right))
    chosen = turned[int(np.random.default_rng(seed).choice(best))]
    return [replace(pair, answer=answer) for pair, answer in zip(pairs, chosen, strict=True)]
