"""Ask an agent what is still open, judge each answer, and keep it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from typing import Any

from edgewise.benchmarks.evaluation.agent import Agent, Reply, Request
from edgewise.benchmarks.evaluation.answers import AnswerFile, EvaluationFolder, Key
from edgewise.benchmarks.evaluation.question import Question
from edgewise.interrupts import asked as asked_to_stop
from edgewise.outcome import Outcome
from edgewise.pool import refuse_unverified
from edgewise.scoring import played

PATIENCE = 10.0  # seconds for an agent to end once the user has asked to stop
Progress = Callable[[int, int], None]  # of the answers that are known, and of all
Record = dict[str, Any]
Batches = Iterable[Sequence[Reply]]
# from replies, and what keeps those that have no verdict yet, to records with their verdicts
Judge = Callable[[Batches, Callable[[list[Record]], None]], Iterator[list[Record]]]


def evaluate(
    folder: EvaluationFolder,
    questions: Sequence[Question],
    agent: Agent,
    progress: Progress = lambda done, total: None,
    judge: Judge | None = None,
) -> bool:
    """Ask `agent` what the folder has no answer to; return whether all is answered and verified.

    Answers that could not be verified are verified anew first, and not asked again. `progress` is called with the number
    of answers that are known, and of all. By default each answer is judged here before the next is waited for; `judge` may do it elsewhere, and at once.

    Example:
        >>> from edgewise.benchmarks.evaluation import SUITES, ScriptAgent, open_part
        >>> from edgewise.benchmarks.evaluation.agent import oracle
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> questions = open_part(SUITES["sec"][0], num_problems=2).questions
        >>> with TemporaryDirectory() as path:
        ...     folder = EvaluationFolder.begin(Path(path) / "oracle", {"asked": {}})
        ...     done = evaluate(folder, questions, ScriptAgent(oracle))
        ...     correct = [answer["correct"] for answer in folder.lines("answers.jsonl")]
        >>> done, all(correct), len(correct) == 8 * len(questions)
        (True, True, True)

    Raises:
        ConnectionError: If the agent cannot go on; what it answered is kept.
        FileError: If the answers that are there are damaged.
        TooManyUnverified: If more than 1 % of all answers could not be verified; they are kept.
        ValueError: If the agent answers what it is not asked.
    """
    lines = [json.dumps(question.record()) + "\n" for question in questions]
    folder.keep("problems.jsonl", "".join(lines))
    asked = {(*question.key, n) for question in questions for n in range(question.num_samples)}
    total = len(asked)
    answers = AnswerFile(folder.path / "answers.jsonl")
    judge = judge or judged_here
    for records in judge([kept_replies(questions, answers.unverified)], answers.add):
        answers.add(records)
    progress(len(answers.known), total)
    requests, answered = [], answers.known | answers.unverified.keys()
    for question in questions:
        wanted = range(question.num_samples)
        samples = tuple(n for n in wanted if (*question.key, n) not in answered)
        if samples:
            requests.append(Request(question, samples))
    last, num_lost = inf, len(answers.unverified)
    if requests:
        for records in judge(expected(agent.answer(requests), asked), answers.add):
            answers.add(records)
            num_lost += sum(record["correct"] is None for record in records)
            refuse_unverified(num_lost, total)
            progress(len(answers.known), total)
            if asked_to_stop():
                last = min(last, time.monotonic() + PATIENCE)
            if time.monotonic() >= last:
                break
    return len(answers.known) == total


def kept_replies(
    questions: Sequence[Question], records: Mapping[Key, Mapping[str, Any]]
) -> list[Reply]:
    """Rebuild replies from their `records`, for the questions that are asked."""
    by_key = {question.key: question for question in questions}
    fields = ("ended", "num_tokens", "num_prompt_tokens", "seconds")
    return [
        Reply(
            by_key[key[:-1]],
            key[-1],
            record["completion"],
            **{name: record[name] for name in fields},
            turns=tuple(record.get("turns", ())),
        )
        for key, record in records.items()
        if key[:-1] in by_key
    ]


def expected(batches: Batches, asked: Collection[Key]) -> Iterator[Sequence[Reply]]:
    """Yield the replies of an agent.

    Raises:
        ValueError: If one is to what was not `asked`.
    """
    for replies in batches:
        for reply in replies:
            if (*reply.question.key, reply.sample) not in asked:
                raise ValueError(
                    "`agent` must answer what it is asked, got sample "
                    f"{reply.sample} of {reply.question.key}"
                )
        yield replies


def judged_here(batches: Batches, keep: Callable[[list[Record]], None]) -> Iterator[list[Record]]:
    """Yield replies with their verdicts as records, batch by batch, before waiting for the next."""
    for replies in batches:
        records: list[Record] = []
        for _, group in groupby(replies, key=lambda reply: reply.question.part):
            rows = list(group)
            problems = [reply.question.problem for reply in rows]
            earned = played(rows[0].question.env, problems, [reply.texts for reply in rows])
            records += map(record_of, rows, earned)
        yield records


def record_of(reply: Reply, outcome: Outcome) -> Record:
    """Build the line of an answer."""
    return {
        "part": reply.question.part,
        "level": reply.question.level,
        "problem_seed": reply.question.problem_seed,
        "sample": reply.sample,
        "completion": reply.text,
        **({"turns": reply.turns} if reply.turns else {}),
        "answer": outcome.answer,
        "correct": outcome.correct,
        "formatted": outcome.formatted,
        "reward": outcome.reward,
        "ended": reply.ended,
        "num_tokens": reply.num_tokens,
        "num_prompt_tokens": reply.num_prompt_tokens,
        "seconds": round(reply.seconds, 6),
    }
