"""What `edgewise headroom` runs: the schedules that it tries, and their runs.

Shapes: K arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from edgewise.agents.algorithms.config import Count, Levels, Natural, Positive, Several, Workers
from edgewise.agents.training.config import TrainConfig
from edgewise.agents.training.flags import Flags

RANDOM, ORACLE = "random", "oracle"
Phase = tuple[float, tuple[int, ...]]  # its share of the tokens, and the arms that it draws from


@dataclass(frozen=True)
class HeadroomConfig(Flags):
    """Measure how far a curriculum can be ahead of random arms, for a model and its environment.

    Runs that are done are not done again, so the same command goes on after a stop.
    """

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or MODULE:ID, one that a module of your own registers,
    also in the working folder; several with commas between."""
    agent: str = "seedling"
    """Model to train: seedling, seedling:NAME, or hf:PATH for a folder or hub id."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: Levels | None = None
    """Levels of the environment; by default all that are not kept out of training."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"interactive": true}."""
    target: tuple[Natural, ...] = ()
    """Arms that are scored, counted from 0, each alike; by default all."""
    algorithm: str = "grpo"
    """Algorithm, with its arguments."""
    num_tokens: Count = 60_000
    """Generated tokens of a run, those of rejected groups included."""
    num_problems: Count = 16
    """Problems in a batch, P."""
    group_size: Count = 8
    """Completions of each problem, G."""
    learning_rates: tuple[Positive, ...] = ()
    """Learning rates of AdamW; of several, the best under random arms on validation problems. By
    default the model's own."""
    num_bands: Count = 3
    """Bands of neighbouring arms that the two-phase schedules are made of, beside all arms."""
    num_probes: Natural = 4
    """How often the oracle measures every arm; 0 leaves the oracle out."""
    probe_steps: Count = 2
    """Training steps of each measurement, on a copy."""
    num_best: Count = 3
    """Schedules of the first screening that are run with all seeds."""
    num_seeds: Several = 5
    """Paired seeds: of these and of random arms."""
    first_seed: Natural = 100
    """The first of them; screening has seed 0."""
    num_looks: Count = 12
    """Looks at a run on validation problems while it trains, the last at its end; at equal distances in
    tokens."""
    validation_problems: Count = 32
    """Validation problems of each level; answered once at every look."""
    test_problems: Count = 100
    """Test problems of each level; answered once at the end."""
    output: Path | None = None
    """Folder of the runs and of the report; by default runs/headroom-ENV."""
    threads: Workers = 1
    """Threads of torch."""

    def check_names(self) -> None:
        """Check the environments, the model and the algorithm, as a training run does."""
        self.of_training().check_names()

    def check_problems(self) -> None:
        """Make the environments and the hyperparameters, as a training run does."""
        self.of_training().check_problems()

    def of_training(self) -> TrainConfig:
        """Return the flags of a training run under random arms."""
        return TrainConfig(
            env=self.env,
            agent=self.agent,
            preset=self.preset,
            levels=self.levels,
            env_options=self.env_options,
            curriculum=RANDOM,
            algorithm=self.algorithm,
            num_steps=self.num_tokens,
            num_problems=self.num_problems,
            group_size=self.group_size,
        )


@dataclass(frozen=True)
class Schedule:
    """Which arms are drawn from, each alike, as the tokens of a run are used."""

    name: str
    phases: tuple[Phase, ...]  # one after the other; the oracle has none

    def arms(self, used: float) -> tuple[int, ...]:
        """Return the arms when a share `used` of the tokens has been used.

        >>> Schedule("two", ((0.5, (0,)), (0.5, (1, 2)))).arms(0.5)
        (1, 2)
        """
        for share, arms in self.phases[:-1]:
            if used < share:
                return arms
            used -= share
        return self.phases[-1][1]


@dataclass(frozen=True)
class Run:
    """A schedule with a seed and a share of the tokens."""

    phase: str  # "rate", "screen" or "final"
    schedule: Schedule
    seed: int
    share: float = 1.0
    learning_rate: float | None = None  # None for the model's own

    @property
    def name(self) -> str:
        """Return the file of the run, without its ending."""
        rate = f"-{self.learning_rate:g}" if self.phase == "rate" else ""
        return f"{self.phase}/{self.schedule.name}{rate}-s{self.seed}"


def random_arms(num_arms: int) -> Schedule:
    """Return the schedule that draws every arm alike."""
    return Schedule(RANDOM, ((1.0, tuple(range(num_arms))),))


def schedules(num_arms: int, num_bands: int) -> list[Schedule]:
    """Return each arm alone, and all two-phase schedules of bands, each for half of the tokens.

    A band is a part of the arms in their order, or all of them.

    >>> [schedule.name for schedule in schedules(3, 1)]
    ['arm-0', 'arm-1', 'arm-2']
    >>> [schedule.name for schedule in schedules(4, 2)][4:]
    ['0-1,2-3', '0-1,0-3', '2-3,0-1', '2-3,0-3', '0-3,0-1', '0-3,2-3']
    """
    alone = [Schedule(f"arm-{arm}", ((1.0, (arm,)),)) for arm in range(num_arms)]
    parts = np.array_split(np.arange(num_arms), min(num_bands, num_arms))
    bands = [tuple(part.tolist()) for part in parts]
    if len(bands) > 1:
        bands.append(tuple(range(num_arms)))
    pairs = [
        Schedule(f"{span(first)},{span(second)}", ((0.5, first), (0.5, second)))
        for first, second in permutations(bands, 2)
    ]
    return [*alone, *pairs]


def span(arms: Sequence[int]) -> str:
    """Return the name of a band of neighbouring arms."""
    return f"{arms[0]}-{arms[-1]}"


def screening(config: HeadroomConfig, num_arms: int, learning_rate: float | None) -> list[Run]:
    """Return one run of every schedule at a third of the tokens; the oracle is the last."""
    tried = [random_arms(num_arms), *schedules(num_arms, config.num_bands)]
    if config.num_probes:
        tried.append(Schedule(ORACLE, ()))
    return [Run("screen", schedule, 0, 1 / 3, learning_rate) for schedule in tried]


def finals(
    config: HeadroomConfig, num_arms: int, best: Sequence[Schedule], learning_rate: float | None
) -> list[Run]:
    """Return the runs of random arms and of the best schedules; those of a seed stand together."""
    return [
        Run("final", schedule, seed, 1.0, learning_rate)
        for seed in range(config.first_seed, config.first_seed + config.num_seeds)
        for schedule in (random_arms(num_arms), *best)
    ]
