"""Who answers: what an agent of an evaluation is, and those that need no model."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol, runtime_checkable

import numpy as np
from rich.console import Console

from edgewise.benchmarks.evaluation.agent_names import check_world
from edgewise.benchmarks.evaluation.question import Question, completion, in_format
from edgewise.benchmarks.evaluation.scripted import answers_of
from edgewise.benchmarks.simulation.skills import Draws, Skills
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.errors import UsageError
from edgewise.interrupts import asked
from edgewise.judging import takes_turns
from edgewise.outcome import Outcome
from edgewise.own_code import AGENTS, import_typed, own_object

MAX_TEXT = 1_000_000  # characters of a completion that are kept


@dataclass(frozen=True)
class Request:
    """A question, and the indices of its samples that are still missing.

    Example:
        >>> from edgewise.benchmarks.evaluation import SUITES, open_part
        >>> question = open_part(SUITES["sec"][0], num_problems=1).questions[0]
        >>> len(Request(question, (0, 1)).samples), question.level
        (2, 1)
    """

    question: Question
    samples: tuple[int, ...]  # which of its answers, from 0


@dataclass(frozen=True)
class Reply:
    r"""One answer to a question.

    Example:
        >>> from edgewise.benchmarks.evaluation import SUITES, open_part
        >>> question = open_part(SUITES["sec"][0], num_problems=1).questions[0]
        >>> Reply(question, sample=0, text=r"\boxed{7}").ended
        True
    """

    question: Question
    sample: int
    text: (
        str  # all that is scored, with the frame's opening if the agent was made to begin with it;
    )
    # of an episode of several turns the texts of all, a line between them
    ended: bool = True  # by itself, within the token limit
    num_tokens: float | None = None  # None where nobody counts; a share where several are counted
    num_prompt_tokens: float | None = None
    seconds: float = 0.0  # a share, where several are answered at once
    turns: tuple[str, ...] = ()  # the text of each turn, where there are several

    @classmethod
    def of_turns(cls, question: Question, sample: int, turns: Sequence[str], **spent: Any) -> Reply:
        """Make the reply of an episode, `turns`, the text of each; `spent` are fields as seconds and num_tokens."""
        kept = tuple(text[:MAX_TEXT] for text in turns)
        several = kept if len(kept) > 1 else ()
        return cls(question, sample, "\n".join(kept), turns=several, **spent)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of each turn."""
        return self.turns or (self.text,)


@runtime_checkable
class Agent(Protocol):
    """Anything that answers questions: a class of one's own needs the method `answer` alone.

    It answers in any order, as many at once as it likes; what it yields is kept at once, and never
    asked again. It may stop early, or raise ConnectionError: the evaluation then goes on later. Once
    `edgewise.interrupts.asked` is true it yields what is under way, and ends within ten seconds.

    Example:
        >>> class Seven:
        ...     def answer(self, requests):
        ...         for request in requests:
        ...             yield [Reply(request.question, n, "7") for n in request.samples]
        >>> isinstance(Seven(), Agent)
        True
    """

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Yield a reply for each sample of each request."""


# from a question and the number of the sample to the text, or the texts of all turns of an episode
Script = Callable[[Question, int], str | list[str]]
# from these, and what was observed after each turn so far, to the text of the next turn
TurnScript = Callable[[Question, int, Sequence[str]], str]


class ScriptAgent:
    """An agent that answers by a function, one sample after the other.

    Example:
        >>> from edgewise.benchmarks.evaluation import SUITES, open_part
        >>> question = open_part(SUITES["sec"][0], num_problems=1).questions[0]
        >>> agent = ScriptAgent(lambda question, sample: f"answer {sample}")
        >>> [reply.text for reply in next(agent.answer([Request(question, (0, 1))]))]
        ['answer 0', 'answer 1']
    """

    def __init__(self, script: Script) -> None:
        """Answer with `script(question, sample)`."""
        self.script = script

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Yield the replies to each of `requests`; what the function returns must be a str.

        Raises:
            TypeError: If the script answers with something else than a text.
            UsageError: If it answers with one text where an episode may have several turns.
        """
        for request in takewhile(lambda _: not asked(), requests):
            replies = []
            for sample in request.samples:
                start = time.perf_counter()
                found = self.script(request.question, sample)
                turns = found if isinstance(found, list) else [found]
                if not all(isinstance(text, str) for text in turns):
                    raise TypeError(f"`agent` must answer with a str, got {type(found).__name__}")
                question = request.question
                if isinstance(found, str) and takes_turns(question.env, question.problem):
                    raise UsageError(
                        f"`agent` must play the turns of {question.part}: be a function of a question, "
                        "a sample and what was observed, or return a list of texts; it returned one text"
                    )
                seconds = time.perf_counter() - start
                replies.append(Reply.of_turns(request.question, sample, turns, seconds=seconds))
            yield replies


