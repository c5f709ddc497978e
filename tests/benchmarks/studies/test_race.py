import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies import headroom
from edgewise.benchmarks.studies.bed import Bed
from edgewise.benchmarks.studies.headroom_plan import HeadroomConfig, Run, random_arms
from edgewise.benchmarks.studies.race import begin, race, run_once
from edgewise.benchmarks.studies.race_plan import (
    Entrant,
    RacePlan,
    RaceRun,
    pilot,
    pilots_of,
    runs_of,
)
from edgewise.cli.main import main
from edgewise.files import FileError, read_json
from edgewise.interrupts import Stopped, never, obey

PLAN = {
    "beds": {
        "two": {
            "env": "Arithmetic-v0",
            "agent": "seedling:sums",
            "preset": "ladder",
            "levels": [1, 2],
            "num_tokens": 700,
            "num_problems": 2,
            "num_looks": 2,
            "validation_problems": 4,
            "test_problems": 5,
        }
    },
    "entrants": {
        "random": {"curriculum": "random"},
        "mt-grpo": {"curriculum": "mt-grpo", "algorithm": "grpo:filter=rps"},
    },
    "baselines": ["random"],
    "seeds": [3, 4],
}
SIZED = {"curriculum": "random", "allocation": "knapsack:most=16"}


def written(tmp_path, **changes):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**PLAN, **changes}))
    return path


def test_an_entrant_may_size_its_groups(tmp_path):
    plan = RacePlan.load(written(tmp_path, entrants={**PLAN["entrants"], "sized": SIZED}))
    entrant = plan.entrants["sized"]
    assert entrant.record() == {**SIZED, "algorithm": "grpo"}
    assert plan.entrants["random"].record() == {"curriculum": "random", "algorithm": "grpo"}
    bed = Bed(plan.beds["two"], 3, None, entrant.curriculum, 1, entrant.allocation)
    for _ in bed.steps(2):
        sizes = bed.state.rollout.made.sum(dim=1)
        assert sizes.sum() == 2 * plan.beds["two"].group_size
    with pytest.raises(FileError, match="`allocation` must be one of none, vip"):
        RacePlan.load(written(tmp_path, entrants={"sized": {**SIZED, "allocation": "vop"}}))


def test_runs_of_a_seed_stand_together_and_a_pilot_is_made_once(tmp_path):
    entrants = {"e2h": {"curriculum": "e2h-gaussian"}, "ordered": {"curriculum": "ordered"}}
    path = written(tmp_path, entrants={**PLAN["entrants"], **entrants})
    plan = RacePlan.load(path)
    runs = runs_of(plan)
    assert [run.seed for run in runs] == [3] * 4 + [4] * 4
    assert len({run.file for run in runs}) == 8
    (found,) = pilots_of(plan)
    assert found == pilot(runs[2]) == RaceRun("two", "pilot/grpo", Entrant("random"), 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"beds": {}}, "`beds` must have at least one"),
        ({"beds": {"../up": PLAN["beds"]["two"]}}, "`beds` must have names of lower-case words"),
        ({"beds": {"two": {"env": "Nothing-v0"}}}, "Nothing-v0"),
        ({"beds": {"two": {"num_tokens": 0}}}, "`num_tokens` must be at least 1, got 0"),
        ({"beds": {"two": {"tokens": 5}}}, "tokens"),
        ({"entrants": {"a/b": {"curriculum": "random"}}}, "`entrants` must have names"),
        ({"entrants": {"random": {"curriculum": "os.system"}}}, "os.system"),
        ({"entrants": {"random": {"curriculum": "sec:heat=1"}}}, "heat"),
        (
            {"entrants": {"random": {"curriculum": "random", "algorithm": "grpo:filter=x"}}},
            "filter",
        ),
        ({"baselines": ["sec"]}, "sec"),
        ({"baselines": []}, "`baselines` must have at least one"),
        ({"seeds": [3]}, "`seeds` must be at least two"),
        ({"seeds": [3, 3]}, "`seeds` must be at least two"),
        ({"seeds": [0, 1]}, "`seeds` must be at least two"),
        ({"sampled": ["sec"]}, "sec"),
        ({"left_out": {"three": ["mt-grpo"]}}, "`left_out` must be one of two"),
        ({"left_out": {"two": ["sec"]}}, "`left_out` must be one of"),
        ({"left_out": {"two": ["random"]}}, "`left_out` must have no baseline, got random"),
        ({"num_samples": 0}, "`num_samples` must be at least 1, got 0"),
        ({"scored_cost": -1}, "`scored_cost` must be at least 0"),
        ({"scored_cost": "third"}, "`scored_cost` must be a finite number"),
    ],
)
def test_a_plan_is_checked_before_anything_runs(changes, said, tmp_path, capsys):
    path = written(tmp_path, **changes)
    with pytest.raises(FileError, match=r"plan\.json"):
        RacePlan.load(path)
    assert main(["compare", "--plan", str(path), "--output", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "seeds"), [("beds", 10), ("beds-more", 10), ("beds-rate", 8), ("demo", 2)]
)
def test_the_committed_plans_are_whole(name, seeds):
    plan = RacePlan.load(Path(__file__).parents[3] / "benchmarks" / "plans" / f"{name}.json")
    assert {*plan.baselines} <= {*plan.entrants} and len(plan.seeds) == seeds
    pairs = len(plan.beds) * len(plan.entrants) - sum(map(len, plan.left_out.values()))
    assert len(runs_of(plan)) == seeds * pairs
    pilots = [run.name for run in pilots_of(plan)]
    assert pilots == (["pilot/grpo"] * len(plan.beds) if "e2h-gaussian" in plan.entrants else [])


