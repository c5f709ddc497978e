"""Second attempts against second samples, by hand and by simulation."""

import json

import numpy as np
import pytest

pytest.importorskip("tyro")

from edgewise.benchmarks.studies.second_attempts import Study, compare, main


def row(seed, correct, num_turns, level=1):
    place = {"part": "own/X-v0", "level": level, "problem_seed": seed}
    return {**place, "correct": correct, **({"turns": ["a"] * num_turns} if num_turns > 1 else {})}


ROWS = [
    *[row(0, True, 1), row(0, True, 2), row(0, False, 2)],  # seconds: 1 of 2; another first: 1/2
    *[row(1, True, 2), row(1, True, 3), row(1, None, 2)],  # seconds: 1 of 2; another first: 0
    *[row(2, True, 1), row(2, True, 1)],  # never wrong at first
    row(3, False, 2),  # alone
]


def test_shares_are_of_the_same_problems_and_each_wrong_first_attempt_counts_once():
    found = compare(ROWS)
    assert (found.num_problems, found.num_wrong) == (3, 4)
    assert (found.after_feedback, found.samples) == (0.5, 0.25)
    assert found.difference.value == 0.25
    # by hand: sums 0, 1, 0 over weights 2, 2, 0 of mean 4/3; .25 + (-.5, .5, 0) * 3/4
    spread = np.std([-0.375, 0.375, 0.0], ddof=1) / 3**0.5
    assert found.difference.half_width == pytest.approx(4.302653 * spread)


def test_samples_may_be_those_of_another_evaluation():
    others = [row(0, True, 1), row(0, True, 1), row(1, True, 2), row(1, True, 1), row(7, True, 1)]
    found = compare(ROWS, others)  # problem 0: 1 of 2 after feedback, 2 of 2 samples; 1: 1 of 2, .5
    assert (found.num_problems, found.num_wrong, found.after_feedback) == (2, 4, 0.5)
    assert (found.samples, found.difference.value) == (0.75, -0.25)


def test_seconds_that_are_samples_differ_by_nothing_on_average():
    """Where feedback says nothing, the difference has mean 0, and 95 % of the intervals cover it."""
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        rows = []
        for seed, chance in enumerate(rng.random(40)):
            for first, second in rng.random((4, 2)) < chance:
                rows.append(row(seed, bool(first or second), 1 if first else 2))
        found.append(compare(rows).difference)
    assert abs(np.mean([one.value for one in found])) < 0.01
    assert 0.9 < np.mean([one.low < 0 < one.high for one in found]) < 0.99


def test_a_folder_is_read_and_one_without_second_attempts_refused(tmp_path, capsys):
    rows = [*ROWS, row(0, False, 2, level=2), row(0, False, 2, level=2)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    main(Study((tmp_path,)))
    told = capsys.readouterr().out
    assert "4 problems, 6 wrong first attempts, second attempts after feedback 0.333" in told
    assert "level 1: 3 problems, 4 wrong first attempts" in told
    with pytest.raises(ValueError, match="wrong first attempt"):
        compare(ROWS[-3:])
