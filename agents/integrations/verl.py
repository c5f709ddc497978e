"""Train with verl under a curriculum: what verl's config names by `pkg://edgewise.agents.integrations.verl`.

verl imports this module in each of its processes, as a plug-in: Edgewise's environments are then
known there. `EdgewiseDataset` (`data.custom_cls`) draws a batch when verl's loader asks for it;
`CurriculumBuffer` (`trainer.v1.sampler.custom_sampler`) lets the rule learn from it before verl does,
so that the next draw knows all; verl's dataloader keeps the state in its checkpoints. The agent loop
`edgewise` poses, samples and verifies, in one turn or several. Nothing of verl is replaced, unless
the rule is to hear of verl's own advantages: then `CurriculumTrainer` is registered in place of
verl's synchronous trainer.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from edgewise.agents.integrations.versions import VERL
from edgewise.lazy import lazily

VERL.check(version("verl"))

if TYPE_CHECKING:
    from edgewise.agents.integrations.verl_buffer import CurriculumBuffer
    from edgewise.agents.integrations.verl_data import EdgewiseDataset
    from edgewise.agents.integrations.verl_loop import EpisodeLoop
    from edgewise.agents.integrations.verl_reward import compute_score
    from edgewise.agents.integrations.verl_trainer import CurriculumTrainer
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "CurriculumBuffer": "edgewise.agents.integrations.verl_buffer",
            "CurriculumTrainer": "edgewise.agents.integrations.verl_trainer",
            "EdgewiseDataset": "edgewise.agents.integrations.verl_data",
            "EpisodeLoop": "edgewise.agents.integrations.verl_loop",
            "compute_score": "edgewise.agents.integrations.verl_reward",
        },
        extra="verl",
    )

__all__ = [
    "CurriculumBuffer",
    "CurriculumTrainer",
    "EdgewiseDataset",
    "EpisodeLoop",
    "compute_score",
]
