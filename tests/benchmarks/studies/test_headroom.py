import json
from math import exp, log

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.headroom import begin, passed
from edgewise.benchmarks.studies.headroom_plan import (
    ORACLE,
    RANDOM,
    HeadroomConfig,
    Schedule,
    finals,
    random_arms,
    schedules,
    screening,
)
from edgewise.benchmarks.studies.headroom_report import (
    best_of,
    leads_of,
    measure,
    report,
    tokens_to,
    verdict,
)
from edgewise.cli.main import main
from edgewise.files import read_json

ARM = {"env": "Some-v0", "level": 1, "pass_at_1": 0.1, "pass_at_32": 0.5, "chance": 0.01}
CARD = [{"arm": 0, **ARM}, {"arm": 1, **ARM}]


def record(schedule, seed, looks, test=0.0):
    return {"schedule": schedule, "seed": seed, "looks": looks, "test": test, "levels": [test, 0.0]}


# Random ends at .3 on average over both seeds. It comes there after 100 tokens and after 300 of 400;
# "arm-1" after 50 in both.
RECORDS = [
    record(RANDOM, 1, [(0, 0.1), (100, 0.3), (400, 0.25)], test=0.30),
    record(RANDOM, 2, [(0, 0.1), (200, 0.2), (400, 0.35)], test=0.32),
    record("arm-1", 1, [(0, 0.1), (100, 0.5), (400, 0.6)], test=0.40),
    record("arm-1", 2, [(0, 0.1), (100, 0.5), (400, 0.6)], test=0.44),
    record("arm-0", 1, [(0, 0.1), (100, 0.1), (400, 0.1)], test=0.10),
    record("arm-0", 2, [(0, 0.1), (100, 0.1), (400, 0.2)], test=0.12),
]


@pytest.mark.parametrize(("num_arms", "num_bands"), [(1, 3), (2, 3), (5, 3), (24, 3), (7, 1)])
def test_the_grid_covers_the_arms(num_arms, num_bands):
    found = schedules(num_arms, num_bands)
    names = [schedule.name for schedule in found]
    assert len(set(names)) == len(names)
    alone = [schedule.arms(0.0) for schedule in found[:num_arms]]
    assert alone == [(arm,) for arm in range(num_arms)]
    for schedule in found[num_arms:]:
        assert [share for share, _ in schedule.phases] == [0.5, 0.5]
        assert schedule.arms(0.49) != schedule.arms(0.5)
        assert set(schedule.arms(0) + schedule.arms(1)) <= set(range(num_arms))
    bands = min(num_bands, num_arms)
    assert len(found) - num_arms == (bands * (bands + 1) if bands > 1 else 0)


def test_the_last_phase_goes_on_when_the_tokens_are_passed():
    assert Schedule("two", ((0.5, (0,)), (0.5, (1,)))).arms(1.2) == (1,)


def test_screening_has_one_seed_and_a_third_of_the_tokens():
    runs = screening(HeadroomConfig(), 4, None)
    assert [run.schedule.name for run in runs][::17] == [RANDOM, ORACLE]
    assert {(run.seed, run.share) for run in runs} == {(0, 1 / 3)}
    without = screening(HeadroomConfig(num_probes=0), 4, None)
    assert len(without) == len(runs) - 1


def test_final_runs_are_paired_by_seed():
    best = schedules(3, 1)[:2]
    runs = finals(HeadroomConfig(num_seeds=2, first_seed=7), 3, best, None)
    assert [(run.seed, run.schedule.name) for run in runs] == [
        (seed, name) for seed in (7, 8) for name in (RANDOM, "arm-0", "arm-1")
    ]
    assert runs[0].schedule == random_arms(3)


def test_a_name_has_no_other_run():
    config = HeadroomConfig()
    runs = [*screening(config, 5, None), *finals(config, 5, schedules(5, 3), None)]
    assert len({run.name for run in runs}) == len(runs)


def test_tokens_are_read_off_the_curve():
    assert tokens_to([(0, 0.1), (100, 0.5)], 0.3) == pytest.approx(50)
    assert tokens_to([(0, 0.4), (100, 0.5)], 0.3) == 0
    assert tokens_to([(0, 0.1), (50, 0.1), (100, 0.3)], 0.2) == pytest.approx(75)
    assert tokens_to([(0, 0.1), (100, 0.2)], 0.3) is None


def test_the_best_are_chosen_without_random_arms():
    assert best_of(RECORDS[:5:2], 3) == ["arm-1", "arm-0"]
    assert best_of([*RECORDS[::2], record(RANDOM, 0, [(9, 9.0)])], 1) == ["arm-1"]


