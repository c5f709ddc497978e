"""What an environment owes its users, as checks that need nothing but its id.

The contract tests of Edgewise and `edgewise check` call the same functions; a package of environments
does so in a test of its own, with `check_environment`.
"""

from edgewise.contract import attacks, environment, guessing, problems
from edgewise.contract.level import Level, levels_of
from edgewise.contract.report import Report, check_environment

__all__ = [
    "Level",
    "Report",
    "attacks",
    "check_environment",
    "environment",
    "guessing",
    "levels_of",
    "problems",
]
