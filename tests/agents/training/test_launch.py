"""Several processes are started by torchrun or accelerate, or it is said why not."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

from edgewise.cli import main


def lines(path, name):
    return (path / name).read_text().splitlines()


@pytest.fixture
def alone(monkeypatch):
    """The environment of the one process of `accelerate launch --cpu --num_processes 2`."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def test_one_process_in_place_of_several_is_refused(alone, tmp_path, capsys):
    assert main(["train", "--output", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "started one" in error and "use torchrun" in error
    assert not (tmp_path / "run").exists()


def launched(launcher, model, path, more=""):
    flags = f"train --agent hf:{model} --output {path} --preset sec --no-evaluate"
    size = f"--num-steps 2 --num-problems 4 --max-tokens 12 {more}"
    words = [sys.executable, "-m", *launcher.split(), "-m", "edgewise", *f"{flags} {size}".split()]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.mark.slow
def test_accelerate_launches_several_processes_or_is_told_so(tiny_model, tmp_path):
    pytest.importorskip("accelerate")
    launch = "accelerate.commands.launch --num_processes 2 --num_machines 1 --mixed_precision no"
    ran = launched(f"{launch} --cpu", tiny_model, tmp_path / "run")
    assert ran.returncode != 0 and "asked for several processes and started one" in ran.stderr
    ran = launched(f"{launch} --multi_gpu", tiny_model, tmp_path / "run", "--sharding fsdp")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("step 2/2") == 1
    assert len(lines(tmp_path / "run", "groups.jsonl")) == 2 * 4


@pytest.mark.slow
def test_the_command_line_runs_under_torchrun(tiny_model, tmp_path):
    launcher = "torch.distributed.run --nproc_per_node 2 --standalone"
    ran = launched(launcher, tiny_model, tmp_path / "run")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("step 2/2") == 1  # one of the two speaks
    assert len(lines(tmp_path / "run", "metrics.jsonl")) == 2
