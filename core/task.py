"""What a contributor writes: a task, and its ladders of difficulty."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from edgewise.answer import FORMATS, THOUGHTS
from edgewise.errors import unknown
from edgewise.frame import Frame, check_template, placeholders_of

Problem = TypeVar("Problem")
Verdict = (
    bool | None
)  # right or wrong; None if it could not be verified, never for what was answered
SPLITS = ("train", "validation", "test")
MAX_DRAWS = 10_000  # of a problem that lies in the split
PLAIN = Frame()


class Unsolvable(ValueError):
    """No answer exists, or none was found within the budget.

    Example:
        >>> from edgewise.envs.countdown.task import Countdown, Problem
        >>> Countdown().solve(Problem(numbers=(2, 2), target=7))
        Traceback (most recent call last):
            ...
        edgewise.task.Unsolvable: `target` 7 cannot be made of (2, 2)
    """


@dataclass(frozen=True)
class Protocol:
    """How a paper samples the answers it reports.

    Example:
        >>> gym.make("Countdown-v0", preset="sec").unwrapped.preset.protocol
        Protocol(temperature=1.0, top_p=1.0, num_samples=8)
    """

    temperature: float = 1.0  # 0 is greedy
    top_p: float = 1.0
    num_samples: int = 8  # completions of each problem; pass@1 is their mean


@dataclass(frozen=True)
class Preset:
    """A ladder of levels, with the prompt, the rewards and the evaluation that go with it.

    Example:
        >>> preset = Preset("Double {}.", levels={1: {"high": 10}, 2: {"high": 100}}, ood=(2,))
        >>> preset.levels[1], preset.rewards
        ({'high': 10}, (1.0, 0.0, 0.0))
    """

    template: str  # of the prompt
    levels: Mapping[int, Mapping[str, Any]]  # 1 is the easiest; the arguments of `generate`
    ood: tuple[int, ...] = ()  # the levels kept out of training
    rewards: tuple[float, float, float] = (1.0, 0.0, 0.0)  # correct, formatted, neither
    answer: str = "any"  # the format: "boxed", "answer", "think_answer" or "any"
    thought: str = "open"  # "closed", "begun": none within a thought counts, see `extract_answer`
    frame: Frame = PLAIN  # what stands around the prompt when a model is asked
    protocol: Protocol = Protocol()  # of evaluation
    task_options: Mapping[str, Any] = field(default_factory=dict)  # fields of the task

    def __post_init__(self) -> None:
        """Check that the levels are numbered from 1, and what is overridden."""
        if list(self.levels) != list(range(1, len(self.levels) + 1)):
            raise ValueError(f"`levels` must be numbered from 1, got {list(self.levels)}")
        if self.answer not in FORMATS:
            raise ValueError(f"`answer` must be one of {FORMATS}, got {self.answer!r}")
        if self.thought not in THOUGHTS:
            raise ValueError(f"`thought` must be one of {THOUGHTS}, got {self.thought!r}")
        if len(self.rewards) != 3:
            raise ValueError(
                f"`rewards` must be three (correct, formatted, neither), got {self.rewards}"
            )

    def override(self, parts: Mapping[str, Any]) -> Preset:
        """Return the preset with other parts; of a frame, only the fields that are given."""
        others = dict(parts)
        if "frame" in others:
            others["frame"] = replace(self.frame, **others["frame"])
        if "rewards" in others:
            others["rewards"] = tuple(others["rewards"])
        return replace(self, **others)

    def excuse(self, levels: Sequence[Any]) -> str:
        """Return the end of a message that refuses levels: which are kept out of training, if any are.

        >>> Preset("Double {}.", levels={1: {}, 2: {}}, ood=(2,)).excuse([2])
        '; 2 is out of distribution, kept out of training: evaluate it, or set `allow_ood`'
        """
        kept = [str(level) for level in levels if level in self.ood]
        if not kept:
            return ""
        some, them = ("is", "it") if len(kept) == 1 else ("are", "them")
        return (
            f"; {', '.join(kept)} {some} out of distribution, kept out of training: evaluate {them}, or set "
            "`allow_ood`"
        )


class Turn(NamedTuple):
    """The result of grading an answer.

    Example:
        >>> task = gym.make("Countdown-v0").unwrapped.task
        >>> problem = task.generate(np.random.default_rng(0), **task.presets["sec"].levels[1])
        >>> task.turn(problem, ["1 + 1"])
        Turn(correct=False, credit=0.0, observation='', done=True, truncated=False)
    """

    correct: Verdict
    credit: float  # in [0, 1]; nothing is paid without a verdict
    observation: str = ""  # to be answered next
    done: bool = True
    truncated: bool = False  # whether it is done because a limit of turns was reached


class Task(ABC, Generic[Problem]):
    """A family of problems that can be posed and verified without end.

    A task and its problems are frozen dataclasses; the fields of a task are options of the
    environment. Every method is a function of its arguments.

    Example:
        >>> class Double(Task[int]):
        ...     presets = {"plain": Preset("Double {}.", levels={1: {"high": 10}, 2: {"high": 100}})}
        ...
        ...     def generate(self, rng, *, high):
        ...         return int(rng.integers(high))
        ...
        ...     def prompt(self, problem, template):
        ...         return template.format(problem)
        ...
        ...     def verify(self, problem, answer):
        ...         return answer == self.solve(problem)
        ...
        ...     def solve(self, problem):
        ...         return str(2 * problem)
        >>> env = edgewise.ReasoningEnv(Double)
        >>> prompt, _ = env.reset(options={"level": 1, "problem_seed": 3})
        >>> prompt, env.step("<answer>16</answer>")[1]
        ('Double 8.', 1.0)
    """

    presets: ClassVar[Mapping[str, Preset]]  # the first is the default
    held_out_percent: ClassVar[int] = 10  # of problems, for validation and for test each
    placeholders: ClassVar[Sequence[str]] = ()  # of templates, beyond those that the presets name
    part_params: ClassVar[Mapping[str, Any]] = {}  # types of further params, that name parts
    any_params: ClassVar[bool] = False  # whether it takes others too, and bounds the work itself

    @abstractmethod
    def generate(self, rng: np.random.Generator, *args: Any, **params: Any) -> Problem:
        """Draw a solvable problem with `params`, those of one level."""

    @abstractmethod
    def prompt(self, problem: Problem, template: str) -> str:
        """State `problem`, and how to answer, to a reader who has seen nothing else."""

    @abstractmethod
    def verify(self, problem: Problem, answer: str) -> Verdict:
        """Return whether `answer` is right; never raise, whatever the text.

        None is for a verifier that was lost: what asks other processes, as `Pool` does, may return
        it where they died of something else than the answer. Other tasks never do.
        """

    @abstractmethod
    def solve(self, problem: Problem) -> str:
        """Return an answer that `verify` accepts, searching if `problem` has none.

        Raises:
            Unsolvable: If there is none, or none was found within the budget.
        """

    def credit(self, problem: Problem, answer: str) -> float | None:
        """Score `answer` in [0, 1]: by default 1 if it is right; None if it cannot be verified."""
        correct = self.verify(problem, answer)
        return None if correct is None else float(correct)

    def explain(self, problem: Problem, answer: str) -> str:
        """Return what is wrong with an answer that `verify` refuses, in a sentence; "" by default.

        It says which part is wrong, such as a clue that does not hold, and never the solution; nor does
        it repeat the text of the answer.
        """
        return ""

    def next_turn(self, problem: Problem, answers: Sequence[str]) -> str:
        r"""Return a worked trace of the next turn, which ends in ``\boxed{answer}``.

        Args:
            problem: As it was posed.
            answers: What was answered so far, of turns that did not end the episode.
        """
        return self.demonstrate(problem)

    def slip(self, problem: Problem, rng: np.random.Generator) -> str:
        r"""Return a worked trace that ends in a plausible wrong ``\boxed{answer}``.

        Raises:
            NotImplementedError: If the task has no such traces.
        """
        raise NotImplementedError(f"{type(self).__name__} has no wrong traces")

    def demonstrate(self, problem: Problem) -> str:
        r"""Return a worked trace that ends in ``\boxed{answer}``.

        Raises:
            NotImplementedError: If the task has no worked traces.
        """
        raise NotImplementedError(f"{type(self).__name__} has no worked traces")

    def check_template(self, template: str) -> None:
        """Raise ValueError if `template` names anything but fields that `prompt` fills in."""
        own = (placeholders_of(preset.template) for preset in self.presets.values())
        check_template(template, {*self.placeholders, *(name for found in own for name in found)})

    def canonical(self, problem: Problem) -> str:
        """Return one text for all forms of the same problem."""
        return repr(problem)

    def split_of(self, problem: Problem) -> str:
        """Return the split of `problem`, by content alone."""
        return split_of_key(self.canonical(problem), self.held_out_percent)

    def draft(self, rng: np.random.Generator, *args: Any, **params: Any) -> Any:
        """Draw a cheap first part, with `params`, that decides the split; None if there is none."""
        return None

    def draft_key(self, draft: Any) -> str:
        """Return the text that decides the split of every problem made from `draft`.

        Raises:
            NotImplementedError: If the task has drafts, and does not say what names one.
        """
        raise NotImplementedError(f"{type(self).__name__} has drafts, but no `draft_key`")

    def notes(self, problem: Problem) -> Mapping[str, str]:
        """Return entries that `reset` adds to `info` for `problem`, by default none."""
        return {}

    def num_answers(self, problem: Problem) -> int | None:
        """Return the size of the answer space, which bounds guessing; None if it is too large to matter."""
        return None

    def parse(self, text: str, answer: str) -> Problem | None:
        """Return the problem that `text` states, the inverse of `prompt`; None if it is none."""
        return None

    def divisions(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return the arguments of `generate` that name the parts of a level, for `arms=kind`.

        Raises:
            ValueError: If `kind` is none that the task has.
        """
        raise ValueError(f"`arms` must be None or a list for {type(self).__name__}, got {kind!r}")

    def turn(self, problem: Problem, answers: Sequence[str]) -> Turn:
        """Reply to the last of `answers`; by default the first one ends the episode."""
        return single(self.verify(problem, answers[-1]), self.credit(problem, answers[-1]))

    def anticipate(self, problem: Problem, answer: str) -> None:
        """Begin to verify what is likely to be the first answer, elsewhere; by default nothing."""

    def verify_many(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[Verdict]:
        """Return `verify` of each pair of a problem and one of `answers`."""
        return [self.verify(*pair) for pair in zip(problems, answers, strict=True)]

    def turn_many(
        self, problems: Sequence[Problem], histories: Sequence[Sequence[str]]
    ) -> list[Turn]:
        """Return `turn` of each pair of a problem and one of `histories`; a single turn asks `verify_many`, once."""
        kind = type(self)
        if kind.turn is not Task.turn:
            return [self.turn(*pair) for pair in zip(problems, histories, strict=True)]
        answers = [history[-1] for history in histories]
        correct = self.verify_many(problems, answers)
        if kind.credit is Task.credit:
            return [single(verdict, float(verdict is True)) for verdict in correct]
        credit = map(self.credit, problems, answers)
        return [single(*pair) for pair in zip(correct, credit, strict=True)]

    def levels_of(self, split: str, levels: Mapping[int, Mapping[str, Any]]) -> tuple[int, ...]:
        """Return which of `levels` are posed where none are asked for: all, or those with rows in `split`."""
        return tuple(levels)

    def num_rows(self, split: str, **params: Any) -> int | None:
        """Return the number of problems in `split` of the level of `params`; None if they are generated."""
        return None

    def draw(
        self, rng: np.random.Generator, problem_seed: int, split: str, **params: Any
    ) -> Problem:
        """Generate with `params` and `rng`, which depends on `problem_seed`, until a problem is in `split`.

        Raises:
            RuntimeError: If none of many problems is in the split.
        """
        for _ in range(MAX_DRAWS):
            draft = self.draft(rng, **params)
            if draft is None:
                problem = self.generate(rng, **params)
                if self.split_of(problem) == split:
                    return problem
            elif split_of_key(self.draft_key(draft), self.held_out_percent) == split:
                return self.generate(rng, draft, **params)
        raise RuntimeError(f"none of {MAX_DRAWS} problems of {params} is in {split!r}")


def single(correct: Verdict, credit: float | None) -> Turn:
    """Return the turn of an episode that has no other; without a verdict nothing is credited."""
    if correct is None or credit is None:
        return Turn(None, 0.0)
    return Turn(correct, credit)


def split_of_key(key: str, percent: int = 10) -> str:
    """Return the split of a key: `percent` of all keys each are "test" and "validation", the rest "train"."""
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 100
    return "train" if place >= 2 * percent else "test" if place < percent else "validation"


def override_preset(
    task: Task[Any], name: str | None, parts: Mapping[str, Any], task_options: Mapping[str, Any]
) -> tuple[str, Preset, dict[str, Any]]:
    """Override parts of a preset of `task`.

    Args:
        task: Whose preset it is.
        name: Of the preset; None for the first.
        parts: Fields of `Preset` that replace its own, except those that are None.
        task_options: The fields of the task.

    Returns:
        The name, with "+" if anything was overridden, the preset, and all overrides by name.

    Raises:
        ValueError: If there is no such preset.
    """
    name = next(iter(task.presets)) if name is None else name
    if name not in task.presets:
        raise ValueError(unknown("preset", name, task.presets))
    others = {key: value for key, value in parts.items() if value is not None}
    if isinstance(others.get("frame"), Frame):
        others["frame"] = asdict(others["frame"])
    preset = task.presets[name].override(others)
    shown = f"{name}+" if others or task_options else name
    return shown, preset, {"preset": name, **others, **task_options}
