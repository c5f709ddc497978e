"""Tables of reports, as Markdown and in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Sheet:
    r"""A table of texts.

    Example:
        >>> print("\n".join(Sheet("", ["rule", "gain"], [["a|b", "+1.0"]]).markdown()))
        | rule | gain |
        | --- | --- |
        | a\|b | +1.0 |
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> list[str]:
        """Return the lines of the table in Markdown, without the title."""
        return [row_line(self.header), row_line(["---"] * len(self.header)), *self.row_lines()]

    def row_lines(self) -> list[str]:
        """Return the lines of the rows alone, for a page that has the header already."""
        return [row_line(row) for row in self.rows]

    def table(self) -> Table:
        """Return the table for the terminal."""
        from rich.table import Table

        table = Table(*self.header, title=self.title or None)
        for row in self.rows:
            table.add_row(*row)
        return table


def row_line(cells: Sequence[str]) -> str:
    """Return one row in Markdown, on one line whatever its cells hold."""
    return "| " + " | ".join(map(escape, cells)) + " |"


def escape(text: str) -> str:
    r"""Write a text as a cell of a Markdown table: no column, line or tag begins in it.

    >>> print(escape("a|b\n<i>"))
    a\|b &lt;i>
    """
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").splitlines())
