"""Curricula in the trainers of others, and problems as files for them; names are imported lazily."""

from typing import TYPE_CHECKING

from edgewise.lazy import lazily

if TYPE_CHECKING:
    from edgewise.agents.integrations.named import score
    from edgewise.agents.integrations.trl import CurriculumGRPOTrainer, CurriculumRLOOTrainer
    from edgewise.agents.integrations.trl_stream import CurriculumStream
    from edgewise.agents.integrations.trl_turns import TurnEnvironment
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "CurriculumGRPOTrainer": "edgewise.agents.integrations.trl",
            "CurriculumRLOOTrainer": "edgewise.agents.integrations.trl",
            "CurriculumStream": "edgewise.agents.integrations.trl_stream",
            "TurnEnvironment": "edgewise.agents.integrations.trl_turns",
            "score": "edgewise.agents.integrations.named",
        },
        extra="trl",
    )

__all__ = [
    "CurriculumGRPOTrainer",
    "CurriculumRLOOTrainer",
    "CurriculumStream",
    "TurnEnvironment",
    "score",
]
