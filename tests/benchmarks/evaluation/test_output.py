"""What `edgewise eval` prints and keeps, and what reads it."""

import json

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main


def test_samples_bound_the_k_that_is_printed(evaluate):
    for samples, told in (("1", []), ("3", ["pass@2"]), ("4", ["pass@2", "pass@4"])):
        asked = ["--env", "Countdown-v0", "--levels", "1", "--samples", samples]
        folder, said = evaluate("oracle", *asked, output=samples)
        line = next(line for line in said.out.splitlines() if line.startswith("Countdown-v0 1:"))
        found = [word for word in line.split() if word.startswith("pass@")]
        assert found == ["pass@1", *told]
        summary = json.loads((folder / "summary.json").read_text())
        assert [f"pass@{k}" for k in summary["levels"][0]["pass_at_k"]] == told


def test_the_scores_of_an_older_version_are_still_read(tmp_path, capsys):
    score = {
        "env": "Countdown-v0", "level": 3, "ood": True, "num_problems": 200, "num_samples": 8,
        "pass_at_1": 0.25, "low": 0.2, "high": 0.31, "k": 32, "pass_at_k": 0.5, "num_pass_k": 50,
        "format_rate": 1.0, "truncated": 0.0, "mean_length": 21.3,
    }  # fmt: skip
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"config": {}, "levels": [score], "mean": None, "mean_ood": 0.25}))
    assert main(["report", str(path)]) == 0
    assert (
        "Countdown-v0 3, out of distribution: pass@1 0.250 [0.200, 0.310]  pass@32 0.500"
        in capsys.readouterr().out
    )
    for text in ("[]", '{"asked": 1}', '{"levels": [{"env": 3}], "mean": 1}'):
        path.write_text(text)
        assert main(["report", str(path)]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"edgewise: {path}:") and told.count("\n") == 1


@pytest.mark.parametrize("command", ["report", "replay"])
def test_what_is_no_folder_of_a_run_is_told_by_its_path(command, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name, got in (("nothing", "no such folder"), ("empty", "no run"), ("file", "a file")):
        assert main([command, str(tmp_path / name)]) == 2
        told = f"{tmp_path / name}: must be the folder of a run or an evaluation, got {got}\n"
        assert capsys.readouterr().err == f"edgewise: {told}"


REMOVED = object()
WRONG = [REMOVED, None, "x", True, -1, 1.5, float("nan"), 10**400, [], {}, [None], "\ud800"]


def places_of(value, path=()):
    """The place of every field of JSON, also of those inside others."""
    for name, part in value.items() if isinstance(value, dict) else enumerate(value[:1]):
        yield (*path, name)
        if isinstance(part, (dict, list)):
            yield from places_of(part, (*path, name))


def put(record, place, value):
    """A copy of a record with another value in a place."""
    copy = json.loads(json.dumps(record))
    *above, last = place
    inner = copy
    for name in above:
        inner = inner[name]
    if value is REMOVED:
        del inner[last]
    else:
        inner[last] = value
    return copy


@pytest.mark.parametrize("name", ["config.json", "problems.jsonl", "answers.jsonl"])
def test_a_damaged_field_of_an_evaluation_is_told_with_its_file_or_changes_nothing(
    evaluate, capsys, name
):
    asked = ["--env", "Countdown-v0", "--levels", "1", "--num-samples", "1"]
    folder, _ = evaluate("oracle", *asked)
    path, num_refused = folder / name, 0
    text = path.read_text()
    first, *others = text.splitlines() if name.endswith("l") else [text]
    for place in places_of(json.loads(first)):
        for value in WRONG[::4] if name == "config.json" else WRONG:
            damaged = json.dumps(put(json.loads(first), place, value))
            path.write_text("".join(f"{line}\n" for line in (damaged, *others)))
            code, said = main(["report", str(folder)]), capsys.readouterr().err
            told = said.startswith(f"edgewise: {folder}") and said.count("\n") == 1
            assert (code, said) == (0, "") or (code == 2 and told), (place, value, said)
            num_refused += code == 2
            assert name == "config.json" or not code or f"{path}:" in said
    assert num_refused > 30
