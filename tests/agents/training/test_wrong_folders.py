"""Folders, devices and models that a command cannot use: one line, exit code 2, no traceback."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tyro")

from edgewise.agents.training import folder_kind  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.folder_kind import kind_of  # noqa: E402
from edgewise.agents.training.run import begin  # noqa: E402
from edgewise.agents.training.run_folder import forget_records  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.files import FileError  # noqa: E402

SOAR = {"game": {"env": "Countdown-v0"}, "preset": "seedling", "device": "cpu", "dtype": "float32"}
TRL = {"env": "Countdown-v0", "arms": ["1"], "rule": {}, "trl": {}}


@pytest.fixture(scope="module")
def folders(tiny_model, tmp_path_factory):
    """A folder of each kind, those of runs that take long with their config alone."""
    root = tmp_path_factory.mktemp("folders")
    size = {"num_steps": 1, "num_problems": 2, "group_size": 2, "max_tokens": 4}
    train = TrainConfig(agent=f"hf:{tiny_model}", output=root / "train", evaluate=False, **size)
    list(begin(train).steps())
    few = f"--plan.num-problems 1 --samples 1 --output {root / 'evaluation'}"
    assert main(f"eval --agent random --levels 1 {few}".split()) == 0
    sizes = "--worlds independent --curricula random --seeds 1 --steps 1 --processes 1"
    assert main(f"compare {sizes} --output {root / 'simulated'}".split()) == 0
    for name, config in (("soar", SOAR), ("trl", TRL)):
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(config))
    (root / "suite").mkdir()
    (root / "suite" / "size.json").write_text(json.dumps({"suite": "sec"}))
    shutil.copytree(tiny_model, root / "model")
    (root / "empty").mkdir()
    (root / "other").mkdir()
    (root / "other" / "config.json").write_text('{"name": "else"}')
    (root / "file").write_text("text\n")
    return root


KINDS = {
    "train": folder_kind.TRAIN,
    "trl": folder_kind.TRL,
    "soar": folder_kind.SOAR,
    "evaluation": folder_kind.EVALUATION,
    "simulated": folder_kind.SIMULATED,
    "suite": folder_kind.SUITE,
    "model": folder_kind.MODEL,
    "other": folder_kind.OTHER,
}
NONE = ("empty", "file", "nothing")
COMMANDS = {  # and the folders that they take, which are tested elsewhere
    "train --resume {}": ("train",),
    "soar --resume {}": ("soar",),
    "replay {}": ("train", "trl"),
    "report {}": ("train", "trl", "soar", "evaluation", "simulated", "suite"),
    "report {} {}": ("train", "trl", "evaluation"),
    "leaderboard {}": (),
    "train --no-evaluate --output {}": ("empty", "nothing"),
    "soar --output {}": ("empty", "nothing"),
    "trl --device cpu --resume --output {}": ("trl",),
    "trl --device cpu --output {}": ("empty", "nothing"),
    "eval --agent random --plan.num-problems 1 --output {}": ("evaluation", "empty", "nothing"),
    "compare --output {}": ("simulated", "empty", "nothing"),
    "compare --suite sec --output {}": ("suite", "empty", "nothing"),
    "pretrain --recipe {} --output new": (),
    "pretrain --recipe recipe.json --output {}": ("nothing",),
    "untie --output {}": ("nothing",),
    "export --size 1 --output {}": ("nothing",),
    "profile --agent simulated --output {}": ("nothing",),
    "train --agent hf:{}": ("model",),
    "train --recipe {}": (),
    "eval --agent hf:{}": ("model",),
    "profile --agent hf:{}": ("model",),
    "soar --hard {}": ("file",),
    "soar --agent hf:{}": (),
}


READERS = [command for command in COMMANDS if command.split()[-1] == "{}"][:5]  # of runs


@pytest.mark.parametrize("folder", [*KINDS, *NONE])
@pytest.mark.parametrize(
    "command",
    [*READERS, *(pytest.param(c, marks=pytest.mark.slow) for c in COMMANDS if c not in READERS)],
)
def test_a_folder_of_another_kind_is_told_in_one_line(
    folders, command, folder, capsys, tmp_path, monkeypatch
):
    if folder in COMMANDS[command]:
        pytest.skip("takes it")
    if command.startswith("trl"):
        pytest.importorskip("trl")
    monkeypatch.chdir(tmp_path)
    path = folders / folder
    before = sorted(path.rglob("*")) if path.is_dir() else []
    assert main(command.replace("{}", str(path)).split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("edgewise: ")
    assert str(path) in said or "--recipe" in command
    assert before == (sorted(path.rglob("*")) if path.is_dir() else [])
    assert not list(tmp_path.iterdir())
    asks_kind = command.startswith(("train --resume", "soar --resume", "replay", "report"))
    if asks_kind and folder in KINDS:
        assert KINDS[folder] in said and folder_kind.READ_BY[KINDS[folder]] in said


@pytest.mark.parametrize("folder", [kind for kind in KINDS if kind != "trl"])
def test_trl_takes_no_file_of_another_kind_of_run(folder, folders, capsys):
    path = folders / folder
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert main(["trl", "--device", "cpu", "--resume", "--output", str(path)]) == 2
    assert str(path) in capsys.readouterr().err
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("config", [None, "", "{", "[]", '{"arms": []}', '{"verl": {}}'])
def test_records_that_may_be_of_another_run_do_not_begin_again(config, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(FileError, match=r"config\.json: must be of a run of `edgewise trl`"):
        forget_records(tmp_path, folder_kind.TRL)
    assert before == {file: file.read_bytes() for file in tmp_path.iterdir()}


def test_records_of_a_run_without_checkpoint_go_and_nothing_else(tmp_path):
    for name, text in (("config.json", '{"trl": {}}'), ("groups.jsonl", ""), ("notes.txt", "mine")):
        (tmp_path / name).write_text(text)
    forget_records(tmp_path, folder_kind.TRL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    forget_records(tmp_path, folder_kind.TRL)  # there is nothing of a run


def test_the_kind_of_a_folder_is_seen(folders):
    assert {name: kind_of(folders / name) for name in KINDS} == KINDS
    assert {kind_of(folders / name) for name in NONE} == {None}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "command",
    [
        "train --no-evaluate",
        "eval",
        "eval --suite sec --data nowhere",
        "preflight",
        "soar",
        "compare --suite soar --processes 1",
        "trl --model {model}",
    ],
)
def test_a_missing_device_is_told_in_one_line(command, tiny_model, capsys, tmp_path, monkeypatch):
    if command.startswith("trl"):
        pytest.importorskip("trl")
    monkeypatch.chdir(tmp_path)
    assert main(f"{command.format(model=tiny_model)} --device cuda".split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("edgewise: `device` must be one that torch finds here, cpu, got 'cuda")
    assert said.count("\n") == 1


FAILURES = [
    ("train --no-evaluate", "{{ raise_exception('no such role') }}"),
    ("eval --plan.num-problems 1", "{{ messages[0]['content'] + 1 }}"),
    ("profile --levels 1", "{{ nothing.of.this }}"),
]
TEMPLATES = [
    "{{ messages[0]['content'] + 1 }}",
    "{{ messages[9]['content'] }}",
    "{{ 1 // 0 }}",
    "{% if %}",
    "{{ nothing.of.this }}",
    "{% for n in range(10000000) %}{% endfor %}",
    "{{ ''.__class__.__mro__ }}{{ undefined_function() }}",
    None,
]


@pytest.mark.parametrize(
    ("command", "template"),
    [
        *FAILURES,
        *(pytest.param(c, t, marks=pytest.mark.slow) for c, _ in FAILURES for t in TEMPLATES),
    ],
)
def test_a_template_that_fails_is_told_in_one_line(
    command, template, tiny_model, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    (model / "chat_template.jinja").unlink()
    if template is not None:
        (model / "chat_template.jinja").write_text(template)
    assert main(f"{command} --agent hf:{model} --preset e2h".split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "chat template" in said and str(model) in said


@pytest.mark.parametrize("text", ["", "[1]", "{", "\\udc80", "[" * 100_000])
@pytest.mark.parametrize("command", ["report", "view"])
def test_a_damaged_config_is_told_though_there_is_a_report(command, text, tmp_path, capsys):
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "report.md").write_text("# Of another day\n")
    assert main([command, str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert f"{tmp_path / 'config.json'}:" in told.err and not told.out
