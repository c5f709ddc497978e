"""Whatever file of a folder is damaged, a command says which, in one line, and keeps nothing false.

Each row damages one file of a whole folder and runs a command on it. It must either fail in one line,
with the path of the file and exit code 2; or go on, and then end as on the undamaged folder, having
named the file unless that is written anew.
"""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.soar.run import SOARRunConfig  # noqa: E402
from edgewise.agents.soar.run import begin as begin_game  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin  # noqa: E402
from edgewise.agents.training.scores import EvaluationPlan  # noqa: E402
from edgewise.cli import main  # noqa: E402


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = b"\xa5" * 4
    path.write_bytes(content)


def deleted(path):
    path.unlink()


def a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "garbage": lambda path: path.write_bytes(bytes(range(128, 256)) * 40),
    "no UTF-8": lambda path: path.write_bytes(b'{"step": "\xff\xfe"}\n' + path.read_bytes()),
    "null": lambda path: path.write_bytes(b"null\n"),
    "list": lambda path: path.write_bytes(b"[]\n"),
    "overwritten": overwritten,
    "deleted": deleted,
    "a folder": a_folder,
    "deep": lambda path: path.write_bytes(b"[" * 100_000 + b"\n"),
}
MODEL = [
    f"checkpoints/4/model/{name}"
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json",
                 "generation_config.json")
]  # fmt: skip
STATE = [f"checkpoints/4/{name}" for name in ("algorithm.pt", "envs.json", "manifest.json")]
RECORDS = ["config.json", "metrics.jsonl", "groups.jsonl"]
TABLE = {
    "resume": [*RECORDS, "before.json", *STATE, *MODEL],
    "replay": [*RECORDS, *STATE[1:]],
    "report": [*RECORDS[:2], "before.json"],
    "soar": ["config.json", "metrics.jsonl", "problems.jsonl", "best.jsonl",
             "checkpoints/3/algorithm.pt", "checkpoints/3/manifest.json",
             "checkpoints/3/model/model.safetensors", "checkpoints/3/model/tokenizer.json"],
    "eval": ["config.json", "problems.jsonl", "answers.jsonl", "summary.json"],
    "report of eval": ["config.json", "problems.jsonl", "answers.jsonl"],
    "compare": ["config.json", "cells.csv"],
}  # fmt: skip
ROWS = [
    (command, file, damage) for command in TABLE for file in TABLE[command] for damage in DAMAGES
]
QUICK = {
    ("resume", "config.json", "null"),
    ("resume", "checkpoints/4/model/model.safetensors", "cut"),
    ("replay", "groups.jsonl", "cut"),
    ("report", "metrics.jsonl", "garbage"),
    ("eval", "answers.jsonl", "garbage"),
    ("compare", "cells.csv", "overwritten"),
}
WRITTEN_ANEW = {
    ("resume", "before.json", "deleted"),
    ("resume", "checkpoints/4/manifest.json", "deleted"),  # as in checkpoints of version 0.1
    *(("soar", "best.jsonl", damage) for damage in DAMAGES),
    ("soar", "checkpoints/3/manifest.json", "deleted"),
    *(("eval", "summary.json", damage) for damage in DAMAGES),
    *(("eval", "answers.jsonl", damage) for damage in ("empty", "cut", "deleted")),
    *(("eval", "problems.jsonl", damage) for damage in DAMAGES),
    *(("compare", "cells.csv", damage) for damage in ("empty", "cut", "deleted")),
    ("compare", "config.json", "deleted"),
}
ONLY_READ = {  # a report of what there is
    ("report", "before.json", "deleted"),
    *(("report of eval", "answers.jsonl", damage) for damage in ("empty", "cut", "deleted")),
    ("replay", "checkpoints/4/manifest.json", "deleted"),
}  # fmt: skip


def content(path, name):
    """The records of a file, but times."""
    lines = [json.loads(line) for line in (path / name).read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]


