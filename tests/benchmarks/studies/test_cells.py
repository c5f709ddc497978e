import os
from multiprocessing import get_context
from queue import SimpleQueue

import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.cells import folder_of_size, in_parallel, take_device


def device_of(others):
    others.wait(timeout=120)  # so that each worker has one job
    return os.environ.get("CUDA_VISIBLE_DEVICES", "none")


@pytest.mark.slow
def test_every_process_sees_one_gpu_of_those_that_are_allowed(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with get_context("spawn").Manager() as manager:
        others = manager.Barrier(2)
        assert set(in_parallel(device_of, [(others,)] * 2, 2)) == {"2", "5"}


@pytest.mark.parametrize(("visible", "seen"), [("2,5", ["2", "5"]), ("7", ["7", "7"]), ("", [""])])
def test_a_worker_takes_the_next_gpu(visible, seen, monkeypatch):
    places = SimpleQueue()
    for place, device in enumerate(seen):
        places.put(place)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        take_device(places)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == device


def test_a_folder_has_cells_of_one_size(tmp_path):
    path = tmp_path / "new" / "runs"
    assert folder_of_size(path, {"steps": 2, "rates": (1.0,)}) == path
    assert folder_of_size(path, {"steps": 2, "rates": (1.0,)}) == path
    with pytest.raises(ValueError, match="with another rates; name another folder"):
        folder_of_size(path, {"steps": 2, "rates": (2.0,)})


@pytest.mark.parametrize(
    "size", [{"steps": 2}, {"steps": 2, "rates": None}, {"steps": 2, "rates": 1, "looks": None}]
)
def test_a_size_of_another_version_is_named(size, tmp_path):
    folder_of_size(tmp_path / "runs", {"steps": 2, "rates": 1})
    name = "looks" if "looks" in size else "rates"
    with pytest.raises(ValueError, match=f"with another {name}; name another folder"):
        folder_of_size(tmp_path / "runs", size)
