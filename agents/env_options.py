"""The keywords of an environment that the command line, configs and recipes give as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgewise.errors import shown
from edgewise.json_text import parse_json
from edgewise.names import MAX_BYTES, MAX_DEPTH, read_keywords


def read_options(text: str, env_ids: Sequence[str], data: str | None = None) -> dict[str, Any]:
    """Return the keywords that `text` gives, and `data` if it is not None.

    >>> read_options('{"partition": "soar"}', ["MATH-v0"], data="files")
    {'partition': 'soar', 'data': 'files'}

    Args:
        text: JSON, an object.
        env_ids: The environments that all take them; only checked where there are keywords.
        data: Where the data is.

    Raises:
        ValueError: If `text` is no JSON object, or names anything but parts of a preset, levels, a
            split and declared fields of the tasks, or a value is of another type.
    """
    options = read_object(text, "env_options")
    for env_id in env_ids if options else ():
        options = read_keywords(env_id, options, "env_options")
    return options if data is None else {**options, "data": data}


def read_object(text: str, argument: str) -> dict[str, Any]:
    """Return the object that a text of JSON is.

    Raises:
        ValueError: If it is none.
    """
    try:
        options = parse_json(text, argument, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise ValueError(
            f'`{argument}` must be JSON with names, such as {{"interactive": true}}: {error}'
        ) from error
    if not isinstance(options, dict):
        raise ValueError(
            f'`{argument}` must be JSON with names, such as {{"interactive": true}}, '
            f"got {shown(text)}"
        )
    return options
