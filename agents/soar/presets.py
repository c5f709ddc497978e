r"""The games of SOAR: which models play, on what problems, at what size.

"seedling" is made for a CPU: a model of 160 thousand parameters that writes sums and solves short
ones. "llama-math" and "llama-harp" have the settings of arXiv 2601.18778 for Llama-3.2-3B-Instruct:
its prompts, rewards and sizes; the hard problems come from `edgewise profile --fail-at 128`.

Where the paper leaves a choice:
    - The teacher's prompt is put in the chat markup of the model, as one user message.
    - Rewards of 120, 20, 10 and 0 are divided by nothing: gradients are cut to norm 1, so their size
      matters little.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewise.agents.policies.options import Sampling
from edgewise.agents.soar.sizes import Exam, SOARConfig, StudentConfig, TeacherConfig
from edgewise.agents.training.flags import Split
from edgewise.frame import SOAR_FRAME


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
