"""Answers and verdicts of an evaluation from elsewhere: a cluster, or other processes.

A node is told the name of a problem, the name of an agent and texts, and says texts and numbers. What is
under way is bounded, and an answer is kept before its verdict is waited for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from math import inf
from typing import Any, TypeVar

from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.scores import Options
from edgewise.benchmarks.evaluation.agent import Reply, Request, Script, guess, oracle, simulated
from edgewise.benchmarks.evaluation.question import Question
from edgewise.benchmarks.evaluation.run import PATIENCE, Batches, Record, record_of
from edgewise.benchmarks.evaluation.scripted import Played, played_by
from edgewise.env import ReasoningEnv
from edgewise.errors import usage
from edgewise.executor import LOST, Executor, Job, WorkerError
from edgewise.interrupts import asked
from edgewise.names import read_name
from edgewise.outcome import Outcome
from edgewise.pool import calling_by
from edgewise.registration import require
from edgewise.scoring import MEMORY, SCORE, SECONDS, outcome_of, posed

ANSWER = "edgewise.benchmarks.evaluation.spread:answer"
PLAY = "edgewise.benchmarks.evaluation.spread:play"
KINDS = ("oracle", "random", "simulated")  # agents whose answers cost something, and need no model
MAX_WAITING = 4_096  # calls that are begun before the oldest has its result
POLL = 0.2  # seconds between two looks at whether the user has asked to stop
Make = Callable[[str], Executor]  # of the function that it calls
Item = TypeVar("Item")


class Spread:
    """Answers and verdicts by calls of executors, each made when it is first needed."""

    def __init__(self, make: Make) -> None:
        """Call functions by executors that `make` makes, which raise what a call raises."""
        self.make = make
        self.executors: dict[str, Executor] = {}

    def executor(self, function: str) -> Executor:
        """Return what calls a function."""
        if function not in self.executors:
            self.executors[function] = self.make(function)
        return self.executors[function]

    def close(self) -> None:
        """Close all executors."""
        for executor in self.executors.values():
            executor.close()

    def judge(
        self, batches: Batches, keep: Callable[[list[Record]], None]
    ) -> Iterator[list[Record]]:
        """Yield replies with their verdicts, many batches at once; each reply is kept before."""

        def begun() -> Iterator[tuple[Sequence[Reply], list[Job]]]:
            for replies in batches:
                keep([record_of(reply, unjudged(reply)) for reply in replies])
                yield replies, [(reply.question.name, *reply.texts) for reply in replies]

        for replies, results in in_order(self.executor(SCORE), begun()):
            yield [
                record_of(reply, outcome_of(reply.question.env, reply.texts, result))
                for reply, result in zip(replies, results, strict=True)
            ]

    def plays(self, env: ReasoningEnv, agent: str, problems: Sequence[Options]) -> list[Played]:
        """Play the episodes of a `scripted` agent; one that fails is wrong, without an answer."""
        jobs = [(agent, str(env.pose(options)[1]["problem"])) for options in problems]
        results = self.executor(PLAY).map(jobs)
        return [
            (0.0, float(result is not LOST), 0.0, 1.0, 1.0)
            if result is LOST or result is None
            else tuple(result)
            for result in results
        ]


class SpreadAgent:
    """An agent of `KINDS`, whose answers are made elsewhere."""

    def __init__(self, agent: str, seed: int, spread: Spread) -> None:
        """Answer as the agent of that name and seed."""
        self.agent, self.seed, self.spread = agent, seed, spread

    def answer(self, requests: Sequence[Request]) -> Iterator[Sequence[Reply]]:
        """Yield the replies to each request, keeping many requests in flight.

        Raises:
            WorkerError: If an answer took too long or was lost; the others go on later.
        """
        rest = takewhile(lambda _: not asked(), requests)
        batches = ((request, self.jobs(request)) for request in rest)
        for request, results in in_order(self.spread.executor(ANSWER), batches):
            question = request.question
            replies = []
            for sample, result in zip(request.samples, results, strict=True):
                if result is None or result is LOST:
                    raise WorkerError(f"no answer of {self.agent} to {question} was had elsewhere")
                turns, seconds = result
                replies.append(Reply.of_turns(question, sample, turns, seconds=seconds))
            yield replies

    def jobs(self, request: Request) -> list[Job]:
        """Return the calls that answer a request."""
        question = request.question
        told = self.agent, str(self.seed), question.part, question.name
        return [(*told, str(sample)) for sample in request.samples]


def unjudged(reply: Reply) -> Outcome:
    """Return the outcome of a reply whose verdict is waited for."""
    return outcome_of(reply.question.env, reply.texts, LOST)


def in_order(
    executor: Executor, batches: Iterable[tuple[Item, Sequence[Job]]]
) -> Iterator[tuple[Item, list[Any]]]:
    """Begin the calls of one batch after the other, and yield their results in that order.

    It ends without those that are late where the user has asked to stop.
    """
    waiting: deque[tuple[Item, list[Future[Any]]]] = deque()
    count = 0
    for item, jobs in batches:
        waiting.append((item, executor.start(jobs)))
        count += len(jobs)
        while waiting and (count > MAX_WAITING or is_done(waiting[0][1])):
            item, futures = waiting.popleft()
            count -= len(futures)
            if not settled(futures):
                return
            yield item, [future.result() for future in futures]
    for item, futures in waiting:
        if not settled(futures):
            return
        yield item, [future.result() for future in futures]


def is_done(futures: Iterable[Future[Any]]) -> bool:
    """Return whether all have their results."""
    return all(future.done() for future in futures)


def settled(futures: Sequence[Future[Any]]) -> bool:
    """Wait for results; return whether they are there, which they need not be after a stop."""
    last = inf
    while wait(futures, POLL).not_done:
        if asked():
            last = min(last, time.monotonic() + PATIENCE)
        if time.monotonic() >= last:
            return False
    return True


@contextmanager
def spreading(address: str | None) -> Iterator[Spread | None]:
    """Spread answers and verdicts over a Ray cluster while the block runs; None without an address.

    What asks the pool of this process, such as the grader of mathematics, asks the cluster, too.

    Raises:
        UsageError: If Ray is not installed.
        WorkerError: If there is no cluster at the address.
    """
    if address is None:
        yield None
        return
    with usage():
        require("ray")
    from edgewise.ray_cluster import cluster
    from edgewise.ray_pool import RayPool

    def shared(function: str, seconds: float, memory: int) -> Executor:
        return RayPool(function, seconds=seconds, memory=memory)

    with cluster(address), calling_by(shared):
        spread = Spread(partial(RayPool, seconds=SECONDS, memory=MEMORY, strict=True))
        try:
            yield spread
        finally:
            spread.close()


def script_of(agent: str, seed: int) -> Script | None:
    """Return the script of an agent that can answer anywhere; None of any other."""
    kind, _, rest = agent.partition(":")
    if agent == "oracle":
        return oracle
    if agent == "random":
        return guess(seed)
    return simulated(rest or "independent", seed) if kind == "simulated" else None


def answer(agent: str, seed: str, part: str, name: str, sample: str) -> tuple[list[str], float]:
    """Answer a question as an agent that needs no model; return the text of each turn, and the seconds.

    Args:
        agent: Its name.
        seed: Of the evaluation.
        part: Of the suite, which the question is in.
        name: Of the problem.
        sample: Which of its answers, from 0.
    """
    script = script_of(agent, int(seed))
    if script is None:
        raise ValueError(f"`agent` must be oracle, random or simulated:WORLD, got {agent!r}")
    env, problem = posed(name)
    read = read_name(name)
    place = (part, read.level, read.level in env.preset.ood, read.problem_seed, name)
    question = Question(*place, env, problem, Sampling(max_tokens=1))
    start = time.perf_counter()
    found = script(question, int(sample))
    return found if isinstance(found, list) else [found], time.perf_counter() - start


def play(agent: str, name: str) -> Played:
    """Play the episode of a problem as an agent that is `scripted`."""
    env, _ = posed(name)
    return played_by(agent, env, read_name(name).options)
