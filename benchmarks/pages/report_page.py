"""The page of a comparison: its report.md, with its pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from edgewise.benchmarks.pages.shell import page
from edgewise.files import read_text


def report_page(path: Path) -> str:
    """Return a report in Markdown as a page; HTML in it stays text, links and other pictures are left out.

    Raises:
        FileError: If it cannot be read.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "autolink"])
    tokens = reader.parse(read_text(path))
    title = path.parent.name
    if len(tokens) > 2 and tokens[0].type == "heading_open":
        title, tokens = tokens[1].content, tokens[3:]
    for token in tokens:
        embed(token.children or [], path.parent)
    html = reader.renderer.render(tokens, reader.options, {})
    html = html.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )
    return page(title, [str(path)], f'<section class="report">{html}</section>', None)


def embed(tokens: Sequence[Token], folder: Path) -> None:
    """Put the pictures that stand in `folder` itself into the page; of all others only the text stays."""
    for token in tokens:
        if token.type != "image":
            continue
        picture = folder / Path(str(token.attrs["src"])).name
        if picture.suffix == ".png" and picture.is_file():
            content = base64.b64encode(picture.read_bytes()).decode()
            token.attrs["src"] = f"data:image/png;base64,{content}"
        else:
            token.type, token.children = "text", None
