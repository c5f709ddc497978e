"""A step is measured whole, in parts that add up to it."""

import pytest

torch = pytest.importorskip("torch")

from edgewise.benchmarks.speed import decode  # noqa: E402
from edgewise.benchmarks.speed.training import (  # noqa: E402
    PARTS,
    SETTINGS,
    in_process,
    problems,
    run,
    score,
    table,
)

OURS = [setting for setting in SETTINGS if setting["trainer"] == "edgewise"]


def test_the_parts_of_a_step_add_up():
    record = run(OURS[2], num_steps=1)
    assert record["seconds"] == pytest.approx(sum(record[part] for part in (*PARTS, "other")))
    assert all(record[part] > 0 for part in PARTS if part != "score")
    assert record["equal"] == record["score"] == 0.0


@pytest.mark.slow
def test_equal_groups_and_corrections_are_seen():
    record = run(next(setting for setting in OURS if setting["decode"] == "bfloat16"), num_steps=1)
    assert record["equal"] > 0.0 and record["score"] > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("setting", OURS, ids=lambda setting: setting["name"])
def test_every_row_of_ours_is_measured_in_a_process_of_its_own(setting):
    record = in_process(setting, num_steps=1)
    assert record["name"] == setting["name"] and record["tokens"] > 0 < record["generate"]


@pytest.mark.slow
def test_rates_are_of_every_way():
    rates = decode.run(8, num_processes=1, num_repeats=1)
    assert set(rates) == set(decode.WAYS) and min(rates.values()) > 0


@pytest.mark.slow
def test_every_completion_can_have_all_tokens():
    assert run(OURS[-1], num_steps=1)["tokens"] == 64 * 64


def test_problems_come_in_groups_of_different_levels():
    rows = problems(2)
    assert len(rows) == 16 and len({row["prompt"] for row in rows}) > 12
    assert len({row["level"] for row in rows}) > 1


def test_times_are_against_those_of_like_length():
    rows = [("a", 2.0, False), ("b", 1.0, False), ("c", 3.0, True), ("d", 1.0, True)]
    records = [
        {"name": name, "seconds": seconds, "tokens": 1.0, "full": full}
        for name, seconds, full in rows
    ]
    assert [line.split()[2] for line in table(records)[1:]] == ["1.00", "2.00", "1.00", "3.00"]
    assert score(records) == 0.5
