"""Memory that is freed goes back to the system, but for what the next step takes again."""

import gc
import sys
from pathlib import Path

import pytest

from edgewise.agents.policies import memory

torch = pytest.importorskip("torch")


def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is read from /proc")
def test_what_is_freed_between_what_is_kept_is_given_back_beyond_a_limit(monkeypatch):
    if memory.library() is None:
        pytest.skip("another C library than glibc, which need not keep anything")
    pieces = [torch.zeros(2**12) for _ in range(4096)]  # 16 KiB each, 64 MiB, all from the heap
    kept, before = pieces[::64], resident()
    del pieces
    gc.collect()
    memory.give_back()  # less than `KEPT`
    assert before - resident() < 8 * 2**20
    monkeypatch.setattr(memory, "KEPT", 2**20)
    memory.give_back()
    assert before - resident() > 40 * 2**20
    assert sum(float(piece.sum()) for piece in kept) == 0.0
