"""`edgewise replay`: check a run by recomputing its curriculum from its records."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.agents.training.folder_kind import TRAIN, TRL, VERL, check_kind
from edgewise.agents.training.replay import replay
from edgewise.agents.training.run_folder import RunFolder
from edgewise.cli.bar import bar
from edgewise.cli.flags import ReplayConfig
from edgewise.errors import usage


def run(config: ReplayConfig, arguments: Sequence[str]) -> None:
    """Replay a run and say what agreed."""
    with usage():
        check_kind(config.run, None, TRAIN, TRL, VERL)
        folder = RunFolder.open(config.run, None)
        with bar("steps") as progress:
            result = replay(folder, progress)
    folder.tell()
    rejected = f" ({result.num_rejected:,} of them rejected)" if result.num_rejected else ""
    state = "no checkpoint to compare the state with"
    if result.state_step is not None:
        state = f"so does the state in the checkpoint of step {result.state_step}"
    print(
        f"{config.run}: draws, probabilities and metrics of {result.num_steps:,} steps and "
        f"{result.num_groups:,} groups{rejected} agree; {state}"
    )