def by_turn(script: TurnScript) -> Script:
    """Return a script that plays an episode to its end, asking `script` for the text of each turn.

    Raises:
        TypeError: If it gives something else than a text.
    """

    def play(question: Question, sample: int) -> list[str]:
        env, problem = question.env, question.problem
        texts, history = list[str](), list[Outcome]()
        while not (history and history[-1].done):
            text = script(question, sample, [outcome.observation for outcome in history])
            if not isinstance(text, str):
                raise TypeError(f"`agent` must answer with a str, got {type(text).__name__}")
            texts.append(text)
            if not takes_turns(env, problem):
                break
            history += env.score([problem], [history], [text])
        return texts

    return play


class HumanAgent:
    """Asks in the terminal; the end of input pauses the evaluation, which can be resumed."""

    def __init__(self, console: Console) -> None:
        """Show the questions on `console`."""
        self.console = console

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Show each prompt, and take a line as the answer of each turn, with or without the answer's format."""
        rest = takewhile(lambda _: not asked(), requests)
        for number, request in enumerate(rest, start=1):
            question = request.question
            place = f"{number}/{len(requests)}, {question.part}, level {question.level}"
            for sample in request.samples:
                self.console.print(f"\n[bold]{place}[/bold]")
                self.console.print(question.prompt, markup=False, highlight=False)
                start = time.perf_counter()
                try:
                    texts = by_turn(self.ask)(question, sample)
                except EOFError:
                    return
                seconds = time.perf_counter() - start
                yield [Reply.of_turns(question, sample, texts, seconds=seconds)]

    def ask(self, question: Question, sample: int, observed: Sequence[str]) -> str:
        """Show what was observed last, and take a line as an answer or as the call of a tool.

        Raises:
            EOFError: At the end of input.
        """
        if observed:
            self.console.print(observed[-1], markup=False, highlight=False)
        return in_format(question.env, input("> ").strip())


def oracle(question: Question, sample: int) -> list[str]:
    """Give the answer of the task's solver, turn by turn where it takes several.

    Raises:
        ValueError: If it solves no problem of this environment.
    """
    answers = answers_of(question.env, question.problem)
    return [completion(question.env, answer, "") for answer in answers]


def constant(text: str) -> Script:
    """Return a script that always gives the answer `text`, at every turn."""

    def script(question: Question, sample: int, observed: Sequence[str]) -> str:
        return completion(question.env, text, "")

    return by_turn(script)


def guess(seed: int) -> Script:
    """Return a script that gives the right answer of another problem of the same level.

    Where there are few answers, as for the letters of a choice, that is chance. At each turn it gives
    the next of another problem's answers, and after its last those of one more.
    """

    def script(question: Question, sample: int, observed: Sequence[str]) -> str:
        env, rng = question.env, np.random.default_rng(entropy(seed, question, sample))
        size = env.task.num_rows(env.split, **env.preset.levels[question.level])
        if size == 1:
            return ""
        limit = size or 2**31
        answers = list[str]()
        while len(answers) <= len(observed):
            other = (question.problem_seed + 1 + int(rng.random() * (limit - 1))) % limit
            answers += answers_of(env, env.draw(question.level, other))
        return completion(env, answers[len(observed)], "")

    return by_turn(script)


def simulated(world: str, seed: int) -> Script:
    """Return a script that is right as often as a learner of `world` at its start.

    Raises:
        ValueError: If there is no such world.
    """
    check_world(world)
    learners: dict[int, Skills] = {}  # by the count of levels

    def script(question: Question, sample: int) -> str | list[str]:
        levels = list(question.env.preset.levels)
        size = max(2, len(levels))
        if size not in learners:
            learners[size] = Skills(WORLDS[world](size, 0))
        place = np.array([levels.index(question.level) + 1])
        chance = learners[size].chances(place, np.array([question.problem_seed]))
        lot = Draws(entropy(seed, question, sample)[0]).uniform(1)
        return oracle(question, sample) if lot < chance else [""]

    return script


def entropy(seed: int, question: Question, sample: int) -> list[int]:
    """Return numbers that are always the same for the same seed, question and sample."""
    text = json.dumps([seed, *question.key, sample])
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[start : start + 4], "big") for start in (0, 4, 8, 12)]


def takes(function: Callable[..., Any], *arguments: object) -> bool:
    """Return whether a function can be called with `arguments`; so may what has no signature."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def own_agent(name: str) -> Agent:
    """Return the agent that the user typed: an `Agent`, a class of one, a `Script` or a `TurnScript`.

    Args:
        name: "module:object", of a module that may be in the working folder, or the name under which an
            installed package declares the object.

    Raises:
        ValueError: If there is no such object, or it is none of these.
    """
    if ":" in name:
        import_typed(name.partition(":")[0], "agent")
    found = own_object(name, AGENTS, "agent")
    made = found() if isinstance(found, type) else found
    if isinstance(made, Agent):
        return made
    if callable(made) and takes(made, None, 0):
        return ScriptAgent(made)
    if callable(made) and takes(made, None, 0, []):
        return ScriptAgent(by_turn(made))
    raise ValueError(
        "`agent` must have a method `answer`, or be a function of a question and the number of the "
        f"sample, and for turns of what was observed, got {made!r}"
    )
