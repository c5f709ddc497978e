"""Whether two mathematical answers mean the same."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from edgewise.answer import extract_answer
from edgewise.equivalence_value import compare_values, read, squeeze
from edgewise.pool import LOST, Pool, WorkerError, as_verdict
from edgewise.registration import require

MAX_LENGTH = 20_000  # of a solution that an answer is in
MAX_BARE_LENGTH = 2_000  # of an answer that is nothing else
SECONDS = 10.0  # for one answer, on cores that do other work too
MAX_DEPTH = 30  # of its brackets
MAX_DIGITS = 400  # of a number in it
MAX_EXPONENT = 10_000
LEAST_GAP = Fraction(1, 1_000)  # of numbers that no rounding makes equal
BRACKET = re.compile(r"[(\[{]|[)\]}]")
LARGE = re.compile(
    rf"\d{{{MAX_DIGITS}}}"  # a number of many digits
    r"|(?:\^|\*\*)[\s{(]*-?\d[\d ,]{4}"  # a large exponent
    r"|\d{5}[\s)}]*!|!\s*[)}][\s)}]*!"  # a large factorial
)
TOWER = re.compile(r"(?:\^|\*\*)[\s{(]*(\d+)[\s}]*(?:\^|\*\*)[\s{(]*(\d+)")
PLAIN = re.compile(
    r"([-+]?)(?:\\[dt]?frac\{(\d+)\}\{(\d+)\}|(\d+|\d{1,3}(?:,\d{3})+)(?:/(\d+)|(\.\d+))?|(\.\d+))",
    re.ASCII,
)
LISTED = re.compile(r"\\cup|\\infty|\\begin|[(\[][^()\[\],]*,[^()\[\]]*[)\]]")  # no plain number
WORDS = re.compile(r"[a-zA-Z\s,.?!'-]+")  # no number either
FOREIGN = re.compile(r"[\"`@#]")  # to mathematics
MARKED = re.compile(r"(?<!\\)\$.*(?<!\\)\$|\\boxed", re.DOTALL)  # mathematics within a text


def equivalent(gold: str, answer: str) -> bool | None:
    r"""Return whether `answer` means the same as `gold`; see `equivalent_many`.

    >>> equivalent(r"\frac{1}{2}", " 1/2")
    True
    """
    return equivalent_many([gold], [answer])[0]


def equivalent_many(golds: Sequence[str], answers: Sequence[str]) -> list[bool | None]:
    """Return whether each answer means the same as its gold answer.

    Equal texts and plain numbers are compared here, exactly. What is left goes to Math-Verify, in
    worker processes that are started when first needed: nothing of an answer is evaluated in the
    caller's process. An answer that is no text, or is too long, too deep or too large, or that takes
    longer than the workers may, is wrong. None stands for a pair whose workers died of something else.
    """
    verdicts = [compare(*pair) for pair in zip(golds, answers, strict=True)]
    doubtful = [i for i, verdict in enumerate(verdicts) if verdict is None]
    if doubtful:
        judged = shared_pool().map([(golds[i], answers[i]) for i in doubtful])
        for i, result in zip(doubtful, judged, strict=True):
            verdicts[i] = as_verdict(result)
    return verdicts


def anticipate(gold: str, answer: str) -> None:
    """Let a worker begin with a pair that `equivalent_many` is likely to be asked for next."""
    if compare(gold, answer) is None:
        shared_pool().submit([(gold, answer)])


def compare(gold: str, answer: str) -> bool | None:
    """Return whether `answer` is right if that is plain to see, else None."""
    if not isinstance(answer, str) or len(answer) > MAX_LENGTH or not answer.strip():
        return False
    left, right = squeeze(gold), squeeze(answer)
    if left == right:
        return True
    values = read_number(left), read_number(right)
    if values[0] is not None and values[1] is not None:
        if values[0] == values[1]:
            return True
        if "." not in left + right or abs(values[0] - values[1]) > LEAST_GAP * abs(values[0]):
            return False
    if not MARKED.search(answer.strip().strip("$")):
        said = compare_values(gold, answer)
        if said is not None:
            return said
        if len(answer) > MAX_BARE_LENGTH or FOREIGN.search(answer):
            return False
        plain = None in values and values != (None, None)  # one of them
        if plain and (LISTED.search(left + right) or WORDS.fullmatch(right)):
            return False
    return None if is_moderate(extract_answer(answer, "boxed") or answer) else False


def read_number(text: str) -> Fraction | None:
    r"""Return the value of a plain integer, decimal or fraction; None if `text` is none.

    >>> read_number(r"-\frac{3}{4}"), read_number("1,200"), read_number("2x")
    (Fraction(-3, 4), Fraction(1200, 1), None)
    """
    match = PLAIN.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if match is None:
        return None
    sign, top, bottom, whole, under, decimals, small = match.groups()
    divisor = int(bottom or under or 1)
    if divisor == 0:
        return None
    digits = top or whole.replace(",", "") + (decimals or "") if small is None else f"0{small}"
    return Fraction(f"{sign}{digits}") / divisor


def is_moderate(answer: str) -> bool:
    """Return whether nothing in `answer` is so deep or so large that it is not worth a worker.

    >>> is_moderate("2011^{2009}"), is_moderate("10^10^10"), is_moderate("9" * 1000)
    (True, False, False)
    """
    depth = deepest = 0
    for bracket in BRACKET.finditer(answer):
        depth += 1 if bracket[0] in "([{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or LARGE.search(answer) is not None:
        return False
    towers = [(int(tower[1]), int(tower[2])) for tower in TOWER.finditer(answer)]
    return all(low < 2 or (high < 20 and low**high <= MAX_EXPONENT) for low, high in towers)


def readable_many(answers: Sequence[str]) -> list[bool]:
    """Return which answers Math-Verify can read as mathematics, so that others can be compared.

    Plain numbers and expressions are read here, the others in a worker process.

    Raises:
        WorkerError: If the workers are killed.
    """
    verdicts: list[bool | None] = [
        True if read_number(squeeze(answer)) is not None or read(answer) is not None else None
        for answer in answers
    ]
    doubtful = [
        i
        for i, answer in enumerate(answers)
        if verdicts[i] is None and 0 < len(answer) <= MAX_BARE_LENGTH and is_moderate(answer)
    ]
    if doubtful:
        judged = reading_pool().map([(answers[i],) for i in doubtful])
        if LOST in judged:
            raise WorkerError("the worker that reads answers was killed, twice at the same one")
        for i, verdict in zip(doubtful, judged, strict=True):
            verdicts[i] = verdict is True
    return [verdict is True for verdict in verdicts]


@lru_cache(maxsize=1)
def reading_pool() -> Pool:
    """Return the worker of this process that reads answers, started on the first call."""
    require("math")
    return Pool("edgewise.equivalence_engine:is_readable", num_workers=1, seconds=SECONDS)


@lru_cache(maxsize=1)
def shared_pool() -> Pool:
    """Return the pool of this process that judges answers, started on the first call."""
    require("math")
    return Pool("edgewise.equivalence_engine:judge", seconds=SECONDS)


os.register_at_fork(after_in_child=reading_pool.cache_clear)
os.register_at_fork(after_in_child=shared_pool.cache_clear)  # threads do not outlive a fork
