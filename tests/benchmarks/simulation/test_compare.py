"""Cells are done once, their numbers are paired, and the report says what they say."""

import csv
import io
import json
import os
import signal
from dataclasses import asdict, replace
from multiprocessing import get_context

import pytest
from rich.console import Console

pytest.importorskip("torch")

from edgewise.agents.algorithms.filters import FILTERS
from edgewise.benchmarks.simulation import compare as comparison
from edgewise.benchmarks.simulation.compare import (
    Cell,
    CellFile,
    Record,
    Size,
    catalogue,
    cells_of,
    parse_curriculum,
    run_cells,
    run_simulated,
)
from edgewise.benchmarks.simulation.report import (
    METRICS,
    Results,
    by_world,
    claims,
    overall,
)
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.cli import main
from edgewise.cli.compare_simulated import Bar
from edgewise.interrupts import Stopped, stoppable
from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA

SMALL = Size(num_steps=3, num_arms=4, num_problems=4, group_size=8)
FLAGS = ["--steps", "3", "--arms", "4", "--num-problems", "8", "--group-size", "4"]


def record(curriculum, world, seed, final):
    """A cell of which only the final accuracy matters."""
    return Record(world, curriculum, seed, 3, 96, final, final, 0.0, 0.5, 0.0)


def compare(folder, *flags):
    """Run the command with one process; return the lines of its table."""
    assert main(["compare", *FLAGS, "--processes", "1", "--output", str(folder), *flags]) == 0
    return (folder / "cells.csv").read_text().splitlines()


def test_the_catalogue_has_every_rule_and_filter_once():
    found = catalogue(Size())
    names = {text.split(":")[0] for text in found}
    rules, filters = {*CURRICULA, *PROBLEM_CURRICULA}, {f"random+{name}" for name in FILTERS}
    assert names == (rules - {"e2h-classic"}) | filters  # the same rule as ordered
    assert all(parse_curriculum(name, 10) for name in found)
    assert "subset:arms=[6,7,8]" in found and "pac:cold_steps=4" in found


@pytest.mark.parametrize("curriculum", catalogue(SMALL))
def test_every_curriculum_runs_in_every_world(curriculum):
    for world in WORLDS:
        if world in ("independent", "locked") or curriculum == "sec":
            cell = Cell(world, curriculum, seed=1)
            found = run_simulated(SMALL, cell)
            assert asdict(found) | asdict(cell) == asdict(found)
            assert found.rollouts >= 3 * 32 and found.steps <= 3
            shares = [getattr(found, name) for name in METRICS]
            assert min(shares) >= 0 and max(shares) <= 1
            assert (found.extra_rollouts > 0) <= ("+" in curriculum)


def test_a_cell_is_its_seed_alone():
    cell = Cell("neighbours", "sec+speed:screen=2", seed=3)
    assert run_simulated(SMALL, cell) == run_simulated(SMALL, cell)
    assert run_simulated(SMALL, cell) != replace(
        run_simulated(SMALL, replace(cell, seed=4)), seed=3
    )


def test_the_area_is_the_mean_of_the_curve_over_the_budget():
    one = run_simulated(replace(SMALL, num_steps=1), Cell("neighbours", "random", 0))
    three = run_simulated(SMALL, Cell("neighbours", "random", 0))
    assert (
        one.auc_id < one.final_id < three.final_id
    )  # the line from the first accuracy to the last
    assert one.rollouts == 32 and three.rollouts == 96
    start = 2 * one.auc_id - one.final_id
    learner = comparison.SimulatedLearner(WORLDS["neighbours"](4, 0))
    assert start == pytest.approx(learner.accuracy()[:4].mean())


def test_what_is_done_is_not_done_again(tmp_path):
    def never(size, cell):
        raise AssertionError(cell)

    cells = cells_of(["neighbours"], ["random", "sec"], 2)
    file = CellFile(tmp_path, asdict(SMALL))
    assert list(run_cells("simulated", SMALL, cells[:3], file, 1)) == [0, 1, 2, 3]
    with file.path.open("a") as cut:
        cut.write("neighbours,sec,1,3,96,0.5")  # killed while it wrote
    again = CellFile(tmp_path, asdict(SMALL))
    assert set(again.done) == set(cells[:3]) and again.done == file.done
    comparison.AGENTS["never"] = never
    try:
        assert list(run_cells("never", SMALL, cells[:3], again, 1)) == [3]
    finally:
        del comparison.AGENTS["never"]
    assert list(run_cells("simulated", SMALL, cells, again, 1)) == [3, 4]


