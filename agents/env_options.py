"""The keywords of an environment that the command line takes as JSON."""

from __future__ import annotations

import json
from typing import Any


def read_options(text: str, data: str | None = None) -> dict[str, Any]:
    """Return the keywords that `text` gives, and `data` if it is not None.

    >>> read_options('{"partition": "soar"}', data="files")
    {'partition': 'soar', 'data': 'files'}

    Raises:
        ValueError: If `text` is no JSON object.
    """
    try:
        options = json.loads(text)
    except json.JSONDecodeError:
        options = None
    if not isinstance(options, dict):
        raise ValueError(
            f'`env_options` must be JSON with names, such as {{"interactive": true}}, got {text!r}'
        )
    return options if data is None else {**options, "data": data}
