"""Read configs from JSON: recipes, records of runs, and keywords of environments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from edgewise.errors import shown, unknown
from edgewise.fields import build
from edgewise.files import about, read_json
from edgewise.json_text import parse_json
from edgewise.names import MAX_BYTES, MAX_DEPTH, read_keywords
from edgewise.registration import check_id

NOT_IN_RECIPES = {"recipe", "resume", "output"}
Config = TypeVar("Config")


def read_recipe(
    kind: type[Config], path: Path, read: Callable[[Path], dict[str, Any]] = read_json
) -> Config:
    """Read a config from a recipe; missing fields get their defaults.

    A flag that is a text of JSON may be given as an object.

    Args:
        kind: The config, a dataclass, with `recipe`, where it comes from.
        path: The file.
        read: Returns the object in a file; that of JSON by default.

    Raises:
        FileError: If there is no such file, or it has other fields than flags, or a value is refused.
    """
    record = read(path)
    with about(path):
        names = names_of(kind)
        strange = [name for name in record if name not in names]
        if len(strange) > max(2, len(record) / 2):
            raise ValueError(
                f"must be a recipe of this command, whose fields are its flags, got {strange[0]!r}, "
                f"{strange[1]!r} and more; another command may read it"
            )
        if strange:
            raise ValueError(unknown("recipe field", strange[0], names))
        return replace(build(kind, as_flags(kind, record)), recipe=path)  # type: ignore[type-var]


def names_of(kind: type[Any]) -> list[str]:
    """Return the names of the flags that a recipe may have."""
    left_out = NOT_IN_RECIPES | getattr(kind, "not_in_recipes", frozenset())
    return [field.name for field in fields(kind) if field.name not in left_out]


def as_flags(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Encode objects as JSON where a flag is declared as a string."""
    texts = {field.name for field in fields(kind) if field.type == "str"}
    return {
        name: json.dumps(value) if name in texts and isinstance(value, dict) else value
        for name, value in record.items()
    }


def from_fields(kind: type[Config], record: Mapping[str, Any]) -> Config:
    """Read a config from the record of a run; missing fields get their defaults.

    Args:
        kind: The config, a dataclass.
        record: What config.json says; fields that are none of the config are left out.

    Raises:
        ValueError: If a value is refused, or names an environment that does not exist.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    config: Any = build(kind, {name: record[name] for name in record if name in names})
    for env_id in config.env.split(",") if "env" in names else ():
        check_id(env_id)
    made: Config = config
    return made


def read_options(text: str, env_ids: Sequence[str], data: str | None = None) -> dict[str, Any]:
    """Parse keywords of environments from JSON; add `data` if it is not None.

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
    """Parse a JSON object.

    Raises:
        ValueError: If it is none.
    """
    wanted = 'must be JSON with names, such as {"interactive": true}'
    try:
        options = parse_json(text, argument, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise ValueError(str(error).replace("must be JSON", wanted, 1)) from error
    if not isinstance(options, dict):
        raise ValueError(f"`{argument}` {wanted}, got {shown(text)}")
    return options
