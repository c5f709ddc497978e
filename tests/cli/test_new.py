"""`edgewise new`: what it writes installs, passes its own tests and the contract, and reads well."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main

BAD = ["", "Word-Sums", "word_sums", "word--sums", "-word", "1word", "class", "json", "edgewise",
       "numpy", "../word", "a b", "wörd", "x" * 51, "word\n"]  # fmt: skip


def python(*arguments, cwd, **variables):
    """Run Python; return its exit code and all that it says."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, env=environment
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def written(forgotten, tmp_path, monkeypatch):
    """The folder with both packages."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "env", "word-sums"]) == 0
    assert main(["new", "rule", "near-half"]) == 0
    return tmp_path


def test_what_it_writes_passes_its_own_tests_and_the_linters(written):
    names = {str(path.relative_to(written)) for path in written.rglob("*") if path.is_file()}
    env = ("README.md", "pyproject.toml", "word_sums/__init__.py", "word_sums/task.py")
    rule = ("README.md", "pyproject.toml", "near_half/__init__.py", "near_half/rule.py")
    assert names == {
        *(f"word-sums/{name}" for name in (*env, "tests/test_task.py")),
        *(f"near-half/{name}" for name in (*rule, "tests/test_rule.py")),
    }
    text = "".join(path.read_text() for path in written.rglob("*.*") if path.is_file())
    assert "$" not in text
    paths = os.pathsep.join([str(written / "word-sums"), str(written / "near-half"), *sys.path])
    tests = ["word-sums/tests", "near-half/tests"]
    code, said = python(
        "-m", "pytest", "-q", "-W", "error", *tests, cwd=written, PYTHONPATH=paths
    )  # fmt: skip
    assert code == 0 and "10 passed" in said, said
    line, rules = ["--isolated", "--line-length", "100"], "E,F,I,UP,B,D,SIM,RUF"
    google = ["--config", 'lint.pydocstyle.convention="google"', "--ignore", "D103,E501,RUF012"]
    for words in (["check", *line, "--select", rules, *google], ["format", "--check", *line]):
        for folder in ("word-sums", "near-half"):
            code, said = python("-m", "ruff", *words, ".", cwd=written / folder)
            assert code == 0, said


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", ["env", "rule"])
def test_bad_names_are_refused(kind, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", kind, name]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_exists_is_left_alone(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "word-sums"
    {"folder": path.mkdir, "file": path.touch, "link": lambda: path.symlink_to("nowhere")}[kind]()
    assert main(["new", "env", "word-sums"]) == 2
    assert "`name` must be of no folder that exists" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["word-sums"] and not (path / "README.md").exists()


@pytest.mark.slow
def test_what_it_writes_installs_and_has_its_name_on_the_command_line(written):
    install = [
        "-m",
        "pip",
        "install",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--target",
    ]
    code, said = python(*install, "site", "./word-sums", "./near-half", cwd=written)
    assert code == 0, said
    path = {"PYTHONPATH": str(written / "site")}
    for words, shown in {
        "list": "WordSums-v0",
        "list --curricula": "near-half",
        "check WordSums-v0": "all checks hold",
        "compare --curricula near-half --seeds 1 --steps 2 --arms 2 --worlds independent": "report",
        "train --env WordSums-v0 --curriculum near-half:rate=0.5 --num-steps 1 --num-problems 2 "
        "--group-size 2 --max-tokens 4 --no-evaluate": "runs/wordsums-near-half-grpo-s0/model",
        "train --resume runs/wordsums-near-half-grpo-s0": "model",
        "replay runs/wordsums-near-half-grpo-s0": "agree",
    }.items():
        code, said = python("-m", "edgewise", *words.split(), cwd=written, **path)
        assert code == 0 and shown in said, (words, said)
    code, said = python("-m", "mypy", "--strict", "word_sums", cwd=written / "word-sums")
    assert code == 0, said
    code, said = python("-m", "mypy", "--strict", "near_half", cwd=written / "near-half")
    assert code == 0, said
