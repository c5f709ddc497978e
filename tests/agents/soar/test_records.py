"""What is read of a game of SOAR is checked: a damaged field is named, and no report is silently of less."""

import json

import pytest

pytest.importorskip("torch")

from edgewise.agents.soar.config import SOARRunConfig, game_record
from edgewise.agents.soar.records import CHECKS, read_game
from edgewise.agents.soar.report import write_report
from edgewise.agents.soar.run import game_state
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.studies.soar_statistics import check_record, of_each_student
from edgewise.cli import main
from edgewise.cli.compare_soar import play_game
from edgewise.files import FileError

ASKED = SOARRunConfig(num_steps=3, num_datasets=2, dataset_size=1, num_students=1)
CONFIG = {
    "preset": "seedling",
    "reward": "grounded",
    "seed": 0,
    "dtype": "float32",
    "device": "cpu",
}
METRICS = {"reward": 0.5, "best_reward": 0.5, "accepted_ratio": 1.0, "time/step_seconds": 1.0}


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def folder(tmp_path):
    """The folder of a game of three steps of two problems."""
    write(tmp_path / "config.json", [{**CONFIG, "game": game_record(ASKED)}])
    write(tmp_path / "metrics.jsonl", [{"step": step, **METRICS} for step in (1, 2, 3)])
    problems = [
        {"step": step, "question": f"{step}+{k}", "answer": str(step + k), "dataset": k}
        for step in (1, 2, 3)
        for k in (0, 1)
    ]
    write(tmp_path / "problems.jsonl", problems)
    (tmp_path / "checkpoints" / "3").mkdir(parents=True)
    return RunFolder(tmp_path)


def lines(folder, name):
    return (folder.path / name).read_text().splitlines(keepends=True)


def changed(folder, keys, value):
    """Write config.json with another value, or without one."""
    config = folder.config()
    place = config
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    if value is ...:
        del place[keys[-1]]
    write(folder.path / "config.json", [config])


HOSTILE = (None, -1, "x", [], {}, float("nan"), 10**400)
COULD_BE = (("preset", "x"), ("reward", "x"), ("seed", 10**400), ("game.soar.threshold", -1))


@pytest.mark.parametrize(
    "keys",
    ["preset", "reward", "seed", "game", "game.env", "game.soar", "game.soar.num_steps", "game.soar.window",
     "game.soar.threshold"],
)  # fmt: skip
def test_a_damaged_field_is_named_with_its_file(folder, keys):
    named = rf"^{folder.path}/config.json: (must have )?`({keys}[.`]|env`)"
    for value in HOSTILE:
        if (keys, value) not in COULD_BE:
            changed(folder, keys.split("."), value)
            with pytest.raises(FileError, match=named):
                read_game(folder)


def test_an_environment_is_not_imported_by_its_name(folder):
    changed(folder, ["game", "env"], "antigravity:Arithmetic-v0")
    with pytest.raises(FileError, match=r"config.json: "):
        read_game(folder)


def test_a_game_that_recorded_less_has_the_defaults(folder):
    for name in ("reward", "dtype", "device"):
        changed(folder, [name], ...)
    assert read_game(folder)["reward"] == "grounded" and write_report(folder).exists()


@pytest.mark.parametrize(
    ("name", "keep", "told"),
    [
        ("metrics.jsonl", [0, 2], "the records of step 2 are missing"),
        ("metrics.jsonl", [0, 1, 1, 2], "the records of step 2 are there more than once"),
        ("problems.jsonl", [0, 1, 2, 4, 5], "the records of step 2 are missing"),
        ("problems.jsonl", [], "the records of steps 1 to 3 are missing"),
    ],
)
def test_a_report_says_what_is_missing_and_counts_each_step_once(folder, name, keep, told, capsys):
    found = lines(folder, name)
    (folder.path / name).write_text("".join(found[row] for row in keep))
    assert main(["report", str(folder.path)]) == 0
    out, err = capsys.readouterr()
    assert err == f"edgewise: {folder.path / name}: {told}; the report is without\n"
    steps = {keep[row] for row in range(len(keep))} if name == "metrics.jsonl" else {0, 1, 2}
    assert f"- {len(steps)} of 3 outer steps" in out and "No step was done" not in out


