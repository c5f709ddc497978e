"""`edgewise replay`: check a run by recomputing its curriculum from its records."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.agents.training.folder_kind import TRAIN, TRL, check_kind
from edgewise.agents.training.replay import replay
from edgewise.agents.training.run_folder import RunFolder
from edgewise.cli.flags import ReplayConfig
from edgewise.errors import usage


def run(config: ReplayConfig, arguments: Sequence[str]) -> None:
    """Replay a run and say what agreed."""
    with usage():
        check_kind(config.run, "run", TRAIN, TRL)
        folder = RunFolder.open(config.run, "run")
        told = replay(folder)
    folder.tell()
    rejected = f" ({told.num_rejected:,} of them rejected)" if told.num_rejected else ""
    state = "no checkpoint to compare the state with"
    if told.state_step is not None:
        state = f"so does the state in the checkpoint of step {told.state_step}"
    print(
        f"{config.run}: draws, probabilities and metrics of {told.num_steps:,} steps and "
        f"{told.num_groups:,} groups{rejected} agree; {state}"
    )
