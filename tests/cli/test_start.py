"""Commands answer at once: help and mistakes need no torch, and neither do agents without a model."""

import subprocess
import sys

import pytest

pytest.importorskip("tyro")

from edgewise.cli.main import COMMANDS

LARGE = ("torch", "transformers", "scipy", "matplotlib", "trl")
SUITES = [["compare", "--suite", suite, "--help"] for suite in ("sec", "soar")]
HELP = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), *SUITES]
EACH = f"""
import contextlib, io, sys
from edgewise.cli import main
for words in {HELP}:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(words)
    print(" ".join(words), len(out.getvalue()), *[x for x in {LARGE} if x in sys.modules], sep="|")
"""
AFTER = """
import sys
from edgewise.cli import main
code = main(sys.argv[1:])
print(code, *[name for name in {LARGE} if name in sys.modules], sep="|")
"""


def python(code, *words, cwd=None):
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=cwd
    )


def test_no_help_imports_a_large_package():
    told = [line.split("|") for line in python(EACH).stdout.splitlines()]
    assert [words for words, *_ in told] == [" ".join(words) for words in HELP]
    for words, length, *loaded in told:
        assert not loaded, words
        assert int(length) > 200 or words == "--version"


def test_the_version_is_that_of_the_package(capsys):
    import edgewise
    from edgewise.cli import main

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"edgewise {edgewise.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        "train --num-stepz 3",
        "train --temperature 0",
        "train --recipe /nowhere.json",
        "eval --threads 0",
        "soar --preset chess",
        "trl --env-option {}",
        "compare --seeds 0",
    ],
)
def test_a_mistake_in_the_flags_is_told_without_torch(words, tmp_path):
    ran = python(AFTER.replace("{LARGE}", repr(LARGE)), *words.split(), cwd=tmp_path)
    assert ran.stdout == "2\n" and ran.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("list", "Countdown-v0"),
        ("play Countdown-v0 --problems 1", "solved"),
        ("export --size 2 --output problems.jsonl", "problems of Countdown-v0 for trl"),
    ],
)
def test_what_needs_no_model_needs_no_torch(words, said, tmp_path):
    ran = python(AFTER.replace("{LARGE}", repr(LARGE)), *words.split(), cwd=tmp_path)
    assert said in ran.stdout and ran.stdout.endswith("\n0\n")
