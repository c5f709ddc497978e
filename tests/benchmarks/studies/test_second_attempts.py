"""Second attempts against second samples, by hand."""

import json

import pytest

from edgewise.benchmarks.studies.second_attempts import compare, main


def row(seed, correct, num_turns):
    place = {"part": "own/X-v0", "level": 1, "problem_seed": seed}
    return {**place, "correct": correct, **({"turns": ["a"] * num_turns} if num_turns > 1 else {})}


ROWS = [
    *[row(0, True, 1), row(0, True, 2), row(0, False, 2)],  # second: 1/2; another first: 1/2
    *[row(1, True, 2), row(1, True, 2), row(1, None, 2)],  # second: 1; another first: 0
    *[row(2, True, 1), row(2, True, 1)],  # never wrong at first
    row(3, False, 2),  # alone
]


def test_shares_are_of_the_same_problems():
    found = compare(ROWS)
    assert (found.after_feedback, found.samples, found.num_problems) == (0.75, 0.25, 2)
    assert found.difference.value == 0.5


def test_a_folder_is_read_and_one_without_second_attempts_refused(tmp_path, capsys):
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    main([str(tmp_path)])
    assert (
        "2 problems, second attempts after feedback 0.750, second samples 0.250"
        in capsys.readouterr().out
    )
    with pytest.raises(ValueError, match="wrong first attempt"):
        compare(ROWS[-3:])
