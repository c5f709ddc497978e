"""Rules compared by the tables of scores of their runs."""

import subprocess
import sys
from math import atan, pi

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.paired_tables import (
    lead_sheet,
    leads,
    mean_sheet,
    pairs_of,
    read_means,
)
from edgewise.files import FileError

HEADER = "phase,rule,number,agent,seed,level,accuracy,problems,steps,rollouts,tokens\n"


def table(path, rows):
    """Write rows of a rule, a seed and the accuracies of levels 1 and 2."""
    text = HEADER + "start,a,0,start,0,1,0.9,200,0,0,0\n"
    for rule, seed, *scores in rows:
        for level, score in enumerate(scores, start=1):
            text += f"comparison,{rule},0,start,{seed},{level},{score},200,60,7680,9\n"
    path.write_text(text)
    return path


def tables(tmp_path):
    old = table(tmp_path / "old.csv", [("a", 1, 0.2, 0.4), ("a", 2, 0.2, 0.2), ("a", 3, 0, 0)])
    new = table(tmp_path / "new.csv", [("b", 1, 0.4, 0.6), ("b", 2, 0.3, 0.3)])
    other = table(tmp_path / "other.csv", [("a", 1, 0, 0.5), ("a", 2, 0, 0), ("b", 2, 0.1, 0.1)])
    return old, new, other


def test_leads_are_paired_by_the_seeds_that_both_have(tmp_path):
    old, new, other = tables(tmp_path)
    means = {"one": read_means([old, new], [1, 2]), "two": read_means([other], [1, 2])}
    assert means["one"]["a"] == pytest.approx({1: 30, 2: 20, 3: 0})
    single, every = leads(means, ["a"])
    # 20 and 10 points: t = 15 / 5 = 3 with one degree of freedom, that of Cauchy
    first = single[0]
    assert (first.task, first.rule, first.num_seeds) == ("one", "b", 2)
    assert first.points.value == pytest.approx(15)
    assert first.p_value == pytest.approx(1 - 2 * atan(3) / pi)
    # seed 2 alone is in both tasks: 10 and 10
    assert (every[0].num_seeds, every[0].points.value) == (1, pytest.approx(10))
    rows = lead_sheet([first, first]).rows
    assert rows[0][4].startswith("+15.0 [") and rows[0][5:] == ["0.2048", "0.4097"]
    assert mean_sheet(means).rows[0][:3] == ["one", "a", "3"]
    assert leads({"one": means["one"]}, ["a"])[1] == []


def test_two_rules_are_compared_once(tmp_path):
    old, new, _ = tables(tmp_path)
    means = {"one": read_means([old, new], [1, 2])}
    assert pairs_of(means, ["a", "b"]) == [("b", "a")]


def test_what_is_lacking_or_twice_is_named(tmp_path):
    old, new, _ = tables(tmp_path)
    with pytest.raises(FileError, match=r"old\.csv: a, seed 1, must stand once"):
        read_means([old, old], [1, 2])
    with pytest.raises(FileError, match=r"new\.csv: b, seed 1, must have level 3"):
        read_means([new], [1, 3])


@pytest.mark.slow
def test_the_command_prints_three_tables(tmp_path):
    old, new, other = tables(tmp_path)
    command = [sys.executable, "-m", "edgewise.benchmarks.studies.paired_tables", "--task"]
    command += [f"one={old},{new}", "--task", f"two={other}", "--baselines", "a"]
    done = subprocess.run([*command, "--levels", "1", "2"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("\n| --- |") == 3
    assert "| one | b | a | 2 | +15.0 [" in done.stdout
