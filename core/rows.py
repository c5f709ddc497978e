"""Read the rows of a data file: JSON lines, a JSON array, CSV or TSV, plain or in gzip.

A row that cannot be read is not passed over in silence: it comes with its place and the reason.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple, TextIO, TypeVar

from edgewise.errors import DataError
from edgewise.json_text import unique

MAX_LINE = 1_000_000  # characters
SEPARATORS = {".csv": ",", ".tsv": "\t"}
Found = TypeVar("Found")
Row = Mapping[str, Any]
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


class Located(NamedTuple):
    """A row with its place, "FILE:LINE" or "FILE, row N"; or why there is none."""

    place: str
    row: Row | None
    reason: str = ""


def read_rows(path: Path) -> Iterator[Located]:
    """Yield the rows of a file, as its name ends: .csv, .tsv, .json, else JSON lines; maybe .gz.

    A byte order mark, any line ends and blank lines are read. What is not UTF-8 becomes lone
    surrogates, which `check_text` refuses.

    Raises:
        DataError: If the file as a whole is damaged, or its header is.
    """
    ending = Path(path.name.removesuffix(".gz")).suffix.lower()
    with opened(path) as file:
        if ending in SEPARATORS:
            yield from table_rows(path, file, SEPARATORS[ending])
        elif ending == ".json" and begins_array(file):
            yield from array_rows(path, file)
        else:
            yield from line_rows(path, file)


def convert_rows(rows: Iterable[Located], convert: Callable[[Row], Found]) -> Iterator[Found]:
    """Yield what `convert` makes of each row.

    Raises:
        DataError: If a row cannot be read, or is not in the layout that `convert` takes.
    """
    for place, row, reason in rows:
        if row is None:
            raise DataError(f"{place}: {reason}")
        try:
            found = convert(row)
        except KeyError as error:
            columns = ", ".join(map(str, list(row)[:20]))
            raise DataError(f"{place}: must have a column {error}, got {columns}") from None
        except (TypeError, AttributeError, IndexError, ValueError) as error:
            raise DataError(f"{place}: must be in the layout of its data set: {error}") from error
        yield found


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a file as text, and name it in what is raised if it is damaged or in another encoding."""
    try:
        with (
            gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw,
            TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file,
        ):
            if raw.peek(2)[:2] in UTF16:
                raise DataError(f"{path}: must be UTF-8, got UTF-16; save it as UTF-8")
            yield file
    except DAMAGED as error:
        raise DataError(f"{path}: must be a whole file in gzip, got {error}") from error


def lines_of(path: Path, file: TextIO) -> Iterator[tuple[str, str]]:
    """Yield each line with its place; of a line that is too long, the first MAX_LINE + 1."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        yield f"{path}:{number}", line
        while len(line) > MAX_LINE and not line.endswith(("\n", "\r")):
            line = file.readline(MAX_LINE + 1)


def line_rows(path: Path, file: TextIO) -> Iterator[Located]:
    """Yield the rows of JSON lines."""
    for place, line in lines_of(path, file):
        if len(line) > MAX_LINE:
            yield Located(place, None, f"is longer than {MAX_LINE:,} characters")
        elif line.strip():
            yield read_object(place, line)


def read_object(place: str, line: str) -> Located:
    """Return the row that a line of JSON holds."""
    try:
        found = json.loads(line, object_pairs_hook=unique)
    except RecursionError:
        return Located(place, None, "is nested too deeply")
    except json.JSONDecodeError as error:
        return Located(place, None, f"is not JSON: {error.msg}, character {error.pos + 1}")
    except (
        ValueError
    ) as error:  # a number of more digits than Python reads, a key that is there twice
        return Located(place, None, f"is not JSON that can be read: {error}")
    return located(place, found)


def located(place: str, found: object) -> Located:
    """Return `found` as a row, if it is an object."""
    if isinstance(found, dict):
        return Located(place, found)
    return Located(place, None, f"must be an object with columns, got {type(found).__name__}")


def begins_array(file: TextIO) -> bool:
    """Return whether the first character that is no space is "[", and go back to the start."""
    while (character := file.read(1)).isspace():
        pass
    file.seek(0)
    return character == "["


def array_rows(path: Path, file: TextIO) -> Iterator[Located]:
    """Yield the rows of one JSON array."""
    try:
        found = json.load(file, object_pairs_hook=Object)
    except RecursionError:
        raise DataError(f"{path}: must be an array of objects, and is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: is not JSON: {error.msg}") from None
    except ValueError as error:
        raise DataError(f"{path}: is not JSON that can be read: {error}") from None
    for number, row in enumerate(found, start=1):
        place = f"{path}, row {number}"
        twice = key_twice(row)
        told = f"is not JSON that can be read: {twice!r} twice in an object"
        yield located(place, row) if twice is None else Located(place, None, told)


class Object(dict[str, Any]):
    """An object of JSON that knows whether a key is there twice, of which one is lost."""

    twice: str | None = None

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        """Take the last of each key."""
        super().__init__(pairs)
        if len(self) < len(pairs):
            keys = [key for key, _ in pairs]
            self.twice = next(key for key in keys if keys.count(key) > 1)


def key_twice(value: object) -> str | None:
    """Return a key that is twice in an object anywhere within `value`."""
    parts = [value]
    while parts:  # nesting may be as deep as the reader takes it
        part = parts.pop()
        if isinstance(part, Object) and part.twice is not None:
            return part.twice
        if isinstance(part, (dict, list)):
            parts += part.values() if isinstance(part, dict) else part
    return None


def table_rows(path: Path, file: TextIO, separator: str) -> Iterator[Located]:
    """Yield the rows of a table whose first line names the columns."""
    reader = csv.reader(short_lines(path, file), delimiter=separator, strict=True)
    names: list[str] | None = None
    while True:
        place = f"{path}:{reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f'{place}: must be a row of a table, got {error}; quote a cell as "..." and double the '
                "quotes in it"
            ) from None  # where the next row begins is not known
        if not cells or cells == [""]:
            continue
        if names is None:
            names = header(place, cells)
        elif len(cells) != len(names):
            yield Located(place, None, f"must have {len(names)} cells, got {len(cells)}")
        else:
            yield Located(place, dict(zip(names, cells, strict=True)))


def short_lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield the lines of a table; DataError if one is too long to be one."""
    for place, line in lines_of(path, file):
        if len(line) > MAX_LINE:
            raise DataError(f"{place}: must be at most {MAX_LINE:,} characters, is longer")
        yield line


def header(place: str, cells: list[str]) -> list[str]:
    """Return the names of the columns, checked."""
    names = [cell.strip() for cell in cells]
    if "" in names or len(set(names)) < len(names):
        raise DataError(f"{place}: must name the columns, each by a name of its own, got {names}")
    return names


def check_text(name: str, value: object, longest: int) -> str:
    """Return `value`, a text with something in it that can be written out; else ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {quoted(value)}")
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    if len(value) > longest:
        raise ValueError(f"{name} must have at most {longest:,} characters, got {len(value):,}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        place = f"character {error.start + 1}"
        raise ValueError(f"{name} has half a character, or no UTF-8, at {place}") from None
    return value


def quoted(value: object) -> str:
    """Return a value of a row as JSON writes it, at most 40 characters of it."""
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."