def test_headroom_is_paired_and_the_best_by_its_looks_is_first():
    first, second = leads_of(RECORDS)
    assert (first.schedule, second.schedule) == ("arm-1", "arm-0")
    # differences 10 and 12 points: mean 11, standard error 1, t(.975, 1) = 12.706
    assert (first.points.value, first.points.low) == pytest.approx((11, 11 - 12.706), abs=1e-3)
    # 100 / 50 and (200 + 2 / 3 * 200) / 50
    assert first.factor.value == pytest.approx(exp((log(2) + log(20 / 3)) / 2))
    assert (first.never, second.never) == (0, 2)
    found = measure(RECORDS, RECORDS[:3], CARD)
    assert found.best == found.fastest == first
    assert found.gain.value == pytest.approx(21)
    assert not found.counts  # two seeds say little


def test_the_fastest_is_the_best_of_the_screening():
    screened = [
        record("arm-0", 0, [(0, 0.1), (30, 0.3)]),
        record("arm-1", 0, [(0, 0.1), (30, 0.2)]),
    ]
    found = measure(RECORDS, screened, CARD)
    assert (found.best.schedule, found.fastest.schedule) == ("arm-1", "arm-0")


@pytest.mark.parametrize(("lead", "counts"), [(0.029, False), (0.031, True)])
def test_a_bed_counts_above_three_points(lead, counts):
    looks = [(0, 0.1), (100, 0.3)]
    records = [record(RANDOM, seed, looks, test=0.3) for seed in (1, 2)]
    records += [record("arm-0", seed, looks, test=0.3 + lead) for seed in (1, 2)]
    found = measure(records, records, CARD)
    assert found.counts is counts
    said = verdict(found)
    assert f"at most {100 * lead:.1f} points" in said
    assert ("too little" in said) is not counts


@pytest.mark.parametrize(("tokens", "counts"), [(70, False), (60, True)])
def test_a_bed_counts_above_half_as_many_tokens_again(tokens, counts):
    records = [
        record(name, seed, [(0, 0.1), (last, 0.3)], test=0.3)
        for seed in (1, 2)
        for name, last in ((RANDOM, 100), ("arm-0", tokens))
    ]
    assert measure(records, records, CARD).counts is counts


def test_the_report_begins_with_the_verdict():
    text = report(RECORDS, RECORDS[:3], CARD, "Headroom")
    assert text.splitlines()[2].startswith("a curriculum can gain at most 11.0 points")
    assert "| arm-0 | -20.0 [" in text
    assert "| 0 | Some-v0 | 1 | 0.100 | 0.500 | 0.010 | 0.310 | 0.420 |" in text


def test_every_part_of_a_run_is_passed_once():
    steps = [(i * 7.0, (i + 1) * 7.0) for i in range(15)]
    assert sum(passed(before, after, 100.0, 9) for before, after in steps) == 9


def test_a_folder_keeps_its_settings(tmp_path):
    folder = tmp_path / "bed"
    begin(HeadroomConfig(), folder)
    begin(HeadroomConfig(num_seeds=9), folder)  # more seeds go on
    with pytest.raises(ValueError, match="another num_tokens; name another folder"):
        begin(HeadroomConfig(num_tokens=7), folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").touch()
    with pytest.raises(ValueError, match="`output` must be new"):
        begin(HeadroomConfig(), tmp_path / "full")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--num-seeds", "1"], "`num_seeds` must be at least 2, got 1"),
        (["--num-tokens", "0"], "`num_tokens` must be at least 1, got 0"),
        (["--env", "Nothing-v0"], "Nothing-v0"),
        (["--target", "3"], "`target` must be in range(3), got 3"),
    ],
)
def test_mistakes_are_one_line(flags, said, tmp_path, capsys):
    assert main(["headroom", "--output", str(tmp_path / "runs"), *flags]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_measurement_goes_on_where_it_stopped(tmp_path, capsys):
    folder = tmp_path / "bed"
    small = "--num-tokens 900 --num-problems 2 --num-probes 1 --probe-steps 1 --num-bands 2"
    tiny = "--num-looks 2 --validation-problems 4 --test-problems 4 --num-seeds 2 --num-best 1"
    words = (
        f"headroom --env Arithmetic-v0 --agent seedling:sums --levels 1 2 {small} {tiny}"
        " --learning-rates 1e-4 2e-4 --output"
    )
    assert main([*words.split(), str(folder)]) == 0
    told = capsys.readouterr().out
    assert "a curriculum can gain at most" in told
    report_before = (folder / "report.md").read_text()
    runs = sorted(folder.rglob("*-s*.json"))
    oracle = read_json(folder / "screen" / "oracle-s0.json")
    assert oracle["posed"] and set(oracle["posed"]) <= {0, 1}
    card = read_json(folder / "card.json")["arms"]
    assert [row["level"] for row in card] == [1, 2]
    assert all(row["pass_at_1"] <= row["pass_at_32"] for row in card)
    assert all(read_json(path)["tokens"] >= 300 for path in runs)
    lost = [path for path in runs if path.parent.name == "final"][-1]
    before = json.loads(lost.read_text())
    lost.unlink()
    kept = {path: path.stat().st_mtime_ns for path in runs if path != lost}
    assert main([*words.split(), str(folder)]) == 0
    assert json.loads(lost.read_text()) == before  # the same run again
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert (folder / "report.md").read_text() == report_before
