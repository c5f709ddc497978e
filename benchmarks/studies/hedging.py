r"""Texts that hedge: whether any is right for two gold answers, and what the best constant earns.

    python -m edgewise.benchmarks.studies.hedging --data ../shared/data --texts 100000

Texts are two to four gold answers, joined by fragments of LaTeX, markup and words, drawn with a seed.
None may be right for two gold answers of different value; two have the same value if one answers the
other, or if they are one number of two units, which a bare number answers by convention. Then a search climbs for the one text that is right for most problems of a data set, from its
most frequent gold answer, by insertions, deletions and replacements of gold answers and fragments.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from edgewise.benchmarks.speed.equivalence import gold_answers
from edgewise.grading.evaluate import TooLarge, Undefined, ball, evaluate, precision
from edgewise.grading.expressions import same_expression
from edgewise.grading.grade import compare
from edgewise.grading.reader import read
from edgewise.grading.tree import symbols_of
from edgewise.grading.values import Expression, Percentage, Quantity, Value

DATASETS = ("AMC-v0", "AIME24-v0", "MATH500-v0", "GSM8K-v0", "OlympiadBench-v0")
FRAGMENTS = (
    " ", ",", ", ", "; ", " or ", " and ", r"\text{ or }", r"\text{ and }", "=", r"\ne ", r"\approx ", "<", ">",
    r"\le ", "|", r"\mid ", "/", r"\div ", r"\times ", r"\cdot ", "*", "+", "-", r"\pm ", r"\mp ", "^", "_", "^{", "_{",
    "{", "}", "(", ")", "[", "]", r"\{", r"\}", r"\frac", r"\sqrt", r"\binom", r"\choose ", r"\over ", r"\atop ",
    r"\to ", r"\Rightarrow ", r"\;", r"\,", r"\!", r"\ ", "~", r"\quad ", "$", "$$", r"\$", r"\(", r"\)", r"\[", r"\]",
    "%", r"\%", r"\text{", "?", "!", ":", ".", "...", r"\ldots ", r"\cup ", r"\cap ", r"\setminus ", r"\in ",
    r"\infty ", r"\overline{", r"\boxed{", r"\\", "&", "\n", "\n\n", r"\begin{pmatrix}", r"\end{pmatrix}", r"\left(",
    r"\right)", "x", "x=", "y=", "k", r"\pi", "e", "i", "0", "1", "0(", r"^\circ", r"\text{cm}", " cm", r"\text{not }",
    "#", "'", '"', "**", "`", "@", r"\phantom{", r"\mathrm{", r"\max(", r"\gcd(", r"\lfloor ", r"\rfloor ", r"\log_",
    r"\sum_{", "<sup>", "{}", "_{}", "^{}", r"\hline ", "½", "±", "√", "²", "answer is ", "So ", r"\stackrel{", "Therefore, she has ", " apples", " ou ", "Donc ", "La réponse est ",
    "答案是", "所以有", "个", "或", "Ответ: ", "لذلك، ", " هو ", "。", "Total = ", "### Answer\n",
)  # fmt: skip
MAX_SHORT = 25  # characters of a gold answer that is joined
CLOSE = 1e-6


@dataclass(frozen=True)
class HedgingCommand:
    """Search for texts that are right for several gold answers."""

    data: Path
    """Folder of the data sets."""
    texts: int = 10_000
    """Texts that are drawn."""
    steps: int = 2_000
    """Steps of the search for the best constant, for each data set."""
    seed: int = 0
    """Seed of both."""


class Golds:
    """Gold answers, with those that a text could be right for found fast."""

    def __init__(self, golds: Sequence[str]) -> None:
        """Read the gold answers."""
        self.golds = list(dict.fromkeys(golds))
        values = [(read_or_none(gold), gold) for gold in self.golds]
        sized = [
            (size_of(value) if isinstance(value, Expression) else None, gold)
            for value, gold in values
        ]
        self.numbers = sorted((size, gold) for size, gold in sized if size is not None)
        self.sizes = [size for size, _ in self.numbers]
        self.others = [gold for size, gold in sized if size is None]

    def right(self, text: str) -> list[str]:
        """Return the gold answers that `text` is right for."""
        value = read_or_none(text)
        if value is None:
            return [text] if text in self.golds else []
        size = size_of(value)
        near = list(self.others)
        if size is None:
            near += [gold for _, gold in self.numbers]
        else:
            for one in (size, size / 100, size * 100):
                edge = CLOSE * (1 + abs(one))
                near += [
                    gold
                    for _, gold in self.numbers[
                        bisect_left(self.sizes, one - edge) : bisect_right(self.sizes, one + edge)
                    ]
                ]
        return [gold for gold in dict.fromkeys(near) if compare(gold, text)]


def read_or_none(text: str) -> Value | None:
    """Return the reading of a text; None if it has none, or one too large."""
    try:
        return read(text)
    except TooLarge:
        return None


def size_of(value: Value | None) -> float | None:
    """Return the real part of a number as a float; None for another value."""
    if not isinstance(value, (Expression, Percentage, Quantity)) or symbols_of(value.node):
        return None
    try:
        with precision(64):
            return float(ball(evaluate(value.node, {})).real.mid())
    except (Undefined, TooLarge, OverflowError):
        return None


def are_related(left: str, right: str) -> bool:
    """Return whether one gold answer answers the other, or they are one number of several units."""
    if compare(left, right) or compare(right, left):
        return True
    values = [read_or_none(text) for text in (left, right)]
    nodes = [value.node for value in values if isinstance(value, (Quantity, Percentage))]
    return len(nodes) == 2 and same_expression(*nodes)


def joined(golds: Sequence[str], rng: random.Random) -> str:
    """Return two to four gold answers with fragments before, between and after them."""
    text = rng.choice(FRAGMENTS) if rng.random() < 0.3 else ""
    for _ in range(rng.choice((2, 2, 2, 3, 3, 4))):
        text += rng.choice(golds) + "".join(rng.choices(FRAGMENTS, k=rng.choice((1, 1, 2, 3))))
    return text if rng.random() < 0.5 else text.rstrip(rng.choice((",", " ", "$", "}", ".")))


def hedge_lines(golds: Sequence[str], texts: int, seed: int) -> list[str]:
    """Count the texts that one gold answer accepts, and collect those that two accept."""
    known, rng = Golds(golds), random.Random(seed)
    short = [gold for gold in known.golds if len(gold) <= MAX_SHORT]
    one, several = 0, list[str]()
    for _ in range(texts):
        text = joined(short, rng)
        right = known.right(text)
        one += len(right) > 0
        pairs = [(a, b) for i, a in enumerate(right) for b in right[i + 1 :]]
        differ = [pair for pair in pairs if not are_related(*pair)]
        if differ:
            several.append(f"right for two    {text!r}: {differ[0]}")
    return [
        f"joined texts     {texts} of {len(known.golds)} gold answers: {one} right for one, "
        f"{len(several)} for two that differ",
        *several,
    ]


def constant_lines(name: str, golds: Sequence[str], steps: int, seed: int) -> list[str]:
    """Search for the best constant text, and compare it with the most frequent answer."""
    counts, known, rng = Counter(golds), Golds(golds), random.Random(seed)

    def earned(text: str) -> int:
        return sum(counts[gold] for gold in known.right(text))

    frequent = max(counts, key=earned)
    best, most = frequent, earned(frequent)
    short = [gold for gold in known.golds if len(gold) <= MAX_SHORT]
    start = most
    for _ in range(steps):
        i, j = sorted(rng.randrange(len(best) + 1) for _ in range(2))
        part = "".join(
            rng.choice(rng.choice((short, FRAGMENTS))) for _ in range(rng.choice((1, 2, 3)))
        )
        tried = best[:i] + part + best[i if rng.random() < 0.7 else j :]
        if len(tried) < 400 and (gain := earned(tried)) >= most:
            best, most = tried, gain
    share = most / len(golds)
    return [
        f"best constant    {name}: {most} of {len(golds)}, {share:.1%}; the most frequent answer "
        f"{frequent!r} {start}, {start / len(golds):.1%}"
    ]


def main() -> None:
    """Print what was found."""
    command = tyro.cli(HedgingCommand)
    golds = {name: gold_answers(name, ("test",), command.data) for name in DATASETS}
    together = [gold for some in golds.values() for gold in some]
    print("\n".join(hedge_lines(together, command.texts, command.seed)), flush=True)
    for name, some in golds.items():
        print("\n".join(constant_lines(name, some, command.steps, command.seed)), flush=True)


if __name__ == "__main__":
    main()
