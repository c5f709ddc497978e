"""Rows for the environments that read data, in the layouts of their releases."""

import json

import numpy as np
import pytest

from edgewise.envs.arc1d import ARC1D

SIZES = (10, 20, 30, 50)  # one of each level of ARC1D-Dataset-v0
FAMILIES = ("move", "fill", "hollow", "reverse", "denoise", "copy_in_colours")


def row(problem):
    pairs = [
        {"input": [list(map(int, grid))], "output": [list(map(int, output))]}
        for grid, output in (*problem.examples, (problem.grid, problem.answer))
    ]
    return {"train": pairs[:3], "test": pairs[3:]}


@pytest.fixture(scope="session", autouse=True)
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "arc_1d").mkdir()
    rng = np.random.default_rng(0)
    rows = [
        row(ARC1D().generate(rng, size=size, families=FAMILIES))
        for size in SIZES
        for _ in range(300)
    ]
    (folder / "arc_1d" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWISE_DATA", str(folder))
        yield folder
