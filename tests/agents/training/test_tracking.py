"""Trackers have the numbers of metrics.jsonl, by the names of the arms; samples are some of each kind."""

import json
import struct
import time

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import (  # noqa: E402
    EventAccumulator,
)

from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.agents.training.samples import OUTCOMES, chosen, outcome  # noqa: E402
from edgewise.cli import main  # noqa: E402

LEVELS = ["level 1", "level 2", "level 3"]


def config(tiny_model, path, **changes):
    size = {"num_steps": 3, "num_problems": 4, "group_size": 4, "max_tokens": 8}
    flags = {"agent": f"hf:{tiny_model}", "preset": "sec", "evaluate": False, "output": path}
    return TrainConfig(**{**flags, **size, **changes})


def train(tiny_model, path, **changes):
    training = begin(config(tiny_model, path, **changes))
    list(training.steps())
    return recorded(path)


def recorded(path):
    """What metrics.jsonl has, by step, with the names that trackers are told."""
    found = {}
    for line in (path / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        named = {}
        for name, value in record.items():
            place, _, rest = name.partition("/")
            arm, _, column = rest.partition("_")
            if name != "step":
                named[f"arm/{LEVELS[int(arm)]}/{column}" if place == "arm" else name] = value
        found[record["step"]] = named
    return found


def lines(path):
    return [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]


def events(path):
    curves = EventAccumulator(str(path / "tensorboard"))
    curves.Reload()
    tags = curves.Tags()
    found = {}
    for name in tags["scalars"]:
        for event in curves.Scalars(name):
            found.setdefault(event.step, {})[name] = event.value
    return found, tags["tensors"]


def logged(data):
    """The records of a log of LevelDB, which Weights & Biases writes, after its header."""
    place, whole = 7, b""
    while place < len(data):
        if 32_768 - place % 32_768 < 7:  # no room for another record in its block
            place += 32_768 - place % 32_768
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def test_tensorboard_has_the_numbers_under_the_names_of_the_arms(tiny_model, tmp_path):
    expected = train(tiny_model, tmp_path / "run")
    found, texts = events(tmp_path / "run")
    assert sorted(found) == [1, 2, 3] and texts == ["samples/text_summary"]
    for step, metrics in expected.items():
        renamed = {name.replace(" ", "_"): value for name, value in metrics.items()}
        assert found[step] == pytest.approx(renamed, rel=1e-6)
        assert any(name.startswith("arm/level_1/") for name in renamed)


@pytest.mark.slow
def test_wandb_offline_has_the_numbers_and_a_table_of_samples(tiny_model, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    expected = train(tiny_model, tmp_path / "run", track=("wandb",))
    [file] = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    found, tables = {}, 0
    while not (records := list(map(Record.FromString, logged(file.read_bytes())))) or not (
        records[-1].HasField("exit")  # a process of its own writes the file
    ):
        time.sleep(0.05)
    for record in records:
        history, values = record.history, {}
        for item in history.item:
            name, *inner = [item.key] if item.key else item.nested_key
            values[name] = None if inner else json.loads(item.value_json)
        if history.item:
            tables += "samples" in values
            known = {n: v for n, v in values.items() if v is not None and not n.startswith("_")}
            found[history.step.num] = known
    assert found == expected and tables == 3
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.slow
def test_trackio_has_the_numbers_and_goes_on_with_its_run(tiny_model, tmp_path, monkeypatch):
    pytest.importorskip("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    for module in ("sqlite_storage", "utils"):
        monkeypatch.setattr(f"trackio.{module}.TRACKIO_DIR", tmp_path / "trackio")
    path = tmp_path / "run"
    steps = begin(config(tiny_model, path, track=("trackio",))).steps()
    next(steps)
    steps.close()
    list(resume(path).steps())
    [run] = SQLiteStorage.get_runs("edgewise")
    found = {}
    for row in SQLiteStorage.get_logs("edgewise", run):
        for name, value in row.items():
            if isinstance(value, int | float) and name != "step":
                found.setdefault(row["step"], {})[name] = value
    expected = recorded(path)
    assert found == expected


def test_a_tracker_that_is_not_there_is_refused_before_the_model_is_loaded(capsys, monkeypatch):
    monkeypatch.setattr("edgewise.agents.training.tracking.find_spec", lambda name: None)
    assert main(["train", "--track", "wandb", "--agent", "hf:nowhere"]) == 2
    told = "`track` must be installed, got wandb: pip install 'edgewise[track]'"
    assert told in capsys.readouterr().err
    assert main(["train", "--track", "none", "tensorboard"]) == 2
    assert "`track` must be none alone" in capsys.readouterr().err


def test_samples_are_kept_of_every_step_and_those_of_steps_done_again_are_dropped(
    tiny_model, tmp_path
):
    path = tmp_path / "run"
    whole = train(tiny_model, tmp_path / "whole", num_steps=5) and lines(tmp_path / "whole")
    steps = begin(config(tiny_model, path, num_steps=5, checkpoint_every=2)).steps()
    for _ in range(3):
        next(steps)
    del steps  # as a kill leaves it: after a checkpoint of step 2
    list(resume(path).steps())
    assert lines(path) == whole
    assert {row["step"] for row in whole} == {1, 2, 3, 4, 5} and len(whole) == 5 * 4
    assert {row["outcome"] for row in whole} <= set(OUTCOMES)
    first = whole[0]
    assert first["prompt"] and json.loads(first["problem"])["env"] == "Countdown-v0"
    assert 1 <= first["num_tokens"] <= 8


def test_no_samples_and_no_tracker_leave_no_files(tiny_model, tmp_path):
    train(tiny_model, tmp_path / "run", keep_samples=0, track=("none",))
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert not left & {"tensorboard", "tracking.json"}
    assert (tmp_path / "run" / "samples.jsonl").read_text() == ""


def test_each_kind_comes_before_a_second_of_any():
    kinds = [(0, "right")] * 5 + [(1, "wrong")] * 2 + [(1, "right")]
    for step in range(7):
        found = [kinds[place] for place in chosen(kinds, 3, step)]
        assert sorted(found) == sorted(set(kinds))
    assert chosen(kinds, 99, 0) == list(range(8)) and chosen([], 3, 0) == []
    seen = {tuple(chosen(kinds, 1, step)) for step in range(30)}
    assert {kinds[place] for [place] in seen} == set(kinds)


@pytest.mark.parametrize(
    "facts, expected",
    [
        ((True, True, True, True), "right"),
        ((True, True, False, True), "right"),
        ((False, True, False, True), "cut"),
        ((False, False, False, True), "cut"),
        ((False, True, True, True), "wrong"),
        ((False, False, True, True), "no answer"),
        ((False, True, True, False), "unverified"),
    ],
)
def test_outcomes(facts, expected):
    assert outcome(*facts) == expected
