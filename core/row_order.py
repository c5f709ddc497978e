"""Draw the rows of a data set without replacement."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

ZEROS = np.zeros(4, np.uint64)


class RowOrder:
    """The rows of each arm without replacement: epoch after epoch, each in an order of its own."""

    def __init__(self) -> None:
        """Start with no seed: `next` draws one."""
        self.restart()

    def restart(self) -> None:
        """Forget the seed, and begin every arm again."""
        self.seed: int | None = None
        self.pointers: dict[str, int] = {}  # rows taken so far, of each arm
        self._orders: dict[str, tuple[int, Any]] = {}  # the epoch and order of each arm, a cache

    def next(self, rng: np.random.Generator, arm: str, num_rows: int) -> int:
        """Return the next row of `arm`."""
        if not num_rows:
            level, params = json.loads(arm)[1:] if arm.startswith("[") else (arm, None)
            part = f" with {params}" if params else ""
            raise ValueError(f"`level` must have problems in this split, got none of {level}{part}")
        if self.seed is None:
            self.seed = int(rng.integers(2**63))
        taken = self.pointers.get(arm, 0)
        self.pointers[arm] = taken + 1
        epoch, position = divmod(taken, num_rows)
        if self._orders.get(arm, (-1, ()))[0] != epoch or len(self._orders[arm][1]) != num_rows:
            entropy = [self.seed, epoch, *arm.encode()]
            self._orders[arm] = epoch, np.random.default_rng(entropy).permutation(num_rows)
        return int(self._orders[arm][1][position])

    def state_dict(self) -> dict[str, Any]:
        """Return the seed and the pointers."""
        return {"seed": self.seed, "pointers": dict(self.pointers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the seed and the pointers."""
        self.restart()
        self.seed, self.pointers = state["seed"], dict(state["pointers"])


def rekey(rng: np.random.Generator, problem_seed: int, level: int) -> None:
    """Put `rng`, a Philox generator, at the start of the stream of (problem_seed, level)."""
    rng.bit_generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": ZEROS, "key": np.array([problem_seed, level], np.uint64)},
        "buffer": ZEROS,
        "buffer_pos": 4,  # empty
        "has_uint32": 0,
        "uinteger": 0,
    }
