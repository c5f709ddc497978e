"""Every command that writes to a folder refuses one that another process writes to."""

import os
import socket

import pytest

pytest.importorskip("torch")

from edgewise.cli import main
from edgewise.lock import LOCK, locked

COMMANDS = {
    "train": ["train", "--output"],
    "train again": ["train", "--resume"],
    "soar": ["soar", "--output"],
    "soar again": ["soar", "--resume"],
    "eval": ["eval", "--agent", "random", "--output"],
    "eval of a suite": ["eval", "--suite", "e2h", "--agent", "oracle", "--output"],
    "compare": ["compare", "--output"],
    "compare on a suite": ["compare", "--suite", "sec", "--output"],
    "compare of SOAR": ["compare", "--suite", "soar", "--output"],
}
BESIDE = {
    "profile": ["profile", "--agent", "oracle", "--output"],
    "pretrain": ["pretrain", "--recipe", "recipes/countdown-0.json", "--output"],
}


def refused(words, path, capsys):
    """Run a command on what is in use, and check what it says."""
    before = sorted(found for found in path.parent.rglob("*"))
    assert main([*words, str(path)]) == 2
    error = capsys.readouterr().err
    whose = f"process {os.getpid()} on {socket.gethostname()}"
    hint = "wait for it or choose another --output"
    assert error == f"edgewise: {path} is in use by {whose}; {hint}\n"
    assert sorted(found for found in path.parent.rglob("*")) == before


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_folder_in_use_is_refused_by_every_command(words, tmp_path, capsys):
    path = tmp_path / "run"
    with locked(path):
        if words[1] == "--resume":
            sign = "game" if words[0] == "soar" else "arms"
            (path / "config.json").write_text(f'{{"{sign}": {{}}}}')
        refused(words, path, capsys)


@pytest.mark.parametrize("words", BESIDE.values(), ids=BESIDE)
def test_a_file_or_a_model_in_the_making_is_refused(words, tmp_path, capsys):
    with locked(tmp_path / "made", beside=True):
        refused(words, tmp_path / "made", capsys)


def test_a_run_that_is_refused_leaves_no_folder(tmp_path, capsys):
    for words in (COMMANDS["train"], COMMANDS["soar"]):
        path = tmp_path / "runs" / "new"
        assert main([*words, str(path), "--agent", "hf:/nowhere"]) == 2
        assert not path.parent.exists()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "letter.txt").touch()
    assert main(["train", "--output", str(tmp_path / "there")]) == 2
    assert "`output` must not exist" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["letter.txt"]


def test_what_a_kill_left_of_a_run_not_yet_begun_is_no_run(tmp_path, tiny_model, capsys):
    path = tmp_path / "run"
    (path / "checkpoints").mkdir(parents=True)
    (path / LOCK).write_text("1 elsewhere\n")
    (path / "config.json.1.partial").write_text("{")
    flags = f"--agent hf:{tiny_model} --preset sec --no-evaluate --num-steps 1 --max-tokens 4"
    assert main(["train", "--output", str(path), *flags.split()]) == 0
    assert main(["train", "--output", str(path), *flags.split()]) == 2
    assert "`output` must not exist" in capsys.readouterr().err
