"""What of a run goes to a hub: nothing but safetensors, configs, card and metrics, and no secret or path."""

import importlib.util
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from huggingface_hub import ModelCard

from edgewise.cli import main

spec = importlib.util.spec_from_file_location(
    "hub_server", Path(__file__).with_name("hub_server.py")
)
hub_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub_server)

# of the hub's own client, where it sends large files
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

SIZE = "--num-steps 2 --num-problems 2 --group-size 4 --max-tokens 8 --levels 1 2"
LOOKS = "--evaluation.num-problems 2 --evaluation.k 1 --eval-every 1 --validation.num-problems 1"


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    """The folder of a run whose model was named by its path, and whose model folder has more files."""
    path = tmp_path_factory.mktemp("runs") / "mine"
    words = ["train", "--agent", f"hf:{tiny_model}", "--track", "none", "--output", str(path)]
    assert main([*words, *SIZE.split(), *LOOKS.split()]) == 0
    config = json.loads((path / "model" / "config.json").read_text())
    config["_name_or_path"] = str(tiny_model)
    (path / "model" / "config.json").write_text(json.dumps(config))
    (path / "model" / "training_args.bin").write_bytes(pickle.dumps(str(path)))
    (path / "model" / "optimizer.pt").write_bytes(b"state")
    (path / "model" / "notes.json").write_text("{}")
    return path


