"""The page of any folder that a command writes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from edgewise.agents.training.folder_kind import (
    EVALUATION,
    SIMULATED,
    SOAR,
    SUITE,
    TRAIN,
    TRL,
    VERL,
    check_kind,
    check_undamaged,
    kind_of,
)
from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.page import page_of
from edgewise.benchmarks.evaluation.summary import summarize
from edgewise.benchmarks.pages.run_page import run_page
from edgewise.benchmarks.pages.shell import page
from edgewise.benchmarks.pages.soar_page import soar_page
from edgewise.files import FileError, read_text
from edgewise.folder import Folder

REPORT = "report.md"


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


def view(path: Path) -> str:
    """Return the page of a run, a game of SOAR, an evaluation or a comparison, made anew.

    Nothing is written, so that it can be made while the work goes on.

    Raises:
        FileError: If the folder is none of these, or one of its files is damaged.
        ValueError: If it is of something else.
    """
    check_undamaged(path)
    kind = kind_of(path)
    check_kind(path, None, TRAIN, TRL, VERL, SOAR, EVALUATION, SIMULATED, SUITE)
    if kind == EVALUATION:
        folder = EvaluationFolder.open(path)
        return page_of(folder, summarize(folder))
    if kind == SOAR:
        return soar_page(Folder(path))
    if kind in (TRAIN, TRL, VERL):
        return run_page(Folder(path))
    if (path / REPORT).is_file():
        return report_page(path / REPORT)
    if kind is not None:
        raise FileError(f"{path / REPORT}: is not written yet; the command writes it at its end")
    got = "no such folder" if not path.exists() else "a file" if path.is_file() else "none of these"
    raise FileError(
        f"{path}: must be the folder of a run, an evaluation or a comparison, got {got}"
    )
