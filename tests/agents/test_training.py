"""A run: what it leaves on disk, and that it continues bit for bit after any kind of stop."""

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("torch")

from edgewise.agents.report import write_report
from edgewise.agents.training import TrainConfig, begin, resume


def lines(path, name="metrics.jsonl"):
    """The records of a run, without its times."""
    records = [json.loads(line) for line in (path / name).read_text().splitlines()]
    return [
        {key: value for key, value in record.items() if not key.startswith("time/")}
        for record in records
    ]


def make(tiny_model, path, **changes):
    options = {"agent": f"hf:{tiny_model}", "output": path, "max_tokens": 12, "evaluate": False}
    return begin(TrainConfig(**{**options, "checkpoint_every": 2, **changes}))


def weights(path):
    return (path / "checkpoints" / "6" / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    list(make(tiny_model, path).steps())
    return path


def test_what_is_left_open_is_what_the_model_was_made_for(whole):
    config = json.loads((whole / "config.json").read_text())
    assert (config["preset"], config["num_steps"], config["learning_rate"]) == ("seedling", 6, 1e-3)
    assert config["rule"]["class"] == "edgewise.wrappers.sec:SEC"


def test_a_group_has_a_record(whole):
    groups = lines(whole, "groups.jsonl")
    assert len(groups) == 6 * 4
    first = groups[0]
    assert first["schema"] == 1 and first["step"] == 1
    assert json.loads(first["problem"])["level"] == first["arm"] + 1
    assert first["arm_probability"] == pytest.approx(1 / 3)
    assert all(len(first[key]) == 4 for key in ("rewards", "correct", "abs_advantages", "lengths"))


def test_a_stopped_run_continues_bit_for_bit(tiny_model, tmp_path, whole):
    with closing(make(tiny_model, tmp_path / "run").steps()) as steps:
        for _ in range(3):
            next(steps)
    list(resume(tmp_path / "run").steps())
    assert lines(tmp_path / "run") == lines(whole)
    assert lines(tmp_path / "run", "groups.jsonl") == lines(whole, "groups.jsonl")
    assert weights(tmp_path / "run") == weights(whole)


def test_a_run_over_problems_continues_and_is_reported(tiny_model, tmp_path):
    options = {"curriculum": "mopps", "algorithm": "grpo:filter=bae"}
    for name, stop in (("whole", 6), ("run", 3)):
        with closing(make(tiny_model, tmp_path / name, **options).steps()) as steps:
            for _ in range(stop):
                next(steps)
    resumed = resume(tmp_path / "run")
    list(resumed.steps())
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    last = lines(tmp_path / "run")[-1]
    assert last["pool/num_seen"] > 6 * 4 and last["num_extra_rollouts"] > 0
    assert "arm_probability" not in lines(tmp_path / "run", "groups.jsonl")[0]
    assert "mopps" in write_report(resumed.folder).read_text()


def test_steps_after_the_last_checkpoint_are_done_again(tiny_model, tmp_path, whole):
    steps = make(tiny_model, tmp_path / "run").steps()
    for _ in range(3):
        next(steps)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "rew')  # cut off in the middle
    list(resume(tmp_path / "run").steps())
    assert lines(tmp_path / "run") == lines(whole)
    assert weights(tmp_path / "run") == weights(whole)


def test_a_run_that_was_killed_continues_bit_for_bit(tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    flags = f"--agent hf:{tiny_model} --output {path} --max-tokens 12 --no-evaluate"
    command = [sys.executable, "-m", "edgewise", "train", *flags.split()]
    command += ["--checkpoint-every", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("step 1/") for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    list(resume(path).steps())
    assert lines(path) == lines(whole) and weights(path) == weights(whole)


def test_a_run_folder_that_exists_is_refused(tiny_model, whole):
    with pytest.raises(ValueError, match=r"`output` must not exist.*--resume"):
        make(tiny_model, whole)


def test_only_a_run_is_resumed(tmp_path):
    with pytest.raises(ValueError, match="`resume` must be the folder of a run"):
        resume(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "Countdown-v1"}, "did you mean 'Countdown-v0'"),
        ({"preset": "seq"}, "did you mean 'sec'"),
        ({"levels": (1, 9)}, r"`levels` must be among \[1, 2, 3\]"),
        ({"levels": (4,)}, r"`levels` must be among \[1, 2, 3\]"),
        ({"curriculum": "sek"}, "did you mean 'sec'"),
        ({"algorithm": "gpro"}, "did you mean 'grpo'"),
        ({"algorithm": "grpo:clip=0.1"}, "did you mean 'clip_eps'"),
        ({"agent": "seedlings"}, "did you mean 'seedling'"),
        ({"agent": "hf:/nowhere"}, "`model` must be a folder or hub id of a causal language model"),
    ],
)
def test_what_is_wrong_is_named_before_a_folder_is_made(tiny_model, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make(tiny_model, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_the_report_tells_what_happened(whole):
    text = write_report(_folder(whole)).read_text()
    assert "6 of 6 steps of 4 problems, 4 completions each" in text
    assert "96 completions" in text
    assert (whole / "report.png").read_bytes().startswith(b"\x89PNG")


def _folder(path: Path):
    from edgewise.agents.run_folder import RunFolder

    return RunFolder.open(path)
