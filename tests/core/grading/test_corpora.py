"""Real gold answers and collections of pairs, where they are at hand."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("flint")

from edgewise.benchmarks.speed.equivalence import PAIRS, labelled_pairs
from edgewise.grading import equivalent_many, graded_by
from edgewise.grading.reader import read
from edgewise.grading.values import Letter, Words

DATA = Path(os.environ.get("EDGEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
CASES = DATA.parent / "cases"
FILES = ("math/train", "math/test", "math/math500", "amc/amc22_23", "aime24/aime24", "gsm8k/test",
         "olympiadbench/oe_to_maths_en_comp")  # fmt: skip
LEAST = {"math/train": 0.99, "math/test": 0.99, "olympiadbench/oe_to_maths_en_comp": 0.97}
NOTATION = (
    (r"\frac", r"\dfrac"),
    (r"\cup", "\u222a"),
    (r"\infty", "∞"),
    (r"\pi", "π"),
    ("-", "−"),
    (r"\le ", "≤"),
)


def rows_of(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rewrites(gold):
    """Five texts that mean what a gold answer means."""
    inside = gold.strip().strip("$").rstrip(".") if gold.count("$") in (0, 2) else gold.strip()
    other = inside
    for old, new in NOTATION:
        other = other.replace(old, new) if old not in ("-", r"\pi") or "\\" not in inside else other
    return [
        gold,
        rf"We find that it is \boxed{{{inside}}}.",
        f"{gold.strip().rstrip('.')}." if "$" not in gold else f" {gold} ",
        inside.replace("(", r"\left( ").replace(")", r"\right) ")
        if "choose" not in inside
        else gold,
        rf"\displaystyle {{{inside}}}" if "$" not in inside else gold,
        other,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_gold_answers_have_a_reading_and_equal_themselves_and_their_rewrites(name):
    path = DATA / f"{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip("the data are not at hand")
    golds = list(dict.fromkeys(str(row["answer"]) for row in rows_of(path)))
    readable = [gold for gold in golds if graded_by(gold) == "value"]
    assert len(readable) >= LEAST.get(name, 1.0) * len(golds)
    pairs = [(gold, text) for gold in readable for text in rewrites(gold)]
    verdicts = equivalent_many(*map(list, zip(*pairs, strict=True)))
    refused = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if not verdict]
    assert len(refused) <= 0.002 * len(pairs), refused


@pytest.mark.slow
def test_pairs_that_are_labelled_by_construction():
    path = CASES / "answer_rewrites.jsonl.gz"
    if not path.is_file():
        pytest.skip("the pairs are not at hand")
    rows = rows_of(path)
    found = equivalent_many([row["gold"] for row in rows], [row["answer"] for row in rows])
    accepted = [
        row for row, verdict in zip(rows, found, strict=True) if verdict and not row["label"]
    ]
    assert not accepted
    size = Counter(row["family"] for row in rows if row["label"])
    refused = Counter(
        row["family"]
        for row, verdict in zip(rows, found, strict=True)
        if row["label"] and not verdict
    )
    assert all(refused[family] <= 0.01 * size[family] for family in size), refused


@pytest.mark.slow
def test_pairs_with_conventions():
    path = CASES / "answer_pairs.jsonl"
    if not path.is_file():
        pytest.skip("the pairs are not at hand")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = equivalent_many([row["gold"] for row in rows], [row["answer"] for row in rows])
    right = [verdict for row, verdict in zip(rows, found, strict=True) if row["right"]]
    assert sum(right) >= 0.98 * len(right)
    assert not any(verdict for row, verdict in zip(rows, found, strict=True) if not row["right"])


# Right answers of the labelled pairs that are refused, by the convention of docs/grading.md that they follow.
CONVENTIONS = {
    "approximation": ("eq/99", "eq/293"),
    "boxes": ("eq/241",),
    "chain": ("eq/32", "eq/94", "eq/109"),
    "comma": ("eq/6",),
    "decimal": ("eq/120", "eq/182"),
    "doubt": ("eq/12", "eq/14", "eq/56"),
    "estimate": ("eq/297",),
    "things": ("eq/891",),
}


def test_each_convention_is_in_the_table_of_what_is_refused():
    page = (Path(__file__).parents[3] / "docs" / "grading.md").read_text(encoding="utf-8")
    table = page.partition("Conventions about what is refused")[2].partition("\n\n`")[0]
    assert all(f"\n| {kind} |" in table for kind in CONVENTIONS)


@pytest.mark.slow
def test_right_answers_are_accepted_or_refused_by_a_stated_convention():
    if not (DATA / PAIRS).is_file():
        pytest.skip("the pairs are not at hand")
    rows = labelled_pairs(DATA)
    found = equivalent_many([row["gold"] for row in rows], [row["pred"] for row in rows])
    judged = list(zip(rows, found, strict=True))
    assert not [row["id"] for row, verdict in judged if verdict and not row["label"]]
    refused = {row["id"] for row, verdict in judged if row["label"] and not verdict}
    assert refused == {one for rows in CONVENTIONS.values() for one in rows}


@pytest.mark.slow
def test_letters_and_words_of_gold_answers_are_no_expressions():
    path = DATA / "math/test.jsonl.gz"
    if not path.is_file():
        pytest.skip("the data are not at hand")
    golds = {row["answer"] for row in rows_of(path) if row["answer"].startswith(r"\text{")}
    kinds = {gold: type(read(gold)) for gold in golds if gold[6:-1].isalpha()}
    assert kinds and set(kinds.values()) == {Letter, Words}
