import json
from math import atan, pi

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.race import Scores
from edgewise.benchmarks.studies.race_report import draw, of_folder, report
from edgewise.benchmarks.studies.race_sheets import (
    completion_sheet,
    overview,
    pass_sheet,
    summary,
    table,
)
from edgewise.benchmarks.studies.statistics import compare, holm, paired_p_value

SLOW = [(0, 0.1), (100, 0.3)]
FAST = [(0, 0.1), (50, 0.3), (100, 0.3)]


def record(schedule, seed, correct, looks=SLOW, bed="one"):
    levels = [sum(row) / len(row) for row in correct]
    return {
        "bed": bed,
        "schedule": schedule,
        "seed": seed,
        "looks": looks,
        "made": [tokens / 10 * seed for tokens, _ in looks],
        "levels": levels,
        "test": sum(levels) / len(levels),
        "correct": correct,
        "steps": seed,
        "rollouts": 12.0,
        "tokens": 110.0,
        "generated": 100.0,
        "seconds": 2.0,
    }


# Test accuracy of "a" is .25 with both seeds, of "b" .75 and .5, of "c" .25 and .75.
RECORDS = [
    record("a", 1, [[0, 1], [0, 0]]),
    record("b", 1, [[1, 1], [0, 1]], FAST),
    record("c", 1, [[0, 1], [0, 0]]),
    record("a", 2, [[0, 1], [0, 0]]),
    record("b", 2, [[1, 1], [0, 0]], FAST),
    record("c", 2, [[0, 1], [1, 1]]),
]
START = {"arms": [], "levels": [0.2, 0.1]}


def test_a_lead_is_paired_by_seed():
    found = compare(RECORDS, ["one"], "b", "a")
    assert found.lead.value == pytest.approx(0.375)  # of .5 and .25
    assert found.lead.low < 0.375 < found.lead.high
    # t = .375 / .125 = 3 with one degree of freedom, that of Cauchy
    assert found.p_value == pytest.approx(1 - 2 * atan(3) / pi)
    assert found.ahead.value == 1
    # .25 and .75 against .25 twice: two ties, two wins
    assert compare(RECORDS, ["one"], "c", "a").ahead.value == 0.75


def test_a_lead_without_variation_has_no_width():
    records = [
        record(name, seed, [[value, value], [value]])
        for name, value in (("a", 0), ("b", 1))
        for seed in (1, 2)
    ]
    found = compare(records, ["one"], "b", "a")
    assert (found.lead.low, found.lead.value, found.lead.high) == (1, 1, 1)


def test_over_all_beds_leads_are_averaged_seed_by_seed():
    other = [
        {**row, "bed": "two", "schedule": {"a": "b", "b": "a"}.get(row["schedule"], "c")}
        for row in RECORDS
    ]  # where "a" and "b" have changed places
    found = compare([*RECORDS, *other], ["one", "two"], "b", "a")
    assert found.lead.value == pytest.approx(0)
    assert found.lead.low < 0 < found.lead.high
    assert found.p_value == 1
    assert found.ahead.value == 0.5


def test_a_bed_may_leave_an_entrant_out():
    other = [{**row, "bed": "two"} for row in RECORDS if row["schedule"] != "b"]
    records = [*RECORDS, *other]
    found = compare(records, ["one", "two"], "b", "a")
    assert found == compare(RECORDS, ["one"], "b", "a") and found.beds == ("one",)
    assert compare(records, ["one", "two"], "c", "a").beds == ("one", "two")
    text = report(records, {"one": START, "two": START}, ["a"])
    over, one, two = text.split("## ")[1:]
    assert "| b | +37.5 [" in over and "| b | " in one and "| b | " not in two
    assert "| p (Holm) |" in two and "points, beds drawn" in over


def test_the_report_of_a_folder_has_the_beds_and_entrants_of_all_its_plans(tmp_path):
    names = ["bed two", "bed one", "entrant c", "entrant a", "entrant b", "num_samples"]
    (tmp_path / "race.json").write_text(json.dumps(dict.fromkeys(names)))
    for bed in ("one", "two"):
        (tmp_path / bed).mkdir()
        (tmp_path / bed / "start.json").write_text(json.dumps(START))
        for row in RECORDS:
            path = tmp_path / bed / f"{row['schedule']}-s{row['seed']}.json"
            path.write_text(json.dumps({**row, "bed": bed}))
    text = of_folder(tmp_path, ["a"])
    assert "3 entrants, 2 paired seeds; beds two, one." in text
    assert text.index("| c | ") < text.index("| b | ")


def test_a_second_interval_draws_the_beds():
    # without variation in a bed, leads of 1 and 0: their mean, and from 0 to 1 where beds are drawn
    records = [
        record(name, seed, [[value * (bed == "one")]], bed=bed)
        for bed in ("one", "two")
        for name, value in (("a", 0), ("b", 1))
        for seed in (1, 2)
    ]
    found = compare(records, ["one", "two"], "b", "a")
    assert (found.lead.low, found.lead.value, found.lead.high) == (0.5, 0.5, 0.5)
    assert (found.drawn.low, found.drawn.value, found.drawn.high) == (0, 0.5, 1)


def test_the_order_of_records_does_not_matter():
    assert compare(RECORDS[::-1], ["one"], "b", "a") == compare(RECORDS, ["one"], "b", "a")