@pytest.mark.slow
def test_the_demonstration_ends_with_the_difference_and_a_picture(tmp_path, capsys):
    plan = Path(__file__).parents[3] / "benchmarks" / "plans" / "demo.json"
    folder = tmp_path / "demo"
    assert main(["compare", "--plan", str(plan), "--processes", "2", "--output", str(folder)]) == 0
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("crowd: random solves ") and first.endswith(" after 40,000 tokens")
    assert second.startswith("crowd: sec solves ") and " points ahead of random, " in second
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_takes_more_entrants_but_no_others(tmp_path):
    plan, folder = RacePlan.load(written(tmp_path)), tmp_path / "runs"
    begin(plan, folder)
    begin(replace(plan, entrants={**plan.entrants, "sec": Entrant("sec")}, seeds=[8, 9]), folder)
    begin(plan, folder)  # what is left out is remembered
    other = Entrant("sec:temperature=0.2")
    with pytest.raises(ValueError, match="another entrant sec"):
        begin(replace(plan, entrants={"sec": other}, baselines=["sec"]), folder)
    with pytest.raises(ValueError, match="another scored_cost"):
        begin(replace(plan, scored_cost=0.5), folder)
    with pytest.raises(ValueError, match="another bed two"):
        begin(replace(plan, beds={"two": replace(plan.beds["two"], num_tokens=9)}), folder)
    with pytest.raises(ValueError, match="`output` must be new"):
        begin(plan, tmp_path)


def test_random_is_what_headroom_calls_random():
    config = HeadroomConfig(**{**PLAN["beds"]["two"], "levels": (1, 2)})
    entrants = {"random": Entrant("random")}
    plan = RacePlan(
        {"two": config}, entrants, ["random"], [5, 6], sampled=["random"], num_samples=2
    )
    found = run_once(plan, RaceRun("two", "random", entrants["random"], 5), None, 1)
    known = headroom.run_once(config, Run("final", random_arms(2), 5))
    for name in ("steps", "tokens", "learning_rate"):
        assert found[name] == known[name]
    assert found["after"]["levels"] == known["levels"]
    assert found["after"]["validation"] == known["looks"][-1][1]
    before = [look for look in known["looks"] if look[0] < 700]
    assert found["looks"][: len(before)] == before
    assert found["tokens"] >= found["looks"][-1][0] == 700
    assert len(found["made"]) == len(found["looks"])
    assert found["made"] == sorted(found["made"]) and found["made"][-1] <= found["rollouts"]
    once, twice = (found["pass_at"][k] for k in ("1", "2"))
    assert all(0 <= one <= two <= 1 for one, two in zip(once, twice, strict=True))


@pytest.mark.slow
def test_a_comparison_goes_on_where_it_stopped(tmp_path, capsys):
    path, folder = written(tmp_path), tmp_path / "runs"
    command = ["compare", "--plan", str(path), "--processes", "1", "--output", str(folder)]
    assert main(command) == 0
    assert "Ahead of random" in capsys.readouterr().out
    before = (folder / "report.md").read_text()
    runs = sorted(folder.glob("two/*-s*.json"))
    assert len(runs) == 4
    found = read_json(folder / "two" / "mt-grpo-s3.json")
    assert found["scored"] > 0  # the pass after the updates is paid
    assert found["tokens"] == pytest.approx(found["generated"] + found["scored"] / 3)
    assert found["rollouts"] >= found["steps"] * 16
    lost = [json.loads(run.read_text()) for run in runs[2:]]
    kept = {run: run.read_bytes() for run in runs[:2]}
    for run in runs[2:]:
        run.unlink()
    asks = iter([False] * 3)
    obey(lambda: next(asks, True))  # after the second step of the first that is lost
    try:
        with pytest.raises(Stopped):
            race(RacePlan.load(path), folder, 1, print)
    finally:
        obey(never)
    assert not runs[2].exists() and not list(folder.rglob("*.partial"))
    assert main(command) == 0
    again = [json.loads(run.read_text()) for run in runs[2:]]
    assert [{**row, "seconds": 0} for row in again] == [{**row, "seconds": 0} for row in lost]
    assert kept == {run: run.read_bytes() for run in kept}
    texts = [before, (folder / "report.md").read_text()]
    without_seconds = [[line.rsplit(" | ", 1)[0] for line in text.splitlines()] for text in texts]
    assert without_seconds[0] == without_seconds[1]
