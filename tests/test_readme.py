"""The Python of README.md runs, from its first block to its last, and its tables are true."""

import re
from pathlib import Path

import pytest

from edgewise import wrappers
from edgewise.registration import env_ids

CODE, ARXIV = re.compile(r"`([\w-]+)`"), re.compile(r"arXiv (\d+\.\d+)")
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.skipif(not README.is_file(), reason="the README is not here")
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(compile(blocks[0], str(README), "exec"), names)
    said = re.search(r'reset\(seed=24\)  # "(.*) \.\.\. (.*) \.\.\."', blocks[0]).groups()
    assert names["reward"] == 1.0 and all(part in names["prompt"] for part in said)
    for block in blocks[1:]:
        exec(compile(block, str(README), "exec"), names)
    assert names["rewards"].shape == (256,)
    loop = next(block for block in blocks if "in train(envs, policy, config)" in block)
    assert len(loop.splitlines()) <= 20 and names["metrics"]["step"] == 2
    assert sum(names["chances"]) == pytest.approx(1) and capsys.readouterr().out.count("[0.") == 2
    assert names["load_policy"]("hf:trained").positions == names["policy"].positions


@pytest.mark.skipif(not README.is_file(), reason="the README is not here")
def test_the_counts_of_the_top_are_those_of_the_catalogues():
    text = README.read_text(encoding="utf-8")
    own = [
        name for name in env_ids() if "/" not in name and name not in ("Mixture-v0", "Taught-v0")
    ]
    rules = {**wrappers.CURRICULA, **wrappers.PROBLEM_CURRICULA}
    assert len(own) >= int(re.search(r"\*\*(\d+) environments", text)[1])
    assert len(rules) >= int(re.search(r"\*\*(\d+) curricula", text)[1])


@pytest.mark.skipif(not README.is_file(), reason="the README is not here")
def test_each_curriculum_of_the_tables_is_the_class_and_the_paper_that_the_row_names():
    catalogue = {**wrappers.CURRICULA, **wrappers.PROBLEM_CURRICULA}
    section = (README.parent / "docs" / "curricula.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| (`.+?) \| (.+) \|$", section, flags=re.MULTILINE)
    for names, classes, what in rows:
        for name, kind in zip(*map(CODE.findall, (names, classes)), strict=True):
            assert catalogue[name] is getattr(wrappers, kind)
            assert all(paper == catalogue[name].paper for paper in ARXIV.findall(what)), name
    assert len(rows) > 15