def test_the_overview_has_the_worst_arm_and_the_area():
    rows = {row[0]: row[1:] for row in overview(RECORDS, "one", START).rows}
    assert rows["before training"][:2] == ["0.150", "0.100"]
    # levels 1, .5 and 1, 0; heights .2 and .3 over 50 tokens each
    assert rows["b"][0].startswith("0.625 [") and rows["b"][1:3] == ["0.250", "0.250"]
    assert rows["a"][1:] == ["0.000", "0.200", "1.5", "12", "110", "10", "2.0"]


def test_scores_at_equal_completions_are_read_off_the_curves():
    sheet = completion_sheet(RECORDS, ["a"])
    assert sheet.title.endswith("at 10 completions")  # those of seed 1; seed 2 has made 20
    rows = {row[0]: row[1:] for row in sheet.rows}
    # seed 1 at its end, seed 2 halfway: .3 and .2; "b" is at .3 by then with both
    assert rows["a"] == [rows["a"][0], ""] and rows["a"][0].startswith("0.250 [")
    assert rows["b"][0].startswith("0.300 [") and rows["b"][1].startswith("+5.0 [")


def test_pass_at_k_is_that_of_the_entrants_that_have_it():
    after = {"1": [0.5, 0.1], "2": [0.7, 0.1]}
    rows = [{**row, "pass_at": after} if row["schedule"] == "a" else row for row in RECORDS]
    sheet = pass_sheet(rows, {**START, "pass_at": {"1": [0.1, 0.1], "2": [0.9, 0.3]}})
    assert sheet.header == ["entrant", "pass@1", "pass@2"]
    assert sheet.rows[0] == ["before training", "0.100", "0.600"]
    assert [row[0] for row in sheet.rows[1:]] == ["a"]
    assert sheet.rows[1][1:] == ["0.300 [0.300, 0.300]", "0.400 [0.400, 0.400]"]
    assert "pass@2" in report(rows, {"one": {**START, "pass_at": after}}, ["a"])
    assert "pass@" not in report(RECORDS, {"one": START}, ["a"])


def test_the_summary_says_how_far_ahead_an_entrant_is():
    rows = [{**row, "budget": 100} for row in RECORDS if row["schedule"] != "c"]
    assert summary(rows, {"one": START}, "a") == [
        "one: a solves 15.0% before and 25.0% after 100 tokens",
        "one: b solves 15.0% before and 62.5% after 100 tokens; 37.5 points ahead of a, reaches its "
        "final score with 50% of its tokens",
    ]
    flat = [{**row, "looks": [(0, 0.1), (100, 0.1)]} for row in rows if row["schedule"] == "b"]
    rows = [row for row in rows if row["schedule"] == "a"]
    assert summary([*rows, *flat], {"one": START}, "a")[1].endswith(
        "37.5 points ahead of a, does not always reach its final score"
    )


def test_the_table_has_a_row_for_each_arm():
    rows = [{**row, "learning_rate": 1e-4} for row in RECORDS[:2]]
    assert table(rows).splitlines()[1:] == [
        "one,a,1,0.0001,1,12.0,110.0,0,0.5",
        "one,a,1,0.0001,1,12.0,110.0,1,0",
        "one,b,1,0.0001,1,12.0,110.0,0,1",
        "one,b,1,0.0001,1,12.0,110.0,1,0.5",
    ]


def test_curves_are_drawn_of_every_bed(tmp_path):
    other = [{**row, "bed": "two"} for row in RECORDS]
    draw([*RECORDS, *other, *({**row, "bed": "three"} for row in RECORDS)], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_corrects_for_all_comparisons():
    lines = report(RECORDS, {"one": START}, ["a"]).splitlines()
    first = lines.index("Ahead of a:") + 4
    rows = {line.split(" | ")[0]: line.split(" | ") for line in lines[first : first + 2]}
    # p .2048 and .5; twice the smaller one is .4097
    assert rows["| b"][2:4] == ["0.2048", "0.4097"]
    assert rows["| c"][2:4] == ["0.5000", "0.5000"]
    assert rows["| b"][1].startswith("+37.5 [")
    assert rows["| b"][5].startswith("2.00 [") and rows["| c"][5].startswith("1.00 [")
    assert "## All beds" not in lines
    both = report(RECORDS, {"one": START}, ["a", "c"])
    assert "| 0.2048 | 0.8193 |" in both  # of four comparisons


@pytest.mark.parametrize(
    ("given", "corrected"),
    [([], []), ([0.2], [0.2]), ([0.5, 0.01, 0.4], [0.8, 0.03, 0.8]), ([0.9, 0.8], [1.0, 1.0])],
)
def test_holm_by_hand(given, corrected):
    assert holm(given) == pytest.approx(corrected)


def test_equal_differences_have_no_spread():
    assert (paired_p_value([0.0, 0.0]), paired_p_value([0.1, 0.1])) == (1, 0)


def test_the_end_lies_between_two_steps():
    later = Scores(120.0, 20.0, 0.4, [[1.0, 1.0]])
    found = Scores(80.0, 8.0, 0.2, [[0.0, 1.0]]).towards(later, 110.0)
    assert found.made == 17
    assert found.validation == pytest.approx(0.35)
    assert found.correct == [[0.75, 1.0]]
