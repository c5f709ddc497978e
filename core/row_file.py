"""The problems in files of the user's own: each row is read, or left out with its place and reason."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from edgewise.errors import DataError, shown
from edgewise.registration import require
from edgewise.rows import Located, Row, quoted, read_rows

Found = TypeVar("Found")
READABLE = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
SPLIT_WORDS = {  # as data sets name them, in columns and in names of files
    "train": "train", "training": "train", "validation": "validation", "val": "validation",
    "valid": "validation", "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
Value = str | int | float  # of a column, as JSON has it
NAME_PARTS = re.compile(r"[a-z]+")


class Stamp(NamedTuple):
    """A file as it is now, so that what was read of it is not taken for what it has later."""

    path: Path
    changed: int  # ns
    size: int  # bytes


class LeftOut(NamedTuple):
    """A row that is not posed."""

    place: str  # "FILE:LINE" or "FILE, row N"
    reason: str


def stamped(files: Iterable[Path]) -> tuple[Stamp, ...]:
    """Return each file with its time and size."""
    found = ((path, path.stat()) for path in files)
    return tuple(Stamp(path, about.st_mtime_ns, about.st_size) for path, about in found)


def files_of(data: str) -> list[Path]:
    """Return the files that `data` names: one, those in a folder, or those that fit a pattern."""
    path = Path(data)
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(file for file in path.iterdir() if is_readable(file))
    return sorted(file for file in path.parent.glob(path.name) if is_readable(file))


def is_readable(path: Path) -> bool:
    """Return whether the name of a file says that it has rows."""
    return path.is_file() and path.name.removesuffix(".gz").endswith(READABLE)


def split_of_place(place: str) -> str | None:
    """Return the split that the name of a row's file says it holds; None if it says none, or several.

    >>> split_of_place("train/countdown_test_half.jsonl.gz:7"), split_of_place("mine.csv:2")
    ('test', None)
    """
    words = set(NAME_PARTS.findall(Path(place).name.lower())) & SPLIT_WORDS.keys()
    splits = {SPLIT_WORDS[word] for word in words}
    return splits.pop() if len(splits) == 1 else None


def read_split(value: object) -> str:
    """Return the split that a value of a column means."""
    split = SPLIT_WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if split is None:
        raise ValueError(f"the split must be one of {', '.join(SPLIT_WORDS)}, got {quoted(value)}")
    return split


def place_of(value: object, values: Sequence[Value]) -> int:
    """Return the level that a value means, its place among all, from 1; ValueError if it has none.

    >>> place_of("hard", ("trivial", "easy", "hard")), place_of("2", (1, 2, 4))
    (3, 2)
    """
    known = [str(known) for known in values]
    text = str(value).strip()
    if isinstance(value, bool) or text not in known:
        raise ValueError(f"the level must be one of {', '.join(known[:20])}, got {shown(value)}")
    return known.index(text) + 1


def rows_of(path: Path) -> Iterable[Located]:
    """Return the rows of a file: JSON lines, a JSON array, CSV, TSV or Parquet."""
    return read_parquet(path) if path.suffix == ".parquet" else read_rows(path)


def read_parquet(path: Path) -> Iterator[Located]:
    """Yield the rows of a Parquet file; DataError if it is damaged."""
    require("data")
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        found = load_dataset("parquet", data_files=str(path), split="train")
    except (DatasetsError, ValueError) as error:
        raise DataError(f"{path}: must be a Parquet file ({error})") from error
    yield from (Located(f"{path}, row {i}", row) for i, row in enumerate(found, start=1))


def keep_rows(
    source: str, rows: Iterable[Located], read: Callable[[str, Row], Found], strict: bool
) -> tuple[list[Found], tuple[LeftOut, ...]]:
    """Read each row; return what was read, and the rows left out, of which a warning tells.

    Args:
        source: What the rows are from, for messages.
        rows: With their places.
        read: Makes a problem of a place and a row; ValueError, with the reason, if it is none.
        strict: Whether a row that is none is refused.

    Raises:
        DataError: If no row is a problem, or with `strict` any row is none.
    """
    found: list[Found] = []
    left_out: list[LeftOut] = []
    for place, row, reason in rows:
        try:
            if row is None:
                raise ValueError(reason)
            found.append(read(place, row))
        except ValueError as error:
            if strict:
                raise DataError(f"{place}: {error}") from error
            left_out.append(LeftOut(place, str(error)))
    summary = summarise(source, len(found) + len(left_out), left_out)
    if not found:
        raise DataError(summary)
    if left_out:
        warnings.warn(summary, stacklevel=3)
    return found, tuple(left_out)


def summarise(source: str, count: int, left_out: Sequence[LeftOut]) -> str:
    """Format the warning about rows left out: their number, and a place for each of three reasons."""
    if not count:
        return f"{source}: must have a row, got none"
    places: dict[str, str] = {}
    for place, reason in left_out:
        places.setdefault(reason, place)
    shown = [f"; {place}: {reason}" for reason, place in places.items()][:3]
    more = "; `left_out` of the task has them all" if len(shown) < len(left_out) else ""
    return f"{source}: {len(left_out):,} of {count:,} rows are no problems{''.join(shown)}{more}"
