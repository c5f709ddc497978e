"""What a report rests on is refused where it is damaged, or of another cell; else it is as written."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from edgewise.agents.training.config import complete
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.studies import study
from edgewise.benchmarks.studies.cells import history, past_looks, read_score
from edgewise.benchmarks.studies.plan import SUITES, Size, comparison_cells, plan_of
from edgewise.benchmarks.studies.study_report import Scores
from edgewise.files import FileError

PLAN = plan_of(SUITES["sec"].tasks["Countdown"], ["random"], ["grpo"], 2, Size(num_steps=2))
CELL, OTHER = comparison_cells(PLAN, {"grpo random": 0})
USED = {"steps": 2.0, "rollouts": 256.0, "tokens": 30.0, "effective": 1.0}
SCORE = {"mean": 0.5, "samples": 1, "correct": {"1": [0, 1], "2": [1, 0]}, **USED}
STEP = {
    "num_extra_rollouts": 0,
    "num_tokens": 15,
    "num_extra_tokens": 0,
    "effective_prompt_ratio": 0.5,
}
LOOKS = [
    {**USED, "steps": 1.0, "rollouts": 128.0, "tokens": 15.0, "mean": 0.5},
    {**USED, "mean": 0.25},
]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def make(folder, cell):
    """Write the files of a cell that is done."""
    path = folder / cell.name
    write(path / "config.json", complete(study.train_config(PLAN, cell, path)).record())
    for file in ("after.json", "best.json"):
        write(path / file, SCORE)
    write(path / "curve.json", {"looks": LOOKS})
    lines = [json.dumps({"step": step, **STEP}) for step in (1, 2)]
    (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return path


def test_a_cell_that_is_done_and_whole_stays_as_it_is(tmp_path):
    path = make(tmp_path, CELL)
    before = {file: file.read_bytes() for file in path.iterdir()}
    assert study.run_cell(PLAN, CELL, tmp_path) == CELL.name
    assert {file: file.read_bytes() for file in path.iterdir()} == before
    assert Scores([CELL], tmp_path).found[CELL.name] == SCORE


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mean", float("nan"), r"`mean` must be in \[0, 1\], got nan"),
        ("mean", None, "`mean` must be a number, got None"),
        ("samples", 0, "`samples` must be at least 1, got 0"),
        ("samples", True, "`samples` must be a whole number, got True"),
        ("correct", [], r"`correct` must have levels, got \[\]"),
        ("correct", {}, r"`correct` must have levels, got {}"),
        ("correct", {"1": []}, r"`correct.1` must have right answers of 1, got \[\]"),
        ("correct", {"1": [0, 2]}, r"`correct.1` must have right answers of 1, got \[0, 2\]"),
        ("correct", {"1": [0, -1]}, r"`correct.1` must be a list of counts, got \[0, -1\]"),
        ("tokens", "many", "`tokens` must be a number, got 'many'"),
        ("steps", 10**400, "`steps` must be finite, got 1000"),
        ("effective", ..., "must have `effective`, got "),
    ],
)
def test_a_damaged_score_is_named_with_its_file(tmp_path, field, value, message):
    path = tmp_path / "after.json"
    score = {**SCORE, field: value}
    write(path, {name: part for name, part in score.items() if part is not ...})
    with pytest.raises(FileError, match=f"^{path}: {message}"):
        read_score(path, trained=True)


@pytest.mark.parametrize(
    "look",
    [
        None,
        {"steps": 1},
        {**LOOKS[0], "mean": "x"},
        {"steps": 1, "mean": 0.5},
        {**LOOKS[0], "tokens": -1},
    ],
)
def test_a_damaged_look_is_named_with_its_file(tmp_path, look):
    write(tmp_path / "curve.json", {"looks": [LOOKS[0], look]})
    with pytest.raises(FileError, match=r"curve.json: (`|must have `)looks\[1\]"):
        past_looks(RunFolder(tmp_path))


@pytest.mark.parametrize("value", [None, "x", -1, float("nan"), 10**400, [], True])
@pytest.mark.parametrize("name", STEP)
def test_a_damaged_metric_is_named_with_its_line(tmp_path, name, value):
    path = make(tmp_path, CELL)
    lines = [{"step": 1, **STEP}, {"step": 2, **STEP, name: value}]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(FileError, match=rf"metrics.jsonl:2: `{name}` must be "):
        history(RunFolder(path), 2)


def rename(file):
    def damage(path, other):
        (other / file).replace(path / file)

    return damage


def remove(file):
    return lambda path, other: (path / file).unlink()


def change(file, **fields):
    def damage(path, other):
        write(path / file, {**json.loads((path / file).read_text()), **fields})

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            rename("config.json"),
            "config.json: `seed` must be 1 in the cell of this folder, got 2; move ",
        ),
        (change("config.json", curriculum="sec"), "config.json: `curriculum` must be 'random' in "),
        (
            change("after.json", tokens=31.0),
            "after.json: `tokens` must be 30, as metrics.jsonl has it",
        ),
        (
            change("best.json", steps=1.0),
            "best.json: `rollouts` must be 128, as metrics.jsonl has it",
        ),
        (
            change("curve.json", looks=[*LOOKS[1:], {**LOOKS[0], "tokens": 9}]),
            "curve.json: `tokens` ",
        ),
        (
            change("after.json", steps=3.0),
            "metrics.jsonl: the records of step 3 are missing; remove ",
        ),
        (
            remove("metrics.jsonl"),
            "metrics.jsonl: the records of steps 1 to 2 are missing; remove ",
        ),
    ],
)
def test_what_is_of_another_cell_is_refused_though_the_cell_is_done(tmp_path, damage, message):
    path, other = make(tmp_path, CELL), make(tmp_path, OTHER)
    damage(path, other)
    with pytest.raises(FileError, match=f"^{path}/{message}"):
        study.run_cell(PLAN, CELL, tmp_path)


def test_scores_of_other_problems_are_not_compared(tmp_path):
    make(tmp_path, CELL)
    path = make(tmp_path, OTHER)
    write(path / "after.json", {**SCORE, "correct": {"1": [0, 1, 1], "2": [1, 0]}})
    with pytest.raises(FileError, match=f"^{path}/after.json: must have the levels, problems and "):
        Scores([CELL, OTHER], tmp_path)


def test_a_cell_without_the_scores_of_its_best_look_is_not_done(tmp_path):
    path = make(tmp_path, CELL)
    assert study.is_done(PLAN, CELL, tmp_path)
    (path / "best.json").unlink()
    assert not study.is_done(PLAN, CELL, tmp_path)
    assert study.is_done(replace(PLAN, num_looks=0), CELL, tmp_path)


def test_the_files_of_a_cell_without_its_config_are_left_alone(tmp_path):
    path = make(tmp_path, CELL)
    for file in ("config.json", "after.json"):
        (path / file).unlink()
    before = sorted(path.iterdir())
    with pytest.raises(FileError, match=f"^{path}/config.json: must be there .* move {path} away"):
        study.run_cell(PLAN, CELL, tmp_path)
    assert sorted(path.iterdir()) == before
