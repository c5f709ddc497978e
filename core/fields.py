"""Make dataclasses of what JSON says, each value checked against the type of its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgewise.errors import shown, unknown

Kind = TypeVar("Kind")
Readers = Mapping[Any, Callable[[Any, str], Any]]  # by type: reads a value, which has a name
NONE: Readers = {}
WORDS = {
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "a text",
    NoneType: "null",
    Path: "a path",
}


def build(kind: type[Kind], record: Any, where: str = "", readers: Readers = NONE) -> Kind:
    """Return a `kind` with the fields of `record`.

    Args:
        kind: A dataclass.
        record: What JSON says of it, an object.
        where: The name of the record in messages, "" if its fields are called by their own.
        readers: How values of further types are read.

    Raises:
        ValueError: If a field does not exist, is missing or has another type, or `kind` refuses it.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"`{where or 'content'}` must be an object, got {shown(record)}")
    hints = hints_of(kind)
    declared = [field for field in fields(kind) if field.init]  # type: ignore[arg-type]
    names = [field.name for field in declared]
    for name in record:
        if name not in names:
            raise ValueError(unknown(f"{where} field".strip(), name, names))
    for field in declared:
        if field.default is field.default_factory is MISSING and field.name not in record:
            raise ValueError(f"`{join(where, field.name)}` must be given, got nothing")
    values = {
        name: convert(value, hints[name], join(where, name), readers)
        for name, value in record.items()
    }
    return kind(**values)


def join(where: str, name: object) -> str:
    """Return the name of a part of what `where` names."""
    return f"{where}.{name}" if where else f"{name}"


def hints_of(kind: Any) -> dict[str, Any]:
    """Return the types of the fields of a class or the arguments of a function, resolved.

    Where a name in them is known to type checkers alone, all are Any.
    """
    return resolved(kind)


@lru_cache(maxsize=512)
def resolved(kind: Any) -> dict[str, Any]:
    """Resolve the type hints of `kind`, once for each."""
    try:
        return get_type_hints(kind)
    except NameError:
        owners = getattr(kind, "__mro__", (kind,))
        return {name: Any for owner in owners for name in getattr(owner, "__annotations__", {})}


def convert(value: Any, hint: Any, where: str, readers: Readers = NONE) -> Any:
    """Return `value`, which JSON gives, as `hint` declares: lists as tuples, objects as dataclasses.

    Args:
        value: What JSON says.
        hint: A type: a plain one, a dataclass, a union, a Literal, a sequence or a mapping of them.
        where: The name of the value in messages.
        readers: How values of further types are read.

    Raises:
        ValueError: If it is of another type, or its type cannot be given by JSON.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or (isinstance(hint, type) and is_dataclass(value) and isinstance(value, hint)):
        return value
    if hint in readers:
        return readers[hint](value, where)
    if origin in (Union, UnionType):
        return first_of(value, arguments, where, readers)
    if origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in arguments):
            return value
        raise ValueError(unknown(where, value, map(str, arguments)))
    if origin is not None and issubclass(origin, Sequence):
        return sequence(value, origin, arguments, where, readers)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(f"`{where}` must be an object, got {shown(value)}")
        return {
            key: convert(part, arguments[1], join(where, shown(key)), readers)
            for key, part in value.items()
        }
    if isinstance(hint, type) and is_dataclass(hint):
        return build(hint, value, where, readers)
    return plain(value, hint, where)


def first_of(value: Any, hints: Sequence[Any], where: str, readers: Readers) -> Any:
    """Return `value` as the first of several types that takes it."""
    others = [hint for hint in hints if hint is not NoneType]
    if value is None and len(others) < len(hints):
        return None
    if len(others) == 1:
        return convert(value, others[0], where, readers)
    for hint in others:
        try:
            return convert(value, hint, where, readers)
        except ValueError:
            continue
    words = " or ".join(WORDS.get(hint, "a list or an object") for hint in hints)
    raise ValueError(f"`{where}` must be {words}, got {shown(value)}")


def sequence(
    value: Any, origin: Any, arguments: Sequence[Any], where: str, readers: Readers
) -> list[Any] | tuple[Any, ...]:
    """Return a list of JSON with every part converted, a tuple unless lists are declared."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"`{where}` must be a list, got {shown(value)}")
    hints = list(arguments)
    if origin is not tuple or arguments[-1] is Ellipsis:
        hints = [arguments[0]] * len(value)
    if len(hints) != len(value):
        raise ValueError(f"`{where}` must be a list of {len(hints)}, got {shown(value)}")
    parts = [
        convert(part, hint, f"{where}[{place}]", readers)
        for place, (part, hint) in enumerate(zip(value, hints, strict=True))
    ]
    return parts if origin is list else tuple(parts)


def plain(value: Any, hint: Any, where: str) -> Any:
    """Return `value` if it is of a plain type, a text as a path where one is declared."""
    if hint not in WORDS:
        raise ValueError(f"`{where}` must not be given by data, got {shown(value)}")
    good = type(value) is hint
    if hint is float:
        good = type(value) in (int, float) and abs(value) < 1e308 and isfinite(value)
    elif hint is Path:
        good = isinstance(value, Path) or (isinstance(value, str) and "\0" not in value)
    if not good:
        raise ValueError(f"`{where}` must be {WORDS[hint]}, got {shown(value)}")
    return Path(value) if hint is Path else value
