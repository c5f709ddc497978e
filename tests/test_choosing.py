"""What is said of curricula rests on figures that stand in the results that it links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "choosing.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+))"
INTERVAL = re.compile(rf"\[{NUMBER}, {NUMBER}\]")

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the pages are not here")


def intervals(text):
    """The bounds in brackets, of a lead and of the same as an arrear."""
    found = {(float(low), float(high)) for low, high in INTERVAL.findall(text)}
    return found | {(-high, -low) for low, high in found}


def linked(text, folder):
    return [folder / target for target in LINK.findall(text)]


def rows():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


def known():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split("## What is known\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split(" | ")[0][2:40])
def test_every_line_links_a_result_that_has_its_intervals(row):
    files = linked(row, PAGE.parent)
    assert files and all("results" in file.parts for file in files)
    there = set().union(*(intervals(file.read_text(encoding="utf-8")) for file in files))
    assert intervals(row) <= there


def test_what_the_readme_knows_is_in_the_results_that_it_links():
    files = [file for file in linked(known(), ROOT) if "results" in file.parts]
    there = set().union(*(intervals(file.read_text(encoding="utf-8")) for file in files))
    assert intervals(known()) and intervals(known()) <= there
