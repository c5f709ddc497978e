"""The benchmark of answer equivalence asks what it says it asks."""

import os
from pathlib import Path

import pytest

pytest.importorskip("math_verify")

from edgewise.benchmarks.equivalence import PAIRS, accuracy_lines, ordinary_pairs, respelled
from edgewise.equivalence import equivalent_many

DATA = Path(os.environ.get("EDGEWISE_DATA", Path(__file__).parents[3] / "shared" / "data"))
GOLDS = [r"\frac{x+1}{2}", "(3, 4)", r"[0, \infty)", r"2\sqrt{3}+1", "1,200"]


def test_another_spelling_is_another_text_and_an_equal_answer():
    others = [respelled(gold) for gold in GOLDS]
    assert all(other != gold for gold, other in zip(GOLDS, others, strict=True))
    assert equivalent_many(GOLDS, others) == [True] * len(GOLDS)


@pytest.mark.skipif(not (DATA / PAIRS).is_file(), reason="the labelled pairs are not at hand")
@pytest.mark.slow
def test_the_real_pairs_are_asked():
    right, alone, lost, *wrong = accuracy_lines(DATA)
    assert "of 444 right" in right and "423 of 444 right" in alone and lost.endswith(" 0")
    assert len(wrong) == 444 - int(right.split()[2])
    pairs = ordinary_pairs(DATA, 2)
    assert len(pairs) == 20 and all(isinstance(text, str) for pair in pairs for text in pair)
