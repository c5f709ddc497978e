r"""The games of SOAR: which models play, on what problems, at what size; imports no torch.

"seedling" is made for a CPU: a model of 160 thousand parameters that writes sums and solves short
ones. "llama-math" and "llama-harp" have the settings of arXiv 2601.18778 for Llama-3.2-3B-Instruct:
its prompts, rewards and sizes; the hard problems come from `edgewise profile --fail-at 128`.

Where the paper leaves a choice:
    - The teacher's prompt is put in the chat markup of the model, as one user message.
    - Rewards of 120, 20, 10 and 0 are divided by nothing: gradients are cut to norm 1, so their size
      matters little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import gymnasium as gym

from edgewise.agents.algorithms.config import Count, NotNegative, Positive, check
from edgewise.agents.policies.options import Sampling
from edgewise.agents.soar.pairs import Pair
from edgewise.agents.training.flags import Split
from edgewise.frame import SOAR_FRAME, Frame

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


@dataclass(frozen=True)
class FreshPlan:
    """How fresh students are trained to evaluate a set of problems."""

    num_steps: int = 1500
    written_steps: int = 64  # of those, on the written problems alone, with "curriculum"
    mixing: str = "curriculum"  # or "mixed": both kinds throughout
    num_warmup_steps: int = 20
    num_written: int = 128  # problems of a teacher, where these are not D_best
    num_samples: int = 32  # answers to each test problem


@dataclass(frozen=True)
class Game:
    """The settings of a game of SOAR, except seeds and files."""

    agent: str  # of teacher and student
    env: str  # whose generator or data the hard problems come from
    preset: str | None
    question: str  # template of a problem's text alone
    form: str  # in which the teacher writes, a key of FORMATS
    chat: bool  # whether the teacher's prompt is a chat
    exam: Exam
    split: Split = "train"  # that the hard problems come from
    soar: SOARConfig = field(default_factory=SOARConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    fresh: FreshPlan = field(default_factory=FreshPlan)


def llama(env: str, mixing: str) -> Game:
    """Return the game of the paper on one of its data sets."""
    return Game(
        agent="hf:meta-llama/Llama-3.2-3B-Instruct",
        env=env,
        preset="sec",
        question="{problem}",
        form="tagged",
        chat=True,
        exam=Exam(frame=SOAR_FRAME, kind="expression", rewards=(120.0, 10.0, 0.0), partial=1 / 11),
        split="test",  # since the model has probably seen the training problems
        fresh=FreshPlan(mixing=mixing),
    )


GAMES = {
    "seedling": Game(
        agent="seedling:sums",
        env="Arithmetic-v0",
        preset="sums",
        question="{compact}",
        form="compact",
        chat=False,
        exam=Exam(template=r"{problem} \boxed{}:"),
        soar=SOARConfig(num_steps=30, dataset_size=8, num_students=2, max_inner_steps=15),
        teacher=TeacherConfig(
            num_steps=30,
            num_warmup_steps=2,
            learning_rate=5e-4,
            sampling=Sampling(max_tokens=80),
        ),
        student=StudentConfig(group_size=8, learning_rate=1e-3, max_tokens=64),
        fresh=FreshPlan(num_steps=40, written_steps=20, num_warmup_steps=0, num_written=16),
    ),
    "llama-math": llama("MATH-v0", "curriculum"),
    "llama-harp": llama("HARP-v0", "mixed"),
}
