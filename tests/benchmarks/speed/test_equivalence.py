"""The benchmarks of grading ask what they say they ask."""

import os
from pathlib import Path

import pytest

pytest.importorskip("flint")

from edgewise.benchmarks.speed.equivalence import (
    PAIRS,
    accuracy_lines,
    gold_lines,
    ordinary_pairs,
    respelled,
)
from edgewise.benchmarks.studies.hedging import Golds, constant_lines, hedge_lines
from edgewise.grading import equivalent_many

DATA = Path(os.environ.get("EDGEWISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
GOLDS = [r"\frac{x+1}{2}", "(3, 4)", r"[0, \infty)", r"2\sqrt{3}+1", "1,200+x"]
real = pytest.mark.skipif(not (DATA / PAIRS).is_file(), reason="the labelled pairs are not at hand")


def test_another_spelling_is_another_text_and_an_equal_answer():
    others = [respelled(gold) for gold in GOLDS]
    assert all(other != gold for gold, other in zip(GOLDS, others, strict=True))
    assert equivalent_many(GOLDS, others) == [True] * len(GOLDS)


def test_the_search_finds_every_gold_answer_that_a_text_is_right_for():
    golds = ["7", "7.0", r"25\%", "25", r"5\text{ cm}", "1, 2", "(1, 2)", "7?8", r"\{3\}"]
    known = Golds(golds)
    for text in [*golds, "0.25", "5", r"\frac{14}{2}", "3", "x = 7"]:
        assert set(known.right(text)) == {
            gold for gold in golds if equivalent_many([gold], [text])[0]
        }


def test_no_joined_text_is_right_for_two_and_no_constant_beats_the_most_frequent():
    golds = ["3", "3", "5", "12", "-4", r"\frac{1}{2}", r"2\sqrt{3}", "(1, 2)", r"10\%", "x+1"]
    first, *others = hedge_lines(golds, 300, seed=1)
    assert first.endswith("0 for two that differ") and not others
    assert "2 of 10, 20.0%; the most frequent answer '3' 2" in constant_lines("x", golds, 200, 1)[0]


@real
@pytest.mark.slow
def test_the_real_pairs_are_asked():
    compared, extracted, *_ = accuracy_lines(DATA)
    assert "0 wrong ones accepted" in compared and "0 wrong ones accepted" in extracted
    right = int(compared.split("compare: ")[1].split()[0])
    assert right >= 0.98 * int(compared.split(" right, ")[0].split()[-1])
    pairs = ordinary_pairs(DATA, 2)
    assert len(pairs) == 20 and all(isinstance(text, str) for pair in pairs for text in pair)


@real
@pytest.mark.slow
def test_the_real_gold_answers_have_a_reading():
    shares = {
        line.split()[1]: float(line.split(", ")[1].split("%")[0])
        for line in gold_lines(DATA)
        if line.startswith("golds") and "no file" not in line
    }
    floor = {"MATH-v0:": 99, "AIME24-v0:": 100, "AMC-v0:": 100, "OlympiadBench-v0:": 97}
    assert all(shares[name] >= share for name, share in floor.items())
