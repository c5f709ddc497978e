"""The versions of TRL whose private methods `edgewise.agents.integrations.trl` overrides."""

from __future__ import annotations

import re

FIRST, AFTER = (1, 16), (1, 17)  # the latter is not tested


def check_version(found: str) -> None:
    """Refuse a version of TRL that is not tested.

    Raises:
        ImportError: If it is not at least `FIRST` and below `AFTER`.
    """
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or not FIRST <= (int(numbers[1]), int(numbers[2])) < AFTER:
        first, after = (".".join(map(str, bound)) for bound in (FIRST, AFTER))
        raise ImportError(
            f"edgewise.agents.integrations.trl must have TRL >={first},<{after}, got {found}: "
            f"pip install 'trl>={first},<{after}', or train through edgewise.agents.integrations.trl_stream, "
            "which needs public names alone and lags one batch behind"
        )