@pytest.mark.parametrize("curriculum", ["random", "random+dapo"])
def test_a_cell_stops_between_two_steps_and_counts_them(tmp_path, curriculum):
    long, num_made = replace(SMALL, num_steps=10**6), get_context("spawn").Value("q", 0)
    file = CellFile(tmp_path, asdict(long))
    cells = run_cells("simulated", long, [Cell("locked", curriculum, 0)], file, 1, num_made)
    assert next(cells) == 0
    with stoppable(quiet=True), pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGINT)
        next(cells)
    assert not file.done and num_made.value == 0  # the first step was not counted
    done = run_cells("simulated", SMALL, [Cell("locked", curriculum, 0)], file, 1, num_made)
    assert list(done) == [0, 1]
    [record] = file.done.values()
    assert num_made.value == record.rollouts >= SMALL.budget == 3 * 4 * 8


def test_the_bar_moves_while_a_cell_is_under_way():
    shown, parts = io.StringIO(), iter([0.0, 0.25, 1.5])
    console = Console(file=shown, force_terminal=True, width=100)
    bar = Bar(console, 1, 4, lambda: next(parts))
    moved = []
    for _ in range(3):
        console.print(*bar.get_renderables())
        moved.append(bar.tasks[0].completed)
    assert moved == [1, 1.25, 2.5]
    assert "cells 1/4" in shown.getvalue() and "62%" in shown.getvalue()


def test_a_comparison_that_was_stopped_comes_to_the_same(tmp_path, capsys):
    flags = ["--curricula", "sec,random+dapo", "--worlds", "neighbours,locked", "--seeds", "2"]
    whole = compare(tmp_path / "whole", *flags)
    compare(tmp_path / "parts", *flags[:4], "--seeds", "1")
    stopped = compare(tmp_path / "parts", *flags)
    assert stopped == whole and len(whole) == 1 + 2 * 3 * 2
    reports = [(tmp_path / name / "report.md").read_text() for name in ("whole", "parts")]
    assert reports[0] == reports[1]
    assert (tmp_path / "parts" / "report.png").stat().st_size > 10_000
    assert "cells 6/12" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_come_to_the_same_as_one(tmp_path):
    one = compare(tmp_path / "one", "--curricula", "sec,plr", "--seeds", "2")
    two = compare(tmp_path / "two", "--curricula", "sec,plr", "--seeds", "2", "--processes", "2")
    assert one == two


def test_the_command_says_what_it_found(tmp_path, capsys):
    compare(
        tmp_path,
        "--curricula",
        "subset:arms=[2,3],reverse",
        "--worlds",
        "neighbours",
        "--seeds",
        "3",
    )
    text = capsys.readouterr().out
    for words in ("subset:arms=[2,3]", "random", *METRICS.values(), "cells 9/9"):
        assert words in text
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["curriculum"] for row in rows} == {"random", "subset:arms=[2,3]", "reverse"}
    assert json.loads((tmp_path / "config.json").read_text())["agent"] == "simulated"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--agent", "seedling"], "`agent` must be one of simulated, got 'seedling'"),
        (["--worlds", "neighbors"], "did you mean 'neighbours'?"),
        (["--curricula", "sek"], "`curriculum` must be one of 37 names"),
        (["--curricula", "sec+dappo"], "`filter` must be one of dapo"),
        (["--curricula", "subset:arms=[9]"], "`arms` must be in range(4)"),
        (["--curricula", "random+speed"], "`screen` must be below group_size = 4, got 4"),
        (["--algorithm", "ppo"], "`algorithm` must be one of grpo, rloo"),
        (["--seeds", "0"], "`num_seeds` must be at least 1, got 0"),
        (["--group-size", "1"], "`group_size` must be at least 2, got 1"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path, capsys, flags, message):
    assert main(["compare", *FLAGS, "--output", str(tmp_path / "new"), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_of_another_size_is_refused(tmp_path, capsys):
    compare(tmp_path, "--curricula", "sec", "--worlds", "locked", "--seeds", "1")
    flags = [*FLAGS, "--steps", "4", "--output", str(tmp_path)]
    assert main(["compare", *flags]) == 2
    assert "`output` must be of the same sizes and agent" in capsys.readouterr().err


def test_a_curriculum_wins_where_its_paired_difference_is_beyond_chance():
    worlds, learners = ("a", "b", "c"), (0.1, 0.5, 0.9)  # which differ far more than the curricula
    gains = {"a": (0.04, 0.05, 0.06), "b": (0.04, 0.05, 0.06), "c": (-0.9, 0.9, 0.1)}
    records = [
        record(name, world, seed, learner + (gains[world][seed] if name == "sec" else 0.0))
        for world in worlds
        for seed, learner in enumerate(learners)
        for name in ("random", "sec")
    ]
    results = Results(records)
    assert results.wins("sec", "final_id") == (2, 0)
    assert results.wins("sec", "final_ood") == (0, 0)
    assert "training arms: sec." in claims(results)[1] and "OOD: none." in claims(results)[2]
    (row,) = by_world(results).rows
    assert row[:2] == ["sec", "+0.050 ± 0.025*"] and row[-3:] == ["+2 -0", "+2 -0", "+0 -0"]
    assert overall(results).rows[0][0] == "sec"