@pytest.fixture
def run(finished, tmp_path):
    """A copy of that folder."""
    return Path(shutil.copytree(finished, tmp_path / "mine"))


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine, and its token in the environment."""
    with hub_server.Hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # plain LFS
        yield server


GOES = {
    "README.md", "config.json", "generation_config.json", "model.safetensors", "edgewise.json",
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "metrics/metrics.jsonl",
    "metrics/validation.jsonl", "metrics/before.json", "metrics/after.json",
}  # fmt: skip


def test_a_push_sends_the_model_its_card_and_metrics_in_one_commit(run, hub, tiny_model, capsys):
    assert main(["push", str(run), "--repo", "me/mine", "--private", "--license", "mit"]) == 0
    said = capsys.readouterr()
    files = hub.repos["model", "me/mine"]
    assert set(files) == GOES and hub.commits == 1 and hub.private["model", "me/mine"] is True
    assert files["model.safetensors"] == (run / "model" / "model.safetensors").read_bytes()
    assert f"{hub.url}/me/mine/commit/1" in said.out and hub_server.TOKEN not in said.out + said.err
    texts = [files[name].decode() for name in GOES if not name.endswith(".safetensors")]
    places = (str(tiny_model), str(run), str(tiny_model.parent), os.sep + "tmp" + os.sep)
    assert not any(place in text for text in texts for place in places)
    assert main(["push", str(run), "--repo", "me/mine"]) == 0 and hub.commits == 2  # again: another


def test_the_card_has_data_curriculum_budget_scores_and_commit(run, capsys):
    assert main(["push", str(run), "--dry-run"]) == 0
    out = capsys.readouterr().out
    card = ModelCard(out.partition("| file |")[0])
    after = json.loads((run / "after.json").read_text())["levels"]
    results = card.data.eval_results
    assert [result.metric_value for result in results] == [
        pytest.approx(level["pass_at_1"], abs=1e-4) for level in after
    ]
    assert len({result.unique_identifier for result in results}) == len(after)
    low, high = after[0]["low"], after[0]["high"]
    config = json.loads((run / "config.json").read_text())
    for part in (
        f"{after[0]['pass_at_1']:.3f} [{low:.3f}, {high:.3f}]",
        "`Countdown-v0`", "levels 1, 2", "mean-abs-advantage", "2 of 2 steps", "16 completions",
        f"commit {config['commit'] or 'none'}", "hf:OWNER/mine",
    ):  # fmt: skip
        assert part in card.text
    assert "nothing was sent" in out and "| model.safetensors |" in out


def test_the_best_model_goes_with_its_step_and_score(run, capsys):
    assert main(["push", str(run), "--dry-run", "--best"]) == 0
    out = capsys.readouterr().out
    looks = [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]
    best = max(looks, key=lambda look: look["mean"])
    assert f"step {best['step']}, whose score on validation problems was the best" in out
    metadata = yaml.safe_load(out.split("---")[1])
    (result, *_) = metadata["model-index"][0]["results"]
    assert result["dataset"]["split"] == "validation"


def spoiled(run, kind, monkeypatch):
    """Spoil a run in one way."""
    model = run / "model"
    fixed = model / "special_tokens_map.json"  # of what a tokenizer says nothing is changed
    if kind == "secret":
        monkeypatch.setenv("WANDB_API_KEY", "s3cr3t-value")
        fixed.write_text(json.dumps({"made": "s3cr3t-value"}))
    if kind == "key":
        fixed.write_text(json.dumps({"made": f"hf_{'s3cr3t' * 6}"}))
    if kind == "path":
        fixed.write_text(json.dumps({"made": str(run / "x")}))
    if kind == "home":
        fixed.write_text(json.dumps({"made": str(Path.home() / "x" / "y")}))
    if kind == "template":
        (model / "chat_template.jinja").write_text(
            "{{ bos }}\n{% include '/mnt/ours/head.txt' %}\n"
        )
    if kind == "windows":
        (model / "chat_template.jinja").write_text(
            "{% include 'D:\\\\Users\\\\me\\\\head.txt' %}\n"
        )
    if kind == "pickle":
        (model / "model.safetensors").write_bytes(pickle.dumps({"weight": [1.0]}))
    if kind == "cut":
        (model / "model.safetensors").write_bytes((10**6).to_bytes(8, "little") + b"{}")
    if kind == "link":
        (model / "tokenizer.json").unlink()
        (model / "tokenizer.json").symlink_to("/etc/hostname")
    if kind == "none":
        shutil.rmtree(model)


DAMAGED = {
    "empty brackets": b"[]\n",
    "no object": b"7\n",
    "deep lists": b"[" * 100_000 + b"\n",
    "deep objects without an end": b'{"step":' * 100_000,
    "a line cut off": b'{"step": 1',
    "long digits": b'{"step": ' + b"9" * 5_000 + b"}\n",
    "no UTF-8": b"\xff\n",
}


@pytest.mark.parametrize("name", ["metrics.jsonl", "validation.jsonl", "after.json"])
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_metrics_that_are_damaged_are_named(run, capsys, name, content):
    """Also at their end, for a run that is pushed has ended."""
    with (run / name).open("ab" if name.endswith("l") else "wb") as file:
        file.write(content)
    assert main(["push", str(run), "--dry-run"]) == 2
    said = capsys.readouterr()
    assert f"{run / name}:" in said.err and said.err.count("\n") == 1 and not said.out


def rewrite(path, **fields):
    """Change fields of a JSON object, or of the last of some lines; None takes one out."""
    *lines, last = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    found = {**json.loads(last), **fields}
    for name in [name for name, value in fields.items() if value is REMOVED]:
        del found[name]
    path.write_text("".join(f"{line}\n" for line in (*lines, json.dumps(found))))


REMOVED = object()
WRONG = [REMOVED, None, [], {}, "x", True, [[[]]], {"a": {"b": [1]}}, 10**400]
FIELDS = {
    "config.json": [
        "env", "curriculum", "algorithm", "agent", "preset", "num_steps", "num_problems",
        "group_size", "learning_rate", "arms", "levels", "patience", "allocation",
    ],
    "metrics.jsonl": ["step", "num_tokens", "num_extra_tokens", "arm/0_probability",
                      "distance_from_uniform", "reward", "time/step_seconds"],
    "validation.jsonl": ["step", "mean", "levels"],
    "after.json": ["mean", "levels"],
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    ("command", "step"),
    [
        ("push", 3),
        *(pytest.param(*row, marks=pytest.mark.slow) for row in (("push", 1), ("report", 3))),
    ],
)
def test_a_field_of_another_type_is_told_with_its_file_or_shown(run, capsys, name, command, step):
    """Of what is read of a run, whoever wrote it: never a traceback, nor a message without the file."""
    before, words = (run / name).read_text(), ["push", str(run), "--dry-run"]
    num_refused = 0
    for place, field in enumerate(FIELDS[name]):
        for value in WRONG[place % step :: step]:
            rewrite(run / name, **{field: value})
            code = main(words if command == "push" else ["report", str(run)])
            said = capsys.readouterr()
            at = run if (field, value) == ("arms", REMOVED) else run / name  # then it is no run
            told = said.err.startswith(f"edgewise: {at}") and said.err.count("\n") == 1
            assert (code, said.err) == (0, "") or (code == 2 and told), (field, value, said.err)
            num_refused += code == 2
            (run / name).write_text(before)
    assert num_refused > len(FIELDS[name]) / step


@pytest.mark.parametrize("name", ["after.json", "validation.jsonl"])
def test_a_field_of_the_score_of_a_level_is_told_with_its_file_or_shown(run, capsys, name):
    before = (run / name).read_text()
    [*_, last] = before.splitlines() if name.endswith("l") else [before]
    levels, num_refused = json.loads(last)["levels"], 0
    for field in levels[0]:
        for value in WRONG[::3]:
            damaged = {key: part for key, part in levels[0].items() if key != field}
            damaged |= {} if value is REMOVED else {field: value}
            rewrite(run / name, levels=[damaged, *levels[1:]])
            code = main(["push", str(run), "--dry-run"])
            said = capsys.readouterr().err
            told = said.startswith(f"edgewise: {run / name}:") and said.count("\n") == 1
            assert (code, said) == (0, "") or (code == 2 and told), (field, value, said)
            num_refused += code == 2
            (run / name).write_text(before)
    assert num_refused > 6 * 2  # of the fields that every score has


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("secret", "must have no secret, got the value of WANDB_API_KEY"),
        ("key", "must have no key, got what has the shape of one"),
        ("template", "chat_template.jinja:2: must have no path of a machine, got /mnt/ours"),
        ("windows", "chat_template.jinja:1: must have no path of a machine, got D:"),
        ("path", "must have no path of this machine"),
        ("home", "must have no path of this machine"),
        ("pickle", "must be safetensors"),
        ("cut", "must be safetensors"),
        ("link", "got a link"),
        ("none", "a run writes it at its end"),
    ],
)
def test_what_must_not_go_refuses_the_whole_push(run, hub, monkeypatch, capsys, kind, words):
    spoiled(run, kind, monkeypatch)
    for more in (["--dry-run"], []):
        assert main(["push", str(run), "--repo", "me/mine", *more]) == 2
        said = capsys.readouterr()
        assert words in said.err and said.err.count("\n") == 1 and "s3cr3t" not in said.err
    assert hub.repos == {}


def test_configs_cards_and_metrics_go_without_paths_and_keys(run, hub):
    held = {
        "hub_token": "t0ken",
        "resume_from": "E:\\\\runs\\\\Jane Doe\\\\one",
        "note": "see /data/secret/two here",
    }
    for path in (run / "model" / "config.json", run / "model" / "edgewise.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **held}))
    config = json.loads((run / "config.json").read_text())
    more = {
        "wandb_api_key": "s3cr3t",
        "logging_dir": "/mnt/disk/logs",
        "beta": 0.04,
        "headers": held,
    }
    config.update(hyperparameters=more, env_options=json.dumps({"data": "/srv/ours/rows.jsonl"}))
    (run / "config.json").write_text(json.dumps(config))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "host": "s3cr3t.example"}) + "\n" for row in rows]
    (run / "metrics.jsonl").write_text("".join(lines))
    assert main(["push", str(run), "--repo", "me/mine"]) == 0
    files = hub.repos["model", "me/mine"]
    texts = {name: files[name].decode() for name in GOES if not name.endswith(".safetensors")}
    for word in ("s3cr3t", "t0ken", "Jane", "secret", "E:", "/mnt", "disk", "srv"):
        assert not [name for name, text in texts.items() if word in text], word
    assert '"beta": 0.04' in texts["README.md"] and "rows.jsonl" in texts["README.md"]
    sent = [json.loads(line) for line in texts["metrics/metrics.jsonl"].splitlines()]
    assert [row["reward"] for row in sent] == [row["reward"] for row in rows]
    assert json.loads(texts["config.json"])["resume_from"] == "one"


def test_a_hub_that_refuses_and_echoes_the_token_is_told_without_it(run, hub, monkeypatch, capsys):
    wrong = "hf_" + "Wr0" * 12
    monkeypatch.setenv("HF_TOKEN", wrong)
    assert main(["push", str(run), "--repo", "me/mine"]) == 2
    said = capsys.readouterr()
    assert "nothing was pushed" in said.err and "401" in said.err and said.err.count("\n") == 1
    assert wrong not in said.err + said.out


def test_without_a_token_or_a_hub_one_line_says_so(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert main(["push", str(run), "--repo", "me/mine"]) == 2
    assert "HF_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
    assert main(["push", str(run), "--repo", "me/mine"]) == 2
    said = capsys.readouterr().err
    assert "nothing was pushed" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["--repo", "mine"], ["--repo", "me/../you"], [], ["--repo=-me/x"]]
)
def test_a_repository_is_owner_and_name(run, capsys, words):
    assert main(["push", str(run), *words]) == 2
    assert "`repo` must be" in capsys.readouterr().err


def test_other_folders_are_named_with_what_reads_them(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"asked": {}}')
    assert main(["push", str(tmp_path), "--dry-run"]) == 2
    assert "got an evaluation" in capsys.readouterr().err
    assert main(["push", str(tmp_path / "none"), "--dry-run"]) == 2
    assert "config.json: No such file" in capsys.readouterr().err


def exported(path):
    words = f"export --env Countdown-v0 --num-problems 3 --split test --output {path}"
    assert main(words.split()) == 0
    return path


def test_problems_go_as_a_dataset_with_their_card(tmp_path, hub, capsys):
    path = exported(tmp_path / "countdown.jsonl")
    assert main(["push", str(path), "--repo", "me/countdown"]) == 0
    files = hub.repos["dataset", "me/countdown"]
    assert set(files) == {"README.md", "countdown.jsonl", "countdown.jsonl.card.json"}
    assert files["countdown.jsonl"] == path.read_bytes()
    card = files["README.md"].decode()
    (config,) = yaml.safe_load(card.split("---")[1])["configs"]
    assert config["data_files"] == [{"split": "test", "path": "countdown.jsonl"}]
    assert "9 problems of `Countdown-v0`" in card


def test_problems_that_are_not_those_of_their_card_are_refused(tmp_path, capsys):
    path = exported(tmp_path / "countdown.jsonl")
    path.write_text(path.read_text().replace("Using", "With", 1))
    assert main(["push", str(path), "--dry-run"]) == 2
    assert "export it anew" in capsys.readouterr().err


def test_problems_whose_names_have_a_path_of_this_machine_are_refused(tmp_path, capsys):
    rows = [{"question": f"1 + {n}?", "answer": str(n + 1)} for n in range(40)]
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path, options = tmp_path / "out.jsonl", json.dumps({"data": str(data)})
    words = ["export", "--env", "ProblemSet-v0", "--env-options", options, "--num-problems", "3"]
    assert main([*words, "--output", str(path)]) == 0
    assert main(["push", str(path), "--dry-run"]) == 2
    assert "must have no path of this machine" in capsys.readouterr().err


def test_a_file_that_the_hub_loses_ends_the_push_in_one_line(run, hub, monkeypatch, capsys):
    hub.full = True
    assert main(["push", str(run), "--repo", "me/mine"]) == 2
    said = capsys.readouterr().err
    assert "uploading 'model.safetensors'" in said and "507" in said and said.count("\n") == 1
    assert hub.commits == 0 and hub.repos["model", "me/mine"] == {}
