"""How a name that does not exist is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

import gymnasium as gym

MAX_SHOWN = 80  # characters of a value in a message


def shown(value: object) -> str:
    """Return `value` as a message shows it, cut where it is long.

    >>> shown("a" * 1000)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value[: MAX_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}..."


def unknown(argument: str, got: object, choices: Iterable[str]) -> str:
    """Return the message for a name that is none of `choices`, with the nearest one if any is.

    >>> unknown("preset", "sek", ["sec", "e2h"])
    "`preset` must be one of sec, e2h, got 'sek'; did you mean 'sec'?"
    """
    names = list(choices)
    text = got[:MAX_SHOWN] if isinstance(got, str) else shown(got)
    near = get_close_matches(text.lower(), names, n=1, cutoff=0.5) or get_close_matches(
        text, names, n=1, cutoff=0.4
    )
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"`{argument}` must be one of {', '.join(names)}, got {shown(got)}{hint}"


class DataError(ValueError):
    """A file of data that cannot be read, told in one line on the command line."""


class UsageError(Exception):
    """A mistake of the user, told in one line on the command line."""


class ModelError(UsageError, ValueError):
    """Something in a model's folder that cannot be used, in the middle of work too."""


@contextmanager
def usage() -> Iterator[None]:
    """Convert the ValueErrors of set-up into UsageErrors; not for use around the work itself."""
    try:
        yield
    except (ValueError, TypeError, ImportError, gym.error.Error) as error:
        raise UsageError(str(error)) from error
