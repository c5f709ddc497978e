"""A damaged checkpoint is found, with a manifest or without; nothing in one is run."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.integrations.trl_run import newest_intact  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.training.checkpoint import check, fill, load, read_tensors  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.files import FileError  # noqa: E402
from edgewise.manifest import MANIFEST, write_manifest  # noqa: E402

ALGORITHM = {"step": 3, "moments": torch.arange(2_000.0)}
ENVS = {"seed": 1}


@pytest.fixture(scope="module")
def policy(tiny_model):
    return TransformersPolicy.load(tiny_model)


@pytest.fixture
def folder(policy, tmp_path):
    fill(tmp_path / "3", policy, ALGORITHM, ENVS)
    return tmp_path / "3"


def test_a_whole_checkpoint_is_loaded_also_without_a_manifest(folder, policy):
    for _ in range(2):
        check(folder)
        algorithm, envs = load(folder, policy)
        assert algorithm["step"] == 3 and envs == ENVS
        assert torch.equal(algorithm["moments"], ALGORITHM["moments"])
        (folder / MANIFEST).unlink(missing_ok=True)  # as of version 0.1


@pytest.mark.parametrize(
    "name",
    ["algorithm.pt", "envs.json", "model/model.safetensors", "model/tokenizer.json"],
)
@pytest.mark.parametrize("has_manifest", [True, False])
def test_damage_is_found_and_the_file_is_named(folder, name, has_manifest):
    if not has_manifest:
        (folder / MANIFEST).unlink()
    path = folder / name
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], bytes(range(256)) * 9, b"null", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(FileError, match=f"^{path}:?[0-9]*: must "):
            check(folder)


def test_overwritten_bytes_of_the_optimiser_are_found_without_a_manifest(folder):
    (folder / MANIFEST).unlink()
    path = folder / "algorithm.pt"
    content = bytearray(path.read_bytes())
    place = bytes(content).index(np.float32([1000.0, 1001.0]).tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=f"^{path}: must be as it was written"):
        check(folder)


class Attack:
    """What a pickle can do when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_file_of_tensors_is_run(tmp_path):
    path, made = tmp_path / "algorithm.pt", tmp_path / "made"
    torch.save({"step": Attack(made)}, path)
    with pytest.raises(FileError, match=f"^{path}: must be a file of torch.save"):
        read_tensors(path)
    path.write_bytes(pickle.dumps({"step": Attack(made)}))
    with pytest.raises(FileError, match=f"^{path}: must be a file of torch.save"):
        read_tensors(path)
    torch.save([1, 2], path)
    with pytest.raises(FileError, match=f"^{path}: must hold states by name, got list"):
        read_tensors(path)
    assert not made.exists()


def test_a_mutated_file_of_tensors_is_read_or_refused_with_its_path(tmp_path):
    path, rng = tmp_path / "algorithm.pt", np.random.default_rng(0)
    torch.save({"step": 3, "moments": torch.arange(4.0), "more": [1, {"a": "b"}]}, path)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(len(whole), size=int(rng.integers(1, 20))):
            content[place] = int(rng.integers(256))
        path.write_bytes(content)
        try:
            read_tensors(path)
        except FileError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert refused > 100


def three(path, policy):
    """The folder of a run with checkpoints 1, 2 and 3."""
    run = RunFolder.create(path, {})
    for step in (1, 2, 3):
        run.checkpoint(policy, {"step": step}, ENVS, keep=3)
    return run


def test_the_newest_intact_checkpoint_is_used_and_the_damaged_are_set_aside(policy, tmp_path):
    run = three(tmp_path / "run", policy)
    (run.path / "checkpoints/3/envs.json").write_text("{}")
    (run.path / "checkpoints/2/algorithm.pt").unlink()
    algorithm, _ = load(run.to_continue(), policy)
    assert algorithm == {"step": 1}
    assert [note.partition("; ")[2] for note in run.notes] == 2 * [
        "the checkpoint of step 1 is used instead"
    ]
    assert all(f"checkpoints/{step}/" in note for step, note in zip((3, 2), run.notes, strict=True))
    run.forget_after(1)
    names = sorted(found.name for found in (run.path / "checkpoints").iterdir())
    assert names == ["1", "2.damaged", "3.damaged"]
    run.checkpoint(policy, {"step": 2}, ENVS)
    assert run.checkpoints()[-1].name == "2" and run.to_continue().name == "2"