def test_records_in_another_order_give_the_same_report(folder):
    before = write_report(folder).read_text()
    for name in ("metrics.jsonl", "problems.jsonl"):
        (folder.path / name).write_text("".join(sorted(lines(folder, name), reverse=True)))
    text = write_report(folder).read_text()
    assert text.split("The first problems")[0] == before.split("The first problems")[0]


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        (
            "metrics.jsonl",
            {"step": 2, **METRICS, "reward": "x"},
            "`reward` must be a number, got 'x'",
        ),
        ("metrics.jsonl", {"step": 2}, "must have 'reward', got ['step']"),
        (
            "problems.jsonl",
            {"step": 1, "question": 3, "answer": "1"},
            "`question` must be a text, got 3",
        ),
    ],
)
def test_a_game_goes_on_without_a_record_that_its_report_would_refuse(folder, name, line, reason):
    found = lines(folder, name)
    found[1] = json.dumps(line) + "\n"
    (folder.path / name).write_text("".join(found))
    folder.forget_after(3, {"metrics.jsonl": 1, "problems.jsonl": 2}, CHECKS)
    missing = f"the records of step {line['step']} are missing; the run goes on without"
    assert folder.notes == [f"{folder.path / name}:2: {reason}; {missing}"]
    assert lines(folder, name) == [found[0], *found[2:]]
    assert lines(folder, f"{name}.damaged") == found
    write_report(folder)


def test_a_game_goes_on_with_each_record_once(folder):
    whole = lines(folder, "metrics.jsonl")
    (folder.path / "metrics.jsonl").write_text("".join([*whole, *whole]))
    folder.forget_after(3, {"metrics.jsonl": 1, "problems.jsonl": 2}, CHECKS)
    assert lines(folder, "metrics.jsonl") == whole
    assert lines(folder, "metrics.jsonl.damaged") == [*whole, *whole]
    assert "steps 1 to 3 are there more than once" in folder.notes[0]


@pytest.mark.parametrize(("name", "value"), [("seed", 1), ("reward", "learnability")])
def test_a_suite_refuses_a_game_of_another_seed_or_reward(folder, name, value):
    (folder.path / "report.md").write_text("done")
    asked = SOARRunConfig(output=folder.path)
    assert play_game(asked) == folder.path.name
    changed(folder, [name], value)
    with pytest.raises(FileError, match=f"^{folder.path}/config.json: `{name}` must be .* move "):
        play_game(asked)


def test_the_checkpoint_of_another_kind_of_run_is_refused(folder):
    with pytest.raises(
        FileError, match=r"algorithm.pt: must have the state of a game, got \['step'\]"
    ):
        game_state({"step": 3}, folder.path / "checkpoints" / "3" / "algorithm.pt")


SIZES = {"test": "abc", "num_steps": 1}
STUDENT = {"method": "hard", "run": "", "teacher": 0, "student": 0, "size": 0, "num_samples": 4,
           "correct": [[0, 4]], "sizes": SIZES, "vendi": [1.5, 0.1]}  # fmt: skip


WRONG = {
    **dict.fromkeys(("method", "teacher", "student", "correct", "num_samples"), HOSTILE),
    "run": (None, -1, [], {}),
    "size": (-1, "x", [], float("nan")),
    "vendi": (None, [1.5], [1.5, float("nan")], [-1.0, 0.1], "x"),
}
FEWER = {"correct": ([[0, 5]], [[0]], [[0, 1], []], [[0, None]]), "num_samples": (5, 0)}


@pytest.mark.parametrize("wrong", [WRONG, FEWER], ids=["types", "counts"])
def test_a_damaged_record_of_a_student_is_refused(wrong):
    check_record(STUDENT, SIZES, 4, 2)
    for field, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError, match=rf"^`{field}"):
                check_record({**STUDENT, field: value}, SIZES, 4, 2)


def test_a_student_counts_once():
    again = {**STUDENT, "correct": [[1, 1]]}
    assert of_each_student([STUDENT, again, {**STUDENT, "student": 1}]) == [
        STUDENT,
        {**STUDENT, "student": 1},
    ]
