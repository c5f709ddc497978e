"""A game in a folder: killed, it goes on exactly; its report and table come from its files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.soar.pairs import Pair  # noqa: E402
from edgewise.agents.soar.run import (  # noqa: E402
    SOARRunConfig,
    begin,
    config_of,
    differs,
    game_of,
    game_record,
    make_policy,
    within_reach,
)
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.benchmarks.studies import soar as soar_table  # noqa: E402
from edgewise.benchmarks.studies.published import SOAR_METHODS  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.cli.compare_flags import SOARCompareConfig  # noqa: E402
from edgewise.cli.compare_soar import sizes  # noqa: E402

SIZES = ["--num-steps", "4", "--num-datasets", "2", "--dataset-size", "2", "--num-students", "1",
         "--inner-steps", "1", "--threshold", "-1"]  # fmt: skip


@pytest.fixture(scope="module")
def model(poser_model):
    return poser_model


def play(model, output, *flags):
    return main(["soar", "--agent", f"hf:{model}", "--output", str(output), *SIZES, *flags])


def content(folder, name):
    lines = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    assert play(model, path) == 0
    return path


def test_a_run_leaves_its_problems_models_and_report(whole):
    problems = content(whole, "problems.jsonl")
    assert len(problems) == 4 * 2 * 2 and {p["step"] for p in problems} == {1, 2, 3, 4}
    metrics = content(whole, "metrics.jsonl")
    assert [m["num_promoted"] for m in metrics] == [0, 0, 1, 1]
    best = content(whole, "best.jsonl")
    chosen = metrics[2]["promoted_dataset"]
    made = [p for p in problems if (p["step"], p["dataset"]) == (3, chosen)]
    assert best == made and best[0]["reward"] is not None
    report = (whole / "report.md").read_text()
    assert "promotions after steps 3" in report and "well_posed" in report
    assert (whole / "report.png").stat().st_size > 10_000
    for name in ("teacher", "student"):
        assert TransformersPolicy.load(whole / name)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_exactly(whole, model, tmp_path):
    path = tmp_path / "killed"
    code = "import sys; from edgewise.cli import main; sys.exit(main(sys.argv[1:]))"
    flags = ["soar", "--agent", f"hf:{model}", "--output", str(path), *SIZES]
    process = subprocess.Popen([sys.executable, "-c", code, *flags], stdout=subprocess.DEVNULL)
    while process.poll() is None and not (path / "checkpoints" / "2").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with (path / "problems.jsonl").open("a") as file:
        file.write('{"question": "cut o')
    assert main(["soar", "--resume", str(path)]) == 0
    for name in ("metrics.jsonl", "problems.jsonl", "best.jsonl"):
        assert content(path, name) == content(whole, name)
    weights = [TransformersPolicy.load(run / "teacher").state_dict() for run in (path, whole)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_teacher_that_writes_nothing_ends_the_run_with_a_message(
    model, tiny_model, tmp_path, capsys
):
    flags = ["--hard", str(model / "hard-train.jsonl")]
    assert play(tiny_model, tmp_path / "run", *flags) == 0
    out = capsys.readouterr().out
    assert "the game ended early: outer step 1: the teacher wrote" in out
    assert "No step was done." in (tmp_path / "run" / "report.md").read_text()


@pytest.mark.slow
def test_the_table_of_fresh_students(whole, model, tmp_path, monkeypatch, capsys):
    output = tmp_path / "made" / "soar"
    methods = [
        "base",
        "hard",
        "base-t",
        "grounded-t",
        "pq",
        "pq-correct",
        "ps",
        "easier",
        "full",
        "teacher",
    ]
    flags = ["--runs", str(whole), "--output", str(output), "--students", "1", "--num-steps", "2"]
    monkeypatch.setattr(
        sys,
        "argv",
        ["soar", *flags, "--group-size", "2", "--full-size", "20", "--methods", *methods],
    )
    soar_table.main()
    text = output.with_suffix(".md").read_text()
    assert all(SOAR_METHODS[method] in text for method in methods)
    lines = output.with_suffix(".jsonl").read_text()
    assert len(lines.splitlines()) == len(methods)
    records = [json.loads(line) for line in lines.splitlines()]
    assert all(len(record["correct"]) == 1 for record in records)
    full = next(record for record in records if record["method"] == "full")
    assert full["size"] == 5 * (20 // 5) and 1 < full["vendi"][0] < full["size"]
    soar_table.main()  # all is there
    assert output.with_suffix(".jsonl").read_text() == lines
    assert output.with_suffix(".md").read_text() == text


def test_a_table_goes_on_with_the_same_problems_wherever_they_lie(
    whole, model, tmp_path, monkeypatch
):
    output = tmp_path / "table"
    flags = ["--runs", str(whole), "--output", str(output), "--methods", "base"]
    monkeypatch.setattr(sys, "argv", ["soar", *flags])
    soar_table.main()
    lines = output.with_suffix(".jsonl").read_text()
    assert str(model) not in lines
    problems = (model / "hard-test.jsonl").read_text()
    moved = tmp_path / "moved.jsonl"
    moved.write_text(problems)
    monkeypatch.setattr(sys, "argv", ["soar", *flags, "--test", str(moved)])
    soar_table.main()
    assert output.with_suffix(".jsonl").read_text() == lines
    moved.write_text("".join(problems.splitlines(keepends=True)[1:]))
    with pytest.raises(ValueError, match="must be new, or have records of the same sizes"):
        soar_table.main()


def test_a_comparison_that_is_finished_says_so_and_changes_nothing(whole, model, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "grounded-s0")
    words = ["compare", "--suite", "soar", "--agent", f"hf:{model}", "--output", str(tmp_path),
             "--processes", "1", "--methods", "base", "--num-seeds", "1"]  # fmt: skip
    assert main(words) == 0
    assert "finished" not in capsys.readouterr().out
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "finished: all 1 students are tested, and stay as they are" in told
    assert kept == {path: path.read_bytes() for path in kept}


SIZE_OF_0_1 = {
    "suite": "soar", "preset": "seedling", "agent": None, "hard": None, "test": None, "num_steps": 4,
    "num_students": None, "fresh_steps": None, "gradient_checkpointing": False, "dtype": "float32",
    "device": "cpu",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"num_seeds": 9},
        {"num_fresh_students": 9},
        {"methods": ("hard",)},
        {"processes": 9},
        {"output": Path("elsewhere")},
        {"max_tokens_per_pass": 9},
    ],
)
def test_more_may_be_asked_for_in_a_folder_of_the_suite_also_in_one_of_0_1(change):
    assert sizes(SOARCompareConfig(num_steps=4, **change)) == SIZE_OF_0_1


@pytest.mark.slow
def test_the_suite_goes_on_where_it_stopped(model, tmp_path, capsys):
    output = tmp_path / "suite"
    words = ["compare", "--suite", "soar", "--agent", f"hf:{model}", "--output", str(output),
             "--num-steps", "1", "--num-students", "1", "--students", "1", "--fresh-steps", "1",
             "--processes", "1", "--methods", "hard", "intrinsic-t", "ps"]  # fmt: skip
    assert main([*words, "--seeds", "1"]) == 0
    out = capsys.readouterr().out
    assert "games 2/2  learnability-s0" in out and "MATH +8.5, HARP +3.6" in out
    game = output / "grounded-s0/metrics.jsonl"
    before, rows = (
        game.read_text(),
        (output / "table.jsonl").read_text(),
    )  # with the time of each step
    assert main([*words, "--seeds", "2"]) == 0
    assert game.read_text() == before
    assert (output / "table.jsonl").read_text().startswith(rows)
    report = (output / "report.md").read_text()
    assert "| Intrinsic-T | 2 x 1 |" in report and "--seeds 2" in report
    assert main([*words, "--seeds", "2", "--dtype", "bfloat16"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "another dtype; name another folder" in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "0"], "`num_seeds` must be at least 1, got 0"),
        (["--methods", "magic"], "`method` must be one of"),
        (["--preset", "chess"], "`game` must be one of"),
        (["--agent", "seedling:countdown"], "`hard` must be a file of hard problems"),
        (["--test", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_mistakes_in_the_suite_are_told_before_a_game_is_played(flags, message, tmp_path, capsys):
    output = tmp_path / "suite"
    assert main(["compare", "--suite", "soar", *flags, "--output", str(output)]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.slow
def test_a_run_with_a_teacher_of_two_turns_filters_nothing(tiny_model, model, tmp_path):
    path = tmp_path / "turns"
    flags = ["--turns", "2", "--hard", str(model / "hard-train.jsonl")]
    assert play(tiny_model, path, *flags) == 0
    assert {m["accepted_ratio"] for m in content(path, "metrics.jsonl")} == {1.0}
    assert len(content(path, "problems.jsonl")) == 4 * 2 * 2


@pytest.mark.slow
def test_the_check_says_what_each_level_gives(model, capsys):
    flags = [*SIZES, "--num-students", "2"]
    assert main(["soar", "--agent", f"hf:{model}", "--check", *flags]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in out[:6]] == [f"level {i} " for i in range(1, 7)]
    assert len(out) == 10 and "shuffled" in out[6] and "above -1.0" in out[6]
    assert out[7].startswith("the teacher's own") and "before the teacher learns" in out[8]
    assert out[9].startswith("spread of the data sets") and "with 2 students" in out[9]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "seed"], "did you mean 'seedling'"),
        (["--hard", "nowhere.jsonl"], "make one with: edgewise profile --game seedling"),
        (["--num-datasets", "1"], "`num_datasets` must be at least 2"),
        (["--resume", "nowhere", "--seed", "1"], "`resume` must be the only flag"),
        (["--judge", "gpt"], "`agent` must be one of"),
        (["--student-learning-rate", "-1"], "`student_learning_rate` must be positive, got -1"),
        (["--teacher-learning-rate", "-1"], "`teacher_learning_rate` must be positive, got -1"),
    ],
)
def test_mistakes_are_told_in_one_line(flags, message, capsys):
    assert main(["soar", *flags]) == 2
    assert message in capsys.readouterr().err


def test_the_run_of_another_command_is_refused(tmp_path, capsys):
    for command, other in (("soar", {"arms": []}), ("train", {"game": {}})):
        (tmp_path / "config.json").write_text(json.dumps(other))
        assert main([command, "--resume", str(tmp_path)]) == 2
        assert f"`resume` must be of a run of `edgewise {command}`, got" in capsys.readouterr().err


def test_students_may_take_more_steps_than_the_game_foresees():
    soar = game_of(SOARRunConfig(inner_steps=30)).soar
    assert (soar.inner_steps, soar.max_inner_steps) == (30, 30)


def test_a_run_of_another_game_does_not_go_on(tmp_path, capsys):
    config = SOARRunConfig(output=tmp_path)
    game = {**game_record(config), "preset": "other"}
    record = {"preset": "seedling", "seed": 0, "hard": None, "output": None, "resume": None}
    (tmp_path / "config.json").write_text(json.dumps({**record, "game": game}))
    assert main(["soar", "--resume", str(tmp_path)]) == 2
    assert "with another 'preset'; begin a new run" in capsys.readouterr().err


def test_a_game_that_did_not_record_all_of_its_settings_goes_on():
    now = game_record(SOARRunConfig())
    recorded = json.loads(json.dumps(now))
    del recorded["teacher"]["sampling"]["logprobs"]  # as a run of Edgewise 0.1
    assert not differs(recorded, now)
    recorded["teacher"]["sampling"]["temperature"] = 0.5
    assert differs(recorded, now)
    assert differs({**now, "gone": 1}, now)


def test_a_run_that_began_before_a_setting_was_there_goes_on(tmp_path):
    game = game_record(SOARRunConfig())
    del game["split"], game["student"]["importance_cap"]  # as runs before these
    record = {"preset": "seedling", "seed": 0, "hard": None, "output": None, "resume": None}
    (tmp_path / "config.json").write_text(json.dumps({**record, "game": game}))
    found = config_of(RunFolder.open(tmp_path))
    assert (found.preset, found.engine, found.lora_rank) == ("seedling", "transformers", None)
    (tmp_path / "config.json").write_text(json.dumps({**record, "game": {**game, "gone": 1}}))
    with pytest.raises(ValueError, match="with another 'gone'; begin a new run"):
        config_of(RunFolder.open(tmp_path))


def test_hard_problems_that_do_not_fit_are_left_out():
    game = game_of(SOARRunConfig())
    policy = make_policy(SOARRunConfig(), game)
    pairs = [Pair("1+1", "2"), Pair("1+" * 2_000 + "1", "2001")]
    assert within_reach(policy, game, pairs) == pairs[:1]
    with pytest.raises(ValueError, match=r"^`agent` must have at least 4"):
        within_reach(policy, game, pairs[1:])
    policy.positions = 70
    with pytest.raises(ValueError, match=r"got a model of 70$"):
        within_reach(policy, game, pairs)


def test_a_game_records_its_day(tmp_path):
    begun = begin(SOARRunConfig(output=tmp_path / "run", num_steps=1))
    assert begun.folder.read("config.json")["chat_date"] == begun.config.chat_date is not None
