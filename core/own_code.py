"""Code of the user's own: modules that the command line names, and entry points of installed packages.

What is read imports nothing: a config, a recipe, a record or the name of a problem may name code of a
module only if that is imported already, or belongs to an installed package that declares it under
one of `GROUPS`. A module is imported here because the user typed its name.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from contextlib import suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from inspect import getsourcefile, getsourcelines, isabstract
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from edgewise.errors import UsageError, shown, unknown

ENVIRONMENTS, RULES, AGENTS = (f"edgewise.{kind}" for kind in ("environments", "rules", "agents"))
GROUPS = (ENVIRONMENTS, RULES, AGENTS)  # of entry points
MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
typed: list[str] = []  # modules that were imported here, which other processes import too


class CodeError(UsageError, ValueError):
    """Code of the user's own that cannot be used: file, line and what is wrong, in one line."""


def import_typed(module: str, argument: str = "import") -> ModuleType:
    """Import a module that the user typed, from the working folder if it is not installed.

    Example:
        >>> import_typed("colorsys").__name__
        'colorsys'

    Args:
        module: Its name.
        argument: The flag that names it, for messages.

    Raises:
        CodeError: If there is no such module, or it raises, with its file and line.
    """
    if not MODULE.fullmatch(module):
        raise CodeError(f"`{argument}` must name a module, got {shown(module)}")
    if str(Path.cwd()) not in sys.path:  # last, where it hides nothing that is installed
        sys.path.append(str(Path.cwd()))
    made = load(module, f"`{argument}` names {module}")
    if module not in typed:
        typed.append(module)
    return made


def import_again(modules: list[str]) -> None:
    """Import the modules `typed` again, in a worker process."""
    for module in modules:
        import_typed(module)


def load(module: str, reason: str) -> ModuleType:
    """Import a module; `reason` says in messages why.

    Raises:
        CodeError: If there is no such module, or it raises, with its file and line.
    """
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{module}.".startswith(f"{missing}."):
            raise CodeError(
                f"{reason}, but no module {missing} is installed or in {Path.cwd()}; "
                "give the name of a file without .py"
            ) from error
        said = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
        place = place_of(error, origin_of(module))
        raise CodeError(f"{place}: {type(error).__name__}: {said}; {reason}") from error


def origin_of(module: str) -> str | None:
    """Return the file of a module that may not be importable, None if it is not to be found."""
    with suppress(ImportError, ValueError, CodeError):
        found = find_spec(module)
        return found.origin if found is not None else None
    return None


def place_of(error: BaseException, default: str | None = None) -> str:
    """Return the file and line of an exception in the user's code: the last of the user's own files.

    Args:
        error: The exception.
        default: What is returned where no file is the user's own; by default the last of all.
    """
    if isinstance(error, SyntaxError) and not (error.filename or "<").startswith("<"):
        return f"{error.filename}:{error.lineno}"  # "<string>" is what `eval` was given
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename != __file__
    ]
    own = [frame for frame in frames if not frame.filename.startswith(tuple(LIBRARIES))]
    if default is not None and not own:
        return default
    last = (own or frames)[-1]
    return f"{last.filename}:{last.lineno}"


def installed(group: str) -> dict[str, EntryPoint]:
    """Return what installed packages declare under one of `GROUPS`, by name; nothing is imported."""
    return {found.name: found for found in entry_points(group=group)}


def load_installed(found: EntryPoint) -> Any:
    """Return what an entry point names, a module or an object of one.

    Raises:
        CodeError: If it cannot be imported, or there is no such object.
    """
    package = found.dist.name if found.dist is not None else found.module
    made: Any = load(found.module, f"{found.group} of the installed package {package} names it")
    for name in filter(None, (found.attr or "").split(".")):
        if not hasattr(made, name):
            raise CodeError(f"{package}: {found.group} must name an object, got {found.value}")
        made = getattr(made, name)
    return made


def declares(module: str) -> EntryPoint | None:
    """Return the first entry point of an installed package that is in a module, None if none is."""
    found = (one for group in GROUPS for one in entry_points(group=group))
    return next((one for one in found if f"{one.module}.".startswith(f"{module}.")), None)


def is_named(module: str) -> bool:
    """Return whether the user typed the name of a module, or an installed package declares it."""
    return module in typed or declares(module) is not None


def check_imported(module: str, argument: str) -> None:
    """Check that code of a module may be named by what is read; an installed package is imported.

    Raises:
        CodeError: If it is neither imported nor declared by an installed package, with the flag to add.
    """
    if module in sys.modules:
        return
    if declared := declares(module):
        load(declared.module, f"`{argument}` names {module}, which is installed")
        return
    raise CodeError(
        f"`{argument}` must name code that is imported, got the module {shown(module)}; what is read "
        f"imports nothing: if you trust it, add --import {module[:80]}, or in Python import it first"
    )


def attribute(place: str, argument: str) -> Any:
    """Return what "module:Name" names, of a module that is imported or installed.

    Example:
        >>> attribute("edgewise.frame:Frame", "frame") is edgewise.Frame
        True

    Raises:
        CodeError: If the module is neither, or has no such name.
    """
    module, _, name = place.partition(":")
    check_imported(module, argument)
    names = vars(sys.modules[module])
    if name not in names:
        own = [known for known in names if getattr(names[known], "__module__", None) == module]
        raise CodeError(f"{names.get('__file__') or module}: {unknown(argument, name, own)}")
    return names[name]


def own_object(name: str, group: str, argument: str) -> Any:
    """Return what "module:Name" names, or what an installed package declares under `name` in `group`.

    Raises:
        CodeError: If there is no such object, or its module is neither imported nor installed.
    """
    if ":" in name:
        return attribute(name, argument)
    declared = installed(group)
    if name not in declared:
        raise CodeError(unknown(argument, name, declared))
    return load_installed(declared[name])


def check_complete(place: str, kind: type[Any], argument: str) -> None:
    """Raise CodeError if a class, which `place` names, lacks methods that it must define."""
    if isabstract(kind):
        lacking = ", ".join(sorted(kind.__abstractmethods__))
        raise CodeError(f"{file_of(place, kind)}: `{argument}` must define {lacking}, got {place}")


def file_of(place: str, found: Any) -> str:
    """Return the file, and the line if it is known, where `found`, which `place` names, is defined."""
    module = sys.modules.get(place.partition(":")[0])
    if module is not None and getattr(found, "__module__", None) != module.__name__:
        return module.__file__ or module.__name__
    try:
        return f"{getsourcefile(found)}:{getsourcelines(found)[1]}"
    except (TypeError, OSError):
        return place
