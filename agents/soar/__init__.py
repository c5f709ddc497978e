"""SOAR: a teacher that writes problems, paid by what its students learn; names are imported lazily."""

from typing import TYPE_CHECKING

from edgewise.lazy import lazily

if TYPE_CHECKING:
    from edgewise.agents.soar.game import play
    from edgewise.agents.soar.players import Student, Teacher
    from edgewise.agents.soar.presets import SOARConfig
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "SOARConfig": "edgewise.agents.soar.presets",
            "Student": "edgewise.agents.soar.players",
            "Teacher": "edgewise.agents.soar.players",
            "play": "edgewise.agents.soar.game",
        },
        extra="train",
    )

__all__ = [
    "SOARConfig",
    "Student",
    "Teacher",
    "play",
]
