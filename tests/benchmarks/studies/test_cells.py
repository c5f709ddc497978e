import os
from multiprocessing import get_context

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.cells import folder_of_size, in_parallel


def device_of(others):
    others.wait(timeout=120)  # so that each worker has one job
    return os.environ.get("CUDA_VISIBLE_DEVICES", "none")


@pytest.mark.parametrize(("visible", "seen"), [("2,5", {"2", "5"}), ("7", {"7"}), ("", {""})])
def test_every_process_sees_one_gpu_of_those_that_are_allowed(visible, seen, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with get_context("spawn").Manager() as manager:
        others = manager.Barrier(2)
        assert set(in_parallel(device_of, [(others,)] * 2, 2)) == seen


def test_a_folder_has_cells_of_one_size(tmp_path):
    path = tmp_path / "new" / "runs"
    assert folder_of_size(path, {"steps": 2, "rates": (1.0,)}) == path
    assert folder_of_size(path, {"steps": 2, "rates": (1.0,)}) == path
    with pytest.raises(ValueError, match="with another rates; name another folder"):
        folder_of_size(path, {"steps": 2, "rates": (2.0,)})
