"""Refuse versions of other packages that an integration is not tested with."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Tested:
    """The versions of a package that one of our modules is tested with.

    Example:
        >>> tested = Tested("verl", "edgewise.agents.integrations.verl", "0.9.1", "0.10", "verl")
        >>> str(tested)
        '>=0.9.1,<0.10'
        >>> tested.check("0.9.3")
        >>> tested.check("0.10.0")
        Traceback (most recent call last):
            ...
        ImportError: edgewise.agents.integrations.verl must have verl >=0.9.1,<0.10, got 0.10.0: pip install 'verl>=0.9.1,<0.10'
    """

    package: str  # its name in messages
    module: str  # ours, that needs it
    first: str
    after: str  # the first that is not tested
    requirement: str  # what is installed, with extras
    otherwise: str = ""  # what else can be done, for the message

    def __str__(self) -> str:
        """Return the versions as pip reads them."""
        return f">={self.first},<{self.after}"

    def check(self, found: str) -> None:
        """Refuse another version.

        Raises:
            ImportError: If `found` is not at least `first` and below `after`, or is no version.
        """
        numbers = parts_of(found)
        if not numbers or not parts_of(self.first) <= numbers < parts_of(self.after):
            raise ImportError(
                f"{self.module} must have {self.package} {self}, got {found}: "
                f"pip install '{self.requirement}{self}'{self.otherwise}"
            )


def parts_of(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with.

    >>> parts_of("0.10.0.dev1"), parts_of("unknown")
    ((0, 10, 0), ())
    """
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


TRL = Tested(
    "TRL",
    "edgewise.agents.integrations.trl",
    "1.16",
    "1.17",
    "trl",
    ", or train through edgewise.agents.integrations.trl_stream, which needs public names alone and "
    "lags one batch behind",
)
VERIFIERS = Tested(
    "verifiers", "edgewise.agents.integrations.verifiers", "0.4.0", "0.5", "verifiers"
)
OPENENV = Tested("OpenEnv", "edgewise.agents.integrations.openenv", "0.10", "0.11", "openenv")
SKYRL = Tested("skyrl-gym", "edgewise.agents.integrations.skyrl", "0.4.0", "0.5", "skyrl-gym")
VERL = Tested("verl", "edgewise.agents.integrations.verl", "0.9.1", "0.10", "verl[verl-core]")
LM_EVAL = Tested("lm-eval", "edgewise.agents.integrations.lm_eval", "0.4.13", "0.5", "lm_eval[api]")
NEMO_GYM = Tested("NeMo-Gym", "edgewise.agents.integrations.nemo_gym", "0.4.0", "0.5", "nemo-gym")
TINKER = Tested(
    "tinker-cookbook", "edgewise.agents.integrations.tinker", "0.5.8", "0.7", "tinker-cookbook"
)
