"""The tables of the documentation say what the grader does."""

import re
from pathlib import Path

import pytest

pytest.importorskip("flint")

from edgewise.grading.grade import compare

LINES = (Path(__file__).parents[3] / "docs" / "grading.md").read_text().splitlines()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in LINES
    if "`" in line and line[0] == "|"
]
CODE = re.compile(r"`([^`]+)`")


TYPES = [row for row in ROWS if row[1][0] == "`" and "`: `" not in row[2]]
CONVERSIONS = [row for row in ROWS if "`: `" in row[2]]


@pytest.mark.parametrize("row", TYPES, ids=lambda row: row[0])
def test_each_type(row):
    gold, *others = CODE.findall(row[1])
    right, wrong = [*others, *CODE.findall(row[2])], CODE.findall(row[3])
    assert [compare(gold, answer) for answer in right] == [True] * len(right)
    assert [compare(gold, answer) for answer in wrong] == [False] * len(wrong)


@pytest.mark.parametrize("row", CONVERSIONS, ids=lambda row: row[0])
def test_each_conversion(row):
    gold, *answers = CODE.findall(row[2])
    assert answers and [compare(gold, answer) for answer in answers] == [True] * len(answers)
    gold, *answers = CODE.findall(row[3])
    assert answers and [compare(gold, answer) for answer in answers] == [False] * len(answers)
