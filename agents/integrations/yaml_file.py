"""Read recipes in YAML; what is read is data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from edgewise.errors import shown
from edgewise.files import FileError, read_text

MAX_CHARACTERS = 100_000
FLOAT = "tag:yaml.org,2002:float"


class Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
    """Makes texts, numbers, truth values, lists and mappings, and refuses aliases and keys given twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Read a node that is written out."""
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="an alias", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Make a mapping in which no key occurs twice."""
        names = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in names[:place]:
                mark = key.start_mark
                raise yaml.MarkedYAMLError(
                    problem=f"{shown(key.value)} a second time", problem_mark=mark
                )
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(  # 1e-6, which YAML 1.1 takes for a text
    FLOAT, re.compile(r"[-+]?[0-9]+([.][0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        FileError: If there is no such file, or it holds anything else, or more than a recipe does.
    """
    text = read_text(path)
    if len(text) > MAX_CHARACTERS:
        raise FileError(
            f"{path}: must have at most {MAX_CHARACTERS:,} characters, got {len(text):,}"
        )
    try:
        found = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        what = getattr(error, "problem", None) or "something else"
        raise FileError(f"{path}:{line}: must be YAML, got {what}") from error
    except (RecursionError, ValueError) as error:
        raise FileError(f"{path}: must be YAML of a recipe, got {error}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise FileError(f"{path}:1: must be a mapping of names, got {type(found).__name__}")
    return found
