"""Damaged scores of a run are told with their file."""

import pytest

from edgewise.agents.training.scores import read_scores
from edgewise.files import FileError
from edgewise.folder import Folder

GOOD = {"env": "Countdown-v0", "level": 1, "ood": False, "pass_at_1": 0.5, "low": 0.4, "high": 0.6}


def test_scores_are_read_and_a_file_that_is_not_there_is_none(tmp_path):
    folder = Folder(tmp_path)
    assert read_scores(folder, "after.json") is None
    folder.write("after.json", {"levels": [GOOD]})
    assert read_scores(folder, "after.json") == {"levels": [GOOD]}


@pytest.mark.parametrize(
    "found",
    [{}, {"levels": 5}, {"levels": None}, {"levels": [{}]}, {"levels": [[]]},
     *({"levels": [{**GOOD, name: value}]} for name, value in
       [("pass_at_1", "x"), ("low", None), ("high", 10**400), ("level", 1.5), ("pass_at_1", True)]),
     {"levels": [{name: value for name, value in GOOD.items() if name != "ood"}]}],
)  # fmt: skip
def test_what_is_no_score_is_refused_with_the_file(tmp_path, found):
    folder = Folder(tmp_path)
    folder.write("after.json", found)
    with pytest.raises(FileError, match=r"after.json: must have the scores of levels"):
        read_scores(folder, "after.json")


def test_the_scores_of_a_cell_of_a_comparison_are_none_of_a_run(tmp_path):
    folder = Folder(tmp_path)
    folder.write("after.json", {"mean": 0.5, "samples": 1, "correct": {"1": [0, 1]}})
    assert read_scores(folder, "after.json") is None