def result(command, path):
    """What a command that ended well must have given."""
    if command == "resume":
        return (path / "model" / "model.safetensors").read_bytes()
    if command == "soar":
        weights = (path / "teacher" / "model.safetensors").read_bytes()
        return weights, content(path, "best.jsonl"), content(path, "metrics.jsonl")[-1:]
    if command == "eval":
        summary = json.loads((path / "summary.json").read_text())
        return summary["levels"], summary["means"]
    return (path / "cells.csv").read_text() if command == "compare" else None


SIZES = "--curricula sec --worlds independent --seeds 2 --arms 3 --steps 4 --num-problems 4"
WORDS = {
    "resume": ["train", "--resume"],
    "replay": ["replay"],
    "report": ["report"],
    "soar": ["soar", "--resume"],
    "eval": ["eval", "--agent", "random", "--plan.num-problems", "2", "--output"],
    "report of eval": ["report"],
    "compare": ["compare", *SIZES.split(), "--group-size", "4", "--processes", "1", "--output"],
}
FOLDERS = {"replay": "resume", "report": "resume", "report of eval": "eval"}  # of another command


def make_run(model, path):
    """Train for 4 of 6 steps."""
    small = EvaluationPlan(num_problems=1, num_samples=1, k=1, num_pass_k=1)
    sizes = {"num_steps": 6, "num_problems": 2, "group_size": 4, "max_tokens": 4}
    kept = {"checkpoint_every": 2, "keep_checkpoints": 3, "evaluation": small}
    training = begin(TrainConfig(agent=f"hf:{model}", preset="sec", output=path, **sizes, **kept))
    training.score("before.json", lambda score: None)
    steps = training.steps()
    for _ in range(4):
        next(steps)
    steps.close()


def make_game(model, path):
    """Play 3 of 4 outer steps; one student is promoted."""
    sizes = {"num_steps": 4, "num_datasets": 2, "dataset_size": 2, "num_students": 1}
    game = begin_game(
        SOARRunConfig(agent=f"hf:{model}", output=path, inner_steps=1, threshold=-1.0, **sizes)
    )
    outer = game.steps()
    next(outer), next(outer), next(outer)
    outer.close()


@pytest.fixture(scope="session")
def whole(tiny_model, request, tmp_path_factory):
    """Return the whole folder that a command is run on, and what the command gives there."""
    place, made = tmp_path_factory.mktemp("whole"), {}

    def get(command):
        name = FOLDERS.get(command, command)
        if name not in made:
            if name == "resume":
                make_run(tiny_model, place / name)
            elif name == "soar":
                make_game(request.getfixturevalue("poser_model"), place / name)
            else:
                assert main([*WORDS[name], str(place / name)]) == 0
            shutil.copytree(place / name, place / f"{name}-done")
            assert main([*WORDS[name], str(place / f"{name}-done")]) == 0
            made[name] = result(name, place / f"{name}-done")
        return place / name, made[name]

    return get


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[] if row in QUICK else pytest.mark.slow) for row in ROWS],
    ids="-".join,
)
def test_a_damaged_file_is_named_and_nothing_false_is_kept(
    whole, row, tmp_path, capsys, record_property
):
    command, file, damage = row
    path, (folder, expected) = tmp_path / "folder", whole(command)
    shutil.copytree(folder, path)
    DAMAGES[damage](path / file)
    capsys.readouterr()
    code = main([*WORDS[command], str(path)])
    lines = [line for line in capsys.readouterr().err.splitlines() if "edgewise: " in line]
    places = [f"edgewise: {path / file}"]
    if file == "config.json" and not (path / file).is_file():
        places.append(f"edgewise: {path}: ")  # without it the folder is that of nothing
    named = [line for line in lines if line.startswith(tuple(places))]
    if code:
        assert code == 2 and len(lines) == 1 and named, lines
    else:
        assert named or row in WRITTEN_ANEW | ONLY_READ, lines
        if command not in FOLDERS:
            assert result(command, path) == expected
    outcome = "refused" if code else "went on"
    record_property("outcome", f"{outcome}, {'file named' if named else 'nothing lost'}")


def test_the_table_has_at_least_a_hundred_rows():
    assert len(ROWS) >= 100 and set(ROWS) > QUICK | WRITTEN_ANEW | ONLY_READ
    assert {command for command, *_ in QUICK} >= {"resume", "replay", "report", "eval", "compare"}