def test_the_checkpoint_of_another_run_is_not_loaded(policy, tmp_path):
    runs = [RunFolder.create(tmp_path / name, {"output": name, "seed": 0}) for name in "ab"]
    for run in runs:
        for step in (1, 2):
            run.checkpoint(policy, {"step": step}, ENVS, keep=2)
    moved = (runs[0].path / "checkpoints" / "2").rename(runs[0].path / "before")
    (runs[1].path / "checkpoints" / "2").rename(runs[0].path / "checkpoints" / "2")
    assert runs[0].to_continue().name == "1"
    assert (
        "/a/checkpoints/2: must be of this run, got that of another `output` or `seed` of config.json; the ch"
        in runs[0].notes[0]
    )
    moved.rename(runs[1].path / "checkpoints" / "2")  # where only one is of this run, that is used
    assert runs[1].to_continue().name == "1"
    elsewhere = runs[0].path.rename(tmp_path / "elsewhere")  # a run may be moved
    assert RunFolder.open(elsewhere).to_continue().name == "1"


def test_where_no_checkpoint_is_intact_all_are_named(policy, tmp_path):
    run = three(tmp_path / "run", policy)
    for step in (1, 2, 3):
        (run.path / f"checkpoints/{step}/envs.json").write_text("")
    told = r"checkpoints/3/envs.json: .*checkpoints/2/envs.json: .*checkpoints/1/envs.json: "
    with pytest.raises(FileError, match=f"{told}.*; no checkpoint is intact$"):
        load(run.to_continue(), policy)


def test_records_without_a_checkpoint_are_no_new_run(policy, tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    assert run.to_continue() is None
    run.append("metrics.jsonl", [{"step": 1}])
    with pytest.raises(FileError, match=r"run/checkpoints: must have a checkpoint, got none$"):
        run.to_continue()


def test_the_records_that_are_missing_are_named(tmp_path):
    run = RunFolder.create(tmp_path / "run", {})
    run.append("metrics.jsonl", [{"step": step} for step in (1, 2, 5, 5, 6, 7)])
    rows = [{"step": step, "kept": kept} for step in range(1, 7) for kept in (True, True, False)]
    run.append("groups.jsonl", [row for number, row in enumerate(rows) if number != 6])
    run.append("problems.jsonl", [{"step": 1}, {"stap": 2}, {"step": 9}])
    run.forget_after(6, {"metrics.jsonl": 1, "groups.jsonl": 2})
    groups, metrics, problems = run.notes
    assert groups.startswith(f"{run.path / 'groups.jsonl'}: must have all steps until 6; ")
    assert "the records of step 3 are missing" in groups
    assert "steps 3 to 4 are missing and the records of step 5 are there more" in metrics
    assert problems.startswith(
        f"{run.path / 'problems.jsonl'}:2: `step` must be the number of a step"
    )
    assert [record["step"] for record in run.lines("metrics.jsonl")] == [1, 2, 5, 6]
    assert list(run.lines("problems.jsonl")) == [{"step": 1}]
    assert '{"stap": 2}' in (run.path / "problems.jsonl.damaged").read_text()


def checkpoint_of_trl(path, step, manifest=True):
    place = path / f"checkpoint-{step}"
    place.mkdir(parents=True)
    (place / "curriculum.json").write_text(json.dumps({"step": step, "curriculum": {}}))
    (place / "optimizer.pt").write_bytes(b"moments")
    if manifest:
        write_manifest(place)
    return place


def test_of_trls_checkpoints_the_newest_intact_one_is_used(tmp_path):
    run = RunFolder(tmp_path)
    assert newest_intact(run) is None
    places = [checkpoint_of_trl(tmp_path, step) for step in (9, 10, 11)]
    assert newest_intact(run) == places[2]
    (places[2] / MANIFEST).unlink()  # it was killed before
    (places[1] / "optimizer.pt").write_bytes(b"momentum")
    assert newest_intact(run) == places[0]
    first, second = run.notes
    assert first.startswith(f"{places[2] / MANIFEST}: No such file") and "checkpoint-9" in first
    assert second.startswith(f"{places[1] / 'optimizer.pt'}: must have 7 bytes, got 8; ")
    (places[0] / "curriculum.json").unlink()
    with pytest.raises(FileError, match=r"; no checkpoint is intact$"):
        newest_intact(run)


def test_trls_checkpoints_of_version_0_1_have_no_manifest(tmp_path):
    checkpoint_of_trl(tmp_path, 2, manifest=False)
    last = checkpoint_of_trl(tmp_path, 10, manifest=False)
    assert newest_intact(RunFolder(tmp_path)) == last
