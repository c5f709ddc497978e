"""Parse flags into configs, with errors of one line."""

from __future__ import annotations

import io
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from pkgutil import resolve_name
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
)

from edgewise.agents.policies.model_card import is_own
from edgewise.agents.training.flags import Flags, RecipeFlags, RunFlags
from edgewise.errors import UsageError, unknown, usage
from edgewise.own_code import import_typed
from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA
from edgewise.wrappers.rules.catalogue import named

Config = TypeVar("Config")
NAMING = ("env", "curriculum", "curricula", "agent")  # flags that may name code of the user's own
COMMA = re.compile(r",(?![^\[]*\])")  # not within brackets
FRAME = re.compile(r"[╭╮╰╯│─]+|-{5,}")  # what is drawn round a message
NUMBERS = {int: "a whole number", float: "a number"}


REGISTRY = ConstructorRegistry()


@REGISTRY.primitive_rule
def number_rule(found: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Read numbers as tyro does, but with ASCII digits alone."""
    kind = found.type
    if kind not in (int, float):
        return None

    def read(words: list[str]) -> Any:
        if not words[0].isascii():
            raise ValueError(f"invalid literal for {kind.__name__}: {words[0]!r}")
        return kind(words[0])

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=kind.__name__.upper(),
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, (int, kind)) and not isinstance(value, bool),
        str_from_instance=lambda value: [str(value)],
    )


def configure(command: str, kind: str, arguments: Sequence[str]) -> Any:
    """Parse the flags of a command into its config; `--help` prints them and exits.

    Args:
        command: Its name.
        kind: Where its flags are: the "module:Class" of a dataclass, or of a function that returns one
            for the suite and the plan that the arguments name, each None if they name none.
        arguments: Its flags.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    arguments = import_named(arguments)
    found: Any = resolve_name(kind)
    flags: type[Any] = (
        found
        if isinstance(found, type)
        else found(flag(arguments, "suite"), flag(arguments, "plan"))
    )
    return parse(flags, command, arguments)


def import_named(arguments: Sequence[str]) -> list[str]:
    """Import the modules that the user typed, and return the flags without those that only import.

    They are those of every `--import MODULE`, and those that `NAMING` name as "module:Name"; what a
    recipe says is not typed.

    Raises:
        UsageError: If a module cannot be imported.
    """
    rest, words = list[str](), iter(arguments)
    for word in words:
        flag_name, is_whole, value = word.partition("=")
        if flag_name != "--import":
            rest.append(word)
            continue
        if (not is_whole and (value := next(words, "")).startswith("-")) or not value:
            raise UsageError("`--import` must be followed by the name of a module")
        import_typed(value)
    for name in NAMING:
        text = flag(rest, name) or ""
        for part in [text] if name == "agent" else split(text):
            if module := module_of(name, part):
                import_typed(module, name)
    return rest


def import_positional(env: str) -> None:
    """Import the module that the user typed in an environment's id, where that is no flag.

    Raises:
        UsageError: If it cannot be imported.
    """
    if module := module_of("env", env):
        import_typed(module, "env")


def module_of(name: str, text: str) -> str | None:
    """Return the module of the user's own that a value of a flag names, None if it names none.

    >>> module_of("env", "my_module:Sums-v0"), module_of("curriculum", "my_module:Hardest:share=0.5")
    ('my_module', 'my_module')
    >>> module_of("env", "Countdown-v0"), module_of("curriculum", "sec:temperature=1")
    (None, None)
    """
    if name == "env":
        return text.rpartition(":")[0] or None
    if name == "agent":
        return text.partition(":")[0] if ":" in text and is_own(text) else None
    return named(text, {**CURRICULA, **PROBLEM_CURRICULA}).rpartition(":")[0] or None


def split(text: str) -> list[str]:
    """Split a list of names at its commas, but for those in brackets."""
    return [part.strip() for part in COMMA.split(text) if part.strip()]


def parse(kind: type[Config], command: str, arguments: Sequence[str]) -> Config:
    """Parse flags into the dataclass `kind`, over the values of a recipe if one is named.

    Raises:
        UsageError: If a flag does not exist, or a value or the recipe is refused.
    """
    default: Config | None = None
    path = flag(arguments, "recipe") if issubclass(kind, RecipeFlags) else None
    if issubclass(kind, RecipeFlags) and path is not None:
        with usage():
            default = kind.from_recipe(Path(path))
    config = parse_flags(kind, command, arguments, default)
    if isinstance(config, RunFlags) and config.resume is not None:
        given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        if given - {"--resume", *config.beside_resume}:
            raise UsageError("`resume` must be the only flag; a run continues as it was begun")
        with usage():
            config.check_folders()
    elif isinstance(config, Flags):
        with usage():
            config.check_folders()
            config.check_names()
            config.check_problems()
    return config


def parse_flags(
    kind: type[Config], command: str, arguments: Sequence[str], default: Config | None
) -> Config:
    """Parse flags into `kind`; `default` has the values of those that are left out.

    Raises:
        UsageError: If a flag does not exist, or its value is refused.
    """
    check_once(arguments, kind)
    refused = io.StringIO()
    try:
        with redirect_stderr(refused), usage():
            prog, words = f"edgewise {command}", list(arguments)
            if default is None:
                return tyro.cli(kind, prog=prog, args=words, registry=REGISTRY)
            return tyro.cli(kind, prog=prog, args=words, default=default, registry=REGISTRY)
    except SystemExit as stop:
        if not stop.code:
            raise
        text = plain(one_line(refused.getvalue()), kind)
        link = "" if text.endswith("?") else ";"
        raise UsageError(f"{text}{link} see edgewise {command} --help") from None


def check_once(arguments: Sequence[str], kind: type[Any]) -> None:
    """Check that no flag is given under both of its names.

    Raises:
        UsageError: If one is, for one of two values would be dropped.
    """
    names, given = names_of(kind), dict[str, str]()
    for word in arguments:
        spelled = word.partition("=")[0].replace("_", "-")
        name = names.get(spelled)
        if name is not None and given.setdefault(name, spelled) != spelled:
            old = spelled if spelled != name else given[name]
            raise UsageError(f"{name} must be given once, got it as {old} too, its old name")


def names_of(kind: type[Any], place: str = "") -> dict[str, str]:
    """Return the name of today for each name of a flag that has an old one, both with dashes.

    >>> from edgewise.cli.flags import PlayConfig
    >>> names_of(PlayConfig)
    {'--num-problems': '--num-problems', '--problems': '--num-problems'}
    """
    found = dict[str, str]()
    for name, hint in get_type_hints(kind, include_extras=True).items():
        extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        inner = get_args(hint)[0] if extras else hint
        if is_dataclass(inner):
            is_flat = tyro.conf.OmitArgPrefixes in extras
            found |= names_of(cast(type[Any], inner), place if is_flat else f"{place}{name}.")
        for extra in extras:
            old = getattr(extra, "aliases", None) or ()
            today = f"--{place}{getattr(extra, 'name', None) or name}".replace("_", "-")
            found |= {each: today for each in (today, *old)} if old else {}
    return found


def flag(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of a single flag before all are parsed, None without it."""
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument(f"--{name}", dest="value", nargs="?", const="")
    value: str | None = finder.parse_known_args(list(arguments))[0].value
    return value


def one_line(message: str) -> str:
    """Extract the error from a message of tyro, without its frame, title and help."""
    lines = [FRAME.sub(" ", line).strip() for line in message.splitlines()]
    text = " ".join(line for line in lines[1:] if line.strip("-"))  # also drawn so
    return re.split(r" (?:; )?(?:Got errors:|Argument helptext:|For full helptext)", text)[0]


def plain(text: str, kind: type[Any]) -> str:
    """Say an error of tyro as others are said: which flag, what it must be, what it is.

    >>> from edgewise.agents.training.config import TrainConfig
    >>> plain("Error parsing --seed: no type matching {None}|INT could be ... from ['x'].", TrainConfig)
    "`seed` must be a whole number, got 'x'"
    >>> plain("invalid choice 'x' for argument '--device'. Expected one of ('cpu', 'cuda').", TrainConfig)
    "`device` must be one of cpu, cuda, got 'x'"
    """
    if found := re.match(r"Error parsing ([^:]+): `(.*)", text):  # of ours
        is_nested = found[1].islower() and f"{found[1]}." in " ".join(hints_of(kind))
        return f"`{found[1]}.{found[2]}" if is_nested else f"`{found[2]}"
    if found := re.match(r"Error parsing --(\S+): (.*)", text):
        name = field_of(found[1])
        got = re.search(r"\[([^\[\]]*)\](?: into .*|\.)?$", found[2]) or re.search(
            ": (.*)$", found[2]
        )
        if got and (wanted := wanted_of(kind, name)):
            return f"`{name}` must be {wanted}, got {got[1]}"
    if found := re.match(
        r"invalid choice '?(.*?)'? for argument '(\S+)'\. Expected .* \((.*)\)", text
    ):
        choices = found[3].replace("'", "").rstrip(",").split(", ")
        return unknown(field_of(found[2].removeprefix("--")), found[1], choices)
    if found := re.match(r"Missing value for argument '--(\S+)'", text):
        return f"`{field_of(found[1])}` must have a value, got none"
    if text.startswith("Missing from "):
        names = " and ".join(f"`{name}`" for name in missing(text, kind))
        return f"{names} must be given, got nothing"
    if found := re.match(
        r"Unrecognized options: (.*?)(?: Perhaps you meant: (--[\w.-]+).*)?$", text
    ):
        hint = f"; did you mean {names_of(kind).get(found[2], found[2])}?" if found[2] else ""
        return f"flags must be those of the command, got {found[1]}{hint}"
    return text


def field_of(flag: str) -> str:
    """Return the field that a flag sets, without the dashes; the last of its names is that of the field."""
    return flag.rpartition("/--")[2].replace("-", "_")


def wanted_of(kind: type[Any], name: str) -> str | None:
    """Return what the value of a number, or of a list of numbers, must be; None of anything else.

    >>> from edgewise.cli.export_flags import ScheduleConfig
    >>> wanted_of(ScheduleConfig, "pass_rates"), wanted_of(ScheduleConfig, "levels")
    ('2 numbers', 'a whole number each')
    """
    hint = hints_of(kind).get(name)
    choices = [hint, *get_args(hint)] if get_origin(hint) in (Union, UnionType) else [hint]
    for choice in choices:
        if choice in NUMBERS:
            return NUMBERS[choice]
        found = get_args(choice) if get_origin(choice) is tuple else ()
        if found[1:] == (Ellipsis,) and found[0] in NUMBERS:
            return f"{NUMBERS[found[0]]} each"
        if found and set(found) <= {int, float}:
            return f"{len(found)} numbers"
    return None


def hints_of(kind: type[Any], place: str = "") -> dict[str, Any]:
    """Return the type of each flag by its name, those of parts with the part's name before a dot."""
    found = dict[str, Any]()
    whole = get_type_hints(kind, include_extras=True)
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint):
            is_flat = tyro.conf.OmitArgPrefixes in get_args(whole[name])
            found |= hints_of(cast(type[Any], hint), place if is_flat else f"{place}{name}.")
        else:
            found[f"{place}{name}"] = hint
    return found


def missing(text: str, kind: type[Any]) -> list[str]:
    """Return the flags, or else the values without a flag, that a message of tyro says are missing."""
    needed = [item.name for item in fields(kind) if item.default is item.default_factory is MISSING]
    flags = [name for name in needed if f"--{name.replace('_', '-')} " in text]
    return flags or needed[-text.count("(required)") :]
