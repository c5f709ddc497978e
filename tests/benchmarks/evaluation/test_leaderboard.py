"""The committed results on one page, and that they can be had again."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.evaluation.leaderboard import BEGIN, END, markdown, read_results
from edgewise.cli import main

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"
KEPT = ("config.json", "summary.json", "summary.md")


def numbers(folder):
    """All of a summary that is not time."""
    summary = json.loads((folder / "summary.json").read_text())
    summary["spent"].pop("seconds")
    return summary


@pytest.mark.parametrize(
    "agent",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("oracle", "constant")),
        "random",
        "simulated",
    ],
)
def test_the_numbers_are_the_same_on_a_second_run(evaluate, agent):
    flags = ["--suite", "sec", "--samples", "2"]
    runs = [evaluate(agent, *flags, output=name)[0] for name in ("one", "two")]
    assert numbers(runs[0]) == numbers(runs[1])


@pytest.fixture
def results(evaluate, tmp_path):
    """A folder with three results, of which two have the same questions."""
    for agent, more in (("constant", []), ("oracle", []), ("simulated", ["--samples", "1"])):
        folder, _ = evaluate(agent, "--suite", "sec", "--samples", "2", *more, output=agent)
        kept = tmp_path / "results" / f"sec-{agent}"
        kept.mkdir(parents=True)
        for name in KEPT:
            shutil.copy(folder / name, kept)
    return tmp_path / "results"


def test_the_best_comes_first_among_those_with_the_same_questions(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["leaderboard", str(results), "--readme", str(readme)]) == 0
    text = (results / "leaderboard.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    agents = [row.split(" | ")[0] for row in rows if "agent" not in row and "---" not in row]
    assert agents == ["| oracle", "| constant", "| simulated"]
    assert "| 1.000 / 1.000 | 1.000 / 1.000 | sec-oracle |" in rows[2]
    assert text.count("**sec, test set ") == 2  # other questions, another table
    told = readme.read_text()
    assert told.startswith("before\n") and told.endswith("after\n") and "old" not in told
    assert text.partition("\n\n")[2] in told
    page = (results / "leaderboard.html").read_text()
    assert page.count("<tr ") == 3 and "<script" not in page and "http" not in page


def test_columns_have_a_name_of_their_own_and_cells_stay_cells(evaluate, tmp_path):
    folder, _ = evaluate("constant:a|b<i>", "--suite", "all", "--samples", "1")
    kept = tmp_path / "results" / "one"
    kept.mkdir(parents=True)
    for name in KEPT:
        shutil.copy(folder / name, kept)
    rows = [line for line in markdown(read_results(kept.parent)).splitlines() if line[:2] == "| "]
    head = rows[0].strip("| ").split(" | ")
    assert "sec/Countdown" in head and "e2h/Countdown" in head and "Zebra" in head
    assert rows[2].startswith("| constant:a\\|b&lt;i> | ")


def test_a_folder_or_readme_without_its_place_is_told(results, tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text("no marks\n")
    assert main(["leaderboard", str(results), "--readme", str(readme)]) == 2
    assert "`readme` must have the lines" in capsys.readouterr().err
    assert main(["leaderboard", str(tmp_path / "none")]) == 2
    assert "must have folders with results" in capsys.readouterr().err


@pytest.mark.skipif(not RESULTS.is_dir(), reason="the results are not here")
def test_the_page_shows_the_committed_results():
    results = read_results(RESULTS)
    text = markdown(results)
    assert text in (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    assert text in (RESULTS / "leaderboard.md").read_text(encoding="utf-8")
    for result in results:
        if result.summary["agent"] == "oracle":
            assert {row["pass_at_1"] for row in result.summary["levels"]} == {1.0}
        assert result.summary["complete"] and "dirty" not in result.config["commit"]
        assert result.config["command"].startswith("edgewise eval ")
