"""Recipes: JSON files of the flags of a command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from edgewise.errors import unknown
from edgewise.fields import build
from edgewise.files import about, read_json

NOT_IN_RECIPES = {"recipe", "resume", "output"}
Config = TypeVar("Config")


def read_recipe(kind: type[Config], path: Path) -> Config:
    """Return the config in a JSON file; what it leaves out has its default.

    A flag that is a text of JSON may be given as an object.

    Args:
        kind: The config, a dataclass, with `recipe`, where it comes from.
        path: The file.

    Raises:
        FileError: If there is no such file, or it has other fields than flags, or a value is refused.
    """
    record = read_json(path)
    with about(path):
        names = names_of(kind)
        for name in record:
            if name not in names:
                raise ValueError(unknown("recipe field", name, names))
        return replace(build(kind, as_flags(kind, record)), recipe=path)  # type: ignore[type-var]


def names_of(kind: type[Any]) -> list[str]:
    """Return the names of the flags that a recipe may have."""
    return [field.name for field in fields(kind) if field.name not in NOT_IN_RECIPES]


def as_flags(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as flags have them: an object as JSON where a text is declared."""
    texts = {field.name for field in fields(kind) if field.type == "str"}
    return {
        name: json.dumps(value) if name in texts and isinstance(value, dict) else value
        for name, value in record.items()
    }
