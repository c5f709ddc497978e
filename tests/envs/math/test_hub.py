"""Rows of the hub become those of the local files; the hub is a folder here, of recorded rows."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("flint")
pytest.importorskip("datasets")

from edgewise.envs.math.data import DATASETS
from edgewise.envs.math.files import SOURCES
from edgewise.envs.math.problem_file import LAYOUTS

RECORDED = {  # one row of our own in the columns of each data set
    "MATH-v0": {
        "problem": "What is $1+1$?", "level": "Level 3", "type": "Algebra",
        "solution": r"It is $\boxed{2}$.",
    },
    "MATH500-v0": {
        "problem": "What is $1+1$?", "solution": "2", "answer": "2", "subject": "Algebra", "level": 3,
        "unique_id": "test/algebra/1.json",
    },
    "GSM8K-v0": {"question": "One and one?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"},
    "AQuA-v0": {
        "question": "One and one?", "options": ["A)1", "B)2", "C)3", "D)4", "E)5"],
        "rationale": "", "correct": "B",
    },
    "AIME24-v0": {"id": 60, "problem": "One and one?", "solution": "", "answer": "2", "url": "", "year": "2024"},
    "AIME25-v0": {"problem": "One and one?", "answer": "2", "id": "0"},
    "AMC-v0": {"id": 0, "problem": "One and one?", "answer": 2.0, "url": ""},
    "AMC23-v0": {"id": 0, "question": "One and one?", "answer": 2.0, "url": ""},
    "OlympiadBench-v0": {
        "id": 1, "question": "One and one?", "final_answer": ["2"], "subfield": "Algebra",
    },
    "MinervaMath-v0": {"question": "One and one?", "answer": "2"},
}  # fmt: skip
OWN = {
    "dapo-math-17k": {
        "prompt": [{
            "role": "user",
            "content": "Solve the following math problem step by step. The last line of your response "
            "should be of the form Answer: $Answer (without quotes) where $Answer is the answer to the "
            "problem.\n\nOne and\n\none?\n\nRemember to put your answer on its own line after "
            '"Answer:".',
        }],
        "ability": "MATH",
        "reward_model": {"ground_truth": "2", "style": "rule-lighteval/MATH_v2"},
    },
    "deepscaler": {"problem": "One and\n\none?", "answer": "2", "solution": ""},
    "big-math": {
        "problem": "One and\n\none?", "answer": "2", "source": "gsm8k", "domain": ["Arithmetic"],
        "llama8b_solve_rate": 0.5,
    },
}  # fmt: skip
READ = """
import json, sys
from edgewise.envs.math.data import DATASETS, PARTITIONS
from edgewise.envs.math.files import Problem
from edgewise.envs.math.problem_file import ProblemFile, load_problems
for kind in DATASETS:
    for split in kind.files if kind.name != "HARP-v0" else ():
        levels = kind.presets["sec"].levels
        found = [row for level in levels for row in kind("hub").rows(split, level=level)]
        print(kind.name, split, [(row.text, row.answer, row.level, row.subject) for row in found])
for layout in ("dapo-math-17k", "deepscaler", "big-math"):
    found = load_problems(ProblemFile("hub", layout=layout)).problems
    print(layout, [(row.text, row.answer) for row in found])
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder with a data set of one row at the place of each: the library takes both alike."""
    folder = tmp_path_factory.mktemp("hub")
    for name, splits in SOURCES.items():
        for source in splits.values():
            for config in source.configs:
                row = RECORDED[name]
                if name == "MATH-v0":
                    row = {**row, "problem": f"{row['problem']} {config} {source.split}"}
                write(folder / source.repo, config, source.split, row)
    for name, row in OWN.items():
        write(folder / LAYOUTS[name].repo, None, "train", row)
    return folder


def write(repo, config, split, row):
    place = repo / (config or "data")
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    configs = sorted({path.name for path in repo.iterdir() if path.is_dir()})
    lines = [f"- config_name: {'default' if name == 'data' else name}" for name in configs]
    files = [
        "".join(
            f"\n  - split: {path.stem}\n    path: {name}/{path.name}"
            for path in sorted((repo / name).iterdir())
        )
        for name in configs
    ]
    parts = [f"{line}\n  data_files:{text}" for line, text in zip(lines, files, strict=True)]
    (repo / "README.md").write_text("---\nconfigs:\n" + "\n".join(parts) + "\n---\n")


@pytest.fixture(scope="module")
def output(hub):
    environment = {**os.environ, "HF_HOME": str(hub / "cache"), "HF_HUB_OFFLINE": "1"}
    environment |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "EDGEWISE_DATA": str(hub)}
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, cwd=hub, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(" [", 1) for line in done.stdout.splitlines())


def test_every_data_set_on_the_hub_is_read(output):
    named = {kind.name for kind in DATASETS} - {"HARP-v0"}
    assert named == set(SOURCES) == {place.split()[0] for place in output if place[0] in "MGAO"}
    assert output["GSM8K-v0 test"] == "('One and one?', '2', 1, '')]"
    assert output["AQuA-v0 validation"] == (
        r"('One and one?\nA) 1\nB) 2\nC) 3\nD) 4\nE) 5', 'B', 1, '')]"
    )
    assert output["AMC23-v0 test"] == output["AIME25-v0 test"] == "('One and one?', '2', 1, '')]"
    assert output["OlympiadBench-v0 test"] == "('One and one?', '2', 1, 'Algebra')]"
    assert output["MATH500-v0 test"] == "('What is $1+1$?', '2', 3, 'Algebra')]"
    assert output["MATH-v0 train"].count("'2', 3, 'Algebra'") == 7  # a configuration a subject


@pytest.mark.parametrize("layout", OWN)
def test_the_sets_that_people_train_on_are_read(output, layout):
    assert output[layout] == r"('One and\n\none?', '2')]"


def test_what_the_hub_has_not_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    from edgewise.envs.math.files import load

    with pytest.raises(
        FileNotFoundError, match=r"no/such \(main, test\) cannot be had from the hub"
    ):
        list(load("no/such", "main", "test"))
