"""Commands answer at once: help and mistakes need no torch, and neither do agents without a model."""

import json
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
MISTAKES = [
    "train --num-stepz 3",
    "train --temperature 0",
    'eval --env-options {"preset":"sec"}',
    'export --env-options {"split":"test"}',
    "train --recipe /nowhere.json",
    "eval --threads 0",
    "soar --preset chess",
    "trl --env-option {}",
    "train --env Nope-v0",
    "train --levels 99",
    "train --seed -1",
    "train --preset nope",
    "train --curriculum nope",
    "train --group-size one",
    "train --evaluation.seed -1",
    "preflight --levels 99",
    "eval --env Nope-v0",
    "eval --levels 99",
    "eval --plan.seed -1",
    "profile --env Nope-v0",
    "profile --levels 99",
    "profile --ray 127.0.0.1:1",
    "eval --ray ray://127.0.0.1:1",
    "play --seed -1",
    "soar --seed -1",
    "trl --env Nope-v0",
    "report one two --seed -1",
    "verl --recipe /nowhere.yaml",
    "compare --seeds 0",
    "train --learning-rate -1",
    "train --algorithm grpo:clip=-1",
    "train --algorithm grpo:clip_eps=-1",
    "train --algorithm grpo:warmup_steps=1000",
    "train --algorithm nope",
    "train --allocation knapsack:least=9:most=4",
    "train --resume nowhere",
    "train --output taken",
    "train --agent nope",
    "train --evaluation.split nope",
    "soar --resume nowhere",
    "soar --output taken",
    "preflight --output new",
    "headroom --agent nope",
    "headroom --env Nope-v0",
    "headroom --levels 99",
    "headroom --algorithm grpo:clip=-1",
    "headroom --group-size 1",
    "compare --plan nowhere.json",
    "compare --plan taken/plan.json",
    "verl --print NAME",
    "train --engine nope",
    "train --engine vllm:max_length=1",
    "preflight --engine vllm:nope=2",
    "soar --engine nope",
    "profile --engine nope",
    "train --levels 1 1",
    "profile --levels 1 2 1",
    "headroom --levels 1 1",
    "train --env MATH-v0 --data nowhere",
    "eval --env MATH-v0 --data nowhere",
    "profile --env MATH-v0 --data nowhere",
    "preflight --env MATH-v0 --data nowhere",
    "train --env ProblemSet-v0 --data nowhere.jsonl",
    "soar --agent nope",
    "soar --hard nowhere.jsonl",
    "soar --hard taken",
    "soar --judge nope",
    "compare --suite nope",
    "compare --suite sec --tasks nope",
    "compare --suite sec --curricula nope",
    "compare --suite sec --algorithms nope",
    "compare --suite sec --agent nope",
    "compare --suite soar --preset nope",
    "compare --suite soar --agent nope",
    "compare --suite soar --hard nowhere.jsonl",
    "compare --suite soar --test nowhere.jsonl",
    "compare --suite soar --methods nope",
    "compare --curricula nope",
    "compare --worlds nope",
    "compare --agent nope",
    "compare --algorithm nope",
    "profile --agent nope",
    "profile --agent simulated:nope",
    "eval --agent nope",
    "eval --agent simulated:nope",
    "eval --suite nope",
    "eval --suite sec --agent nope",
    "pretrain --recipe nowhere.json --output new",
    "pretrain --recipe taken/plan.json --output taken",
    "untie --output taken",
    "untie --agent nope --output new",
    "replay nowhere",
    "replay taken",
    "report nowhere",
    "report taken",
    "report taken nowhere",
    "trl --resume --output nowhere",
]
PLAN = {
    "beds": {"one": {"agent": "nope"}},
    "entrants": {"random": {"curriculum": "random"}},
    "baselines": ["random"],
    "seeds": [1, 2],
}
USES = {
    "list": "Countdown-v0",
    "play Countdown-v0 --problems 1": "solved",
    "export --size 2 --output problems.jsonl": "problems of Countdown-v0 for trl",
    "verl --preset seedling --print": "python -m verl.trainer.main_ppo",
}
AFTER = f"""
import contextlib, io, json, os, sys
from edgewise.cli import main
for words in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words.split())
    loaded = [name for name in {LARGE} if name in sys.modules]
    print(json.dumps([code, out.getvalue(), err.getvalue(), loaded, os.listdir()]))
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


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """What each command, one after the other in one process, leaves: code, texts, modules, files."""
    path = tmp_path_factory.mktemp("after")
    (path / "taken").mkdir()
    (path / "taken" / "plan.json").write_text(json.dumps(PLAN))
    commands = [*MISTAKES, *USES]
    told = [json.loads(line) for line in python(AFTER, *commands, cwd=path).stdout.splitlines()]
    return dict(zip(commands, told, strict=True))


def test_mistakes_in_the_flags_are_told_without_torch(after):
    for words in MISTAKES:
        code, out, error, loaded, files = after[words]
        assert (code, out, loaded, files) == (2, "", [], ["taken"]), words
        assert error.count("\n") == 1, words


def test_what_needs_no_model_needs_no_torch(after):
    for words, part in USES.items():
        code, out, _, loaded, _ = after[words]
        assert (code, loaded) == (0, []) and part in out, words
