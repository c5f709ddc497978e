"""The sizes and hyperparameters of a game of SOAR; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import gymnasium as gym

from edgewise.agents.algorithms.config import Count, NotNegative, Positive, check
from edgewise.agents.policies.options import Sampling
from edgewise.agents.soar.pairs import Pair
from edgewise.frame import Frame

if TYPE_CHECKING:
    from edgewise.agents.algorithms.rollout import Envs


@dataclass(frozen=True)
class SOARConfig:
    """Sizes of the game; the defaults are the paper's.

    Example:
        >>> config = SOARConfig(num_steps=2, num_students=1)
        >>> config.num_datasets * config.dataset_size  # problems of an outer step
        256
    """

    num_steps: int = 200  # T, outer
    num_datasets: int = 4  # g
    dataset_size: int = 64  # n
    num_students: int = 4  # r, of each data set
    inner_steps: int = 10
    more_steps: int = 5  # after each promotion
    max_inner_steps: int = 20
    num_hard: int = 64  # M, the size of Q_R
    threshold: float = 0.01  # tau
    window: int = 3
    promote: bool = True
    reward: Literal["grounded", "learnability"] = "grounded"
    num_samples: int = 32  # answers to each problem, for learnability
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the counts."""
        least = {name: 1 for name in ("num_steps", "dataset_size", "num_students", "inner_steps")}
        least |= {"num_datasets": 2, "num_hard": 1, "window": 1, "num_samples": 1, "more_steps": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"`{name}` must be at least {bound}, got {getattr(self, name)}")
        if self.max_inner_steps < self.inner_steps:
            raise ValueError(
                f"`max_inner_steps` must be at least {self.inner_steps}, got {self.max_inner_steps}"
            )
        if self.reward not in ("grounded", "learnability"):
            raise ValueError(f"`reward` must be 'grounded' or 'learnability', got {self.reward!r}")


@dataclass(frozen=True)
class TeacherConfig:
    """Hyperparameters of the teacher; the defaults are the paper's."""

    num_steps: Count = 200  # outer
    num_warmup_steps: int = 20
    learning_rate: Positive = 1e-5  # of AdamW, at its highest
    kl_coef: NotNegative = 0.001  # beta
    num_minibatches: Count = 1  # parts of a batch, each an update
    importance_cap: Positive | None = None  # of learner / sampler, where an engine samples
    attempts_per_problem: int = 8  # in all, on average, before it counts as unable
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=512))
    seed: int = 0

    def __post_init__(self) -> None:
        """Validate the hyperparameters."""
        check(self)


@dataclass(frozen=True)
class Exam:
    """The prompt of a question for a student, and the rewards of its answers."""

    template: str = "{problem}"
    frame: Frame = field(default_factory=Frame)
    kind: str = "number"  # of the answers, see `Taught`
    rewards: tuple[float, float, float] = (1.0, 0.0, 0.0)  # correct, formatted, neither
    partial: float = 0.0  # credit for a wrong answer with the right one in its text

    def envs(self, problems: Sequence[Pair], num_problems: int, group_size: int) -> Envs:
        """Return environments that pose `problems`."""
        pairs = [[pair.question, pair.answer] for pair in problems]
        made: Envs = gym.make_vec(
            "Taught-v0",
            num_envs=num_problems * group_size,
            group_size=group_size,
            problems=pairs,
            kind=self.kind,
            partial=self.partial,
            template=self.template,
            rewards=self.rewards,
            frame=self.frame,
        )
        return made


@dataclass(frozen=True)
class StudentConfig:
    """Hyperparameters of a student; the defaults are the paper's."""

    num_problems: int = 8  # of a batch
    group_size: int = 32
    learning_rate: Positive = 1e-5  # of AdamW, at its highest
    kl_coef: NotNegative = 0.001
    num_minibatches: Count = 1
    importance_cap: Positive | None = None  # of learner / sampler, where an engine samples
    num_warmup_steps: int = 0
    temperature: float = 1.0
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        """Validate the hyperparameters."""
        check(self)
