"""How a name that does not exist is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

import gymnasium as gym

MAX_SHOWN = 80  # characters of a value in a message
MANY = 20  # names, of which a message shows the nearest alone
NUM_NEAREST = 3
MADE = " was raised from the environment creator for "  # what Gymnasium adds, with all keywords
VERSION = re.compile(r"-v\d+\Z")


def shown(value: object) -> str:
    """Return `value` as a message shows it, cut where it is long.

    >>> shown("a" * 1000)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value[: MAX_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}..."


def unknown(argument: str, got: object, choices: Iterable[str], see: str = "") -> str:
    """Return the message for a name that is none of `choices`: all of them if they are few, else the three nearest.

    >>> unknown("preset", "sek", ["sec", "e2h"])
    "`preset` must be one of sec, e2h, got 'sek'; did you mean 'sec'?"
    >>> many = [f"Sums{number}-v0" for number in range(50)]
    >>> unknown("env", "sum7", many, see="edgewise list")
    "`env` must be one of 50 names, got 'sum7'; did you mean 'Sums7-v0', 'Sums47-v0' or 'Sums37-v0'? edgewise list shows all"

    Args:
        argument: What the user calls it.
        got: The name.
        choices: The names that there are.
        see: The command that shows them.
    """
    names = list(choices)
    text = got[:MAX_SHOWN] if isinstance(got, str) else shown(got)
    few = len(names) <= MANY
    near = nearest(text, names, 1) if few else nearest(text, names, NUM_NEAREST, cutoff=0.0)
    listed = ", ".join(names) if few else f"{len(names)} names"
    *others, last = [repr(name) for name in near] or [""]
    either = f"{', '.join(others)} or {last}" if others else last
    hint = f"; did you mean {either}?" if near else ""
    more = f" {see} shows all" if see and not few else ""
    return f"`{argument}` must be one of {listed}, got {shown(got)}{hint}{more}"


def nearest(text: str, names: Sequence[str], count: int, cutoff: float = 0.4) -> list[str]:
    """Return the names most similar to `text`, ignoring case; none with a ratio below `cutoff`."""
    stems = {stem(name): name for name in reversed(names)}
    return [stems[found] for found in get_close_matches(stem(text), stems, n=count, cutoff=cutoff)]


def stem(name: str) -> str:
    """Return a name without what many names have in common: case, and the version of an id."""
    return VERSION.sub("", name.lower())


class DataError(ValueError):
    """A data file that cannot be read, reported in one line on the command line."""


class UsageError(Exception):
    """A mistake of the user, reported in one line on the command line."""


class ModelError(UsageError, ValueError):
    """Something in a model's folder that cannot be used, in the middle of work too."""


@contextmanager
def usage() -> Iterator[None]:
    """Convert the ValueErrors of set-up into UsageErrors; not for use around the work itself."""
    try:
        yield
    except (ValueError, TypeError, ImportError, gym.error.Error) as error:
        raise UsageError(str(error).partition(MADE)[0]) from error
