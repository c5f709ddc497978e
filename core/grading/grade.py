"""Judge answers: here if they are small, else in a worker process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from edgewise.executor import Executor
from edgewise.grading import phrases
from edgewise.grading.conversions import same
from edgewise.grading.evaluate import TooLarge, Undefined
from edgewise.grading.reader import read, spelling, tokens_of
from edgewise.grading.text import MAX_TEXT
from edgewise.grading.values import Expression, Words
from edgewise.pool import as_verdict, pool_for
from edgewise.registration import require

SECONDS = 10.0  # for one answer, on cores that do other work too
MAX_PLAIN = 150  # tokens of an answer that is judged here
PLAIN = re.compile(r"\s*+\$?\s*+(-?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s*+\$?\s*+", re.ASCII)


def equivalent(gold: str, answer: str) -> bool | None:
    r"""Grade `answer` against the gold answer `gold`; see `equivalent_many`.

    >>> equivalent(r"\frac{1}{2}", " 1/2")
    True
    """
    return equivalent_many([gold], [answer])[0]


def equivalent_many(golds: Sequence[str], answers: Sequence[str]) -> list[bool | None]:
    """Grade each of `answers` against its gold answer, one of `golds`.

    Each text is read as one typed value; two are equal within a type, or by a conversion that
    docs/grading.md states. What cannot be read is right only if it is the same text. Nothing of an
    answer is ever evaluated as code. Ordinary answers are judged here; long ones and large numbers go
    to worker processes, started when first needed, and are wrong beyond their limits of size and time. None
    stands for a pair whose workers died of something else.
    """
    verdicts = [compare(*pair) for pair in zip(golds, answers, strict=True)]
    doubtful = [i for i, verdict in enumerate(verdicts) if verdict is None]
    if doubtful:
        judged = shared_pool().map([(golds[i], answers[i]) for i in doubtful])
        for i, result in zip(doubtful, judged, strict=True):
            verdicts[i] = as_verdict(result)
    return verdicts


def anticipate(gold: str, answer: str) -> None:
    """Start grading in the background `answer` against `gold`, a pair that `equivalent_many` will probably be asked for."""
    if compare(gold, answer) is None:
        shared_pool().submit([(gold, answer)])


def compare(gold: str, answer: str) -> bool | None:
    """Grade one answer in this process; None if it needs a worker."""
    if not isinstance(answer, str) or len(answer) > MAX_TEXT or not answer.strip():
        return False
    plain = PLAIN.fullmatch(gold), PLAIN.fullmatch(answer)
    if plain[0] is not None and plain[1] is not None:
        return plain[0][1] == plain[1][1] or Fraction(plain[0][1]) == Fraction(plain[1][1])
    if max(len(tokens_of(gold)), len(tokens_of(answer))) > MAX_PLAIN:
        return None
    try:
        return judge(gold, answer)
    except TooLarge:
        return None


def judge(gold: str, answer: str) -> bool:
    """Grade one answer.

    Raises:
        TooLarge: If a number in them is too large to be calculated here.
    """
    if gold.strip() == answer.strip():
        return True
    if not tokens_of(gold) or not tokens_of(answer):
        return False
    if spelling(gold) == spelling(answer):
        return True
    expected, provided = read(gold), read(answer)
    if isinstance(expected, Words):
        provided = phrases.read_words(tokens_of(answer))
    if expected is None or provided is None:
        return False
    try:
        return same(expected, provided)
    except Undefined:
        return False


def readable_many(answers: Sequence[str]) -> list[bool]:
    """Check which answers can be graded: they parse to a value that equals itself."""
    return [is_readable(answer) for answer in answers]


def is_readable(answer: str) -> bool:
    """Check whether an answer parses to a value other than words."""
    if not isinstance(answer, str) or len(answer) > MAX_TEXT:
        return False
    try:
        value = read(answer)
        return value is not None and not isinstance(value, Words) and same(value, value)
    except (TooLarge, Undefined, RecursionError):
        return False


def graded_by(gold: str) -> str:
    r"""Return how answers to this gold are compared: by "value", or by "text" if it does not parse.

    >>> graded_by(r"\frac{1}{2}"), graded_by("7?8")
    ('value', 'text')
    """
    try:
        value = read(gold)
        return "value" if value is not None and same(value, value) else "text"
    except TooLarge:
        return "value"  # of a size that a worker calculates
    except (Undefined, RecursionError):
        return "text"


def shared_pool() -> Executor:
    """Return the workers that judge for this process, started on the first call."""
    require("math")
    return pool_for("edgewise.grading.worker:judge", seconds=SECONDS)


def read_number(text: str) -> Fraction | None:
    r"""Parse `text`: an integer, a decimal or a fraction of integers; None for anything else.

    >>> read_number(r"-\frac{3}{4}"), read_number("1,200"), read_number("2 + 2")
    (Fraction(-3, 4), Fraction(1200, 1), None)
    """
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return None
    try:
        value = read(text)
    except TooLarge:
        return None
    if not isinstance(value, Expression) or value.node.op != "number":
        return None
    number: Fraction = value.node.args[0]
    return number
