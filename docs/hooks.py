"""Pages of the site that are made of the code and of committed results: reference, gallery, results.

MkDocs calls the functions `on_*` (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from edgewise.cli.list import gallery

ROOT = Path(__file__).parents[1]
RESULTS = "benchmarks/results"
PLACES = {  # folders and files of the repository that are pages elsewhere than in docs/
    "benchmarks/plans/README.md": "results/plans.md",
    f"{RESULTS}/": "results/",
    "CONTRIBUTING.md": "contributing.md",
    "recipes/README.md": "recipes.md",
    "docs/": "",
}
SHOWN = (".md", ".csv", ".txt")  # of the results; the others are data of single answers
PACKAGES = {
    "edgewise": "Environments, tasks and answers.",
    "edgewise.wrappers": "Rules of curricula, and the wrapper for one environment.",
    "edgewise.wrappers.vector": "The wrappers for vectors of environments.",
    "edgewise.grading": "The judging of mathematics.",
    "edgewise.agents": "Policies, algorithms and training.",
    "edgewise.agents.soar": "The game of a teacher and its students.",
    "edgewise.agents.integrations": "Curricula in the trainers of others.",
    "edgewise.benchmarks.evaluation": "Agents, suites and their scores.",
}
EXAMPLE = re.compile("^Example:$", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


class Examples(griffe.Extension):
    """Let the section "Example" of a docstring be shown as the code that it is."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Give it the name that griffe reads as a section of code."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub("Examples:", obj.docstring.value)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is not in docs/."""
    for path, text in pages():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> Iterator[tuple[str, str | bytes]]:
    """Yield the paths within the site and the texts of all pages that are not in docs/."""
    yield "gallery.md", gallery()
    yield "reference/index.md", contents()
    for package in PACKAGES:
        yield f"reference/{package}.md", reference(package)
    for place, page in PLACES.items():
        if place.endswith(".md"):
            yield page, (ROOT / place).read_text(encoding="utf-8")
    tables = sorted(path for path in (ROOT / RESULTS).rglob("*") if path.suffix in SHOWN)
    for path in tables:
        yield str(site_path(path.relative_to(ROOT).as_posix())), path.read_bytes()
    yield "results/files.md", listing([path.relative_to(ROOT / RESULTS) for path in tables])


def listing(paths: list[Path]) -> str:
    """Return the page that leads to all tables."""
    return "\n".join(["# All tables", "", *(f"- [{path}]({path})" for path in paths)])


def contents() -> str:
    """Return the first page of the reference."""
    rows = [f"- [`{name}`]({name}.md): {what}" for name, what in PACKAGES.items()]
    return "\n".join(["# Reference", "", "Every public name, from its docstring.", "", *rows])


def reference(package: str) -> str:
    """Return the page of a package: an entry for each of its public names that is no package."""
    names = [name for name in public(package) if f"{package}.{name}" not in PACKAGES]
    entries = [f"::: {package}.{name}" for name in names if name != "envs"]
    return "\n\n".join([f"# {package}", PACKAGES[package], *entries])


def public(package: str) -> list[str]:
    """Return the public names of a package."""
    return list(import_module(package).__all__)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files of the repository lead to their pages; those to what has none are text."""
    source = page.file.src_uri

    def rewritten(match: re.Match[str]) -> str:
        image, text, target, anchor = match.groups(default="")
        if ":" in target or files.get_file_from_path(relative(source, target)):
            return match[0]
        found = site_path(posixpath.normpath(posixpath.join(in_repository(source), "..", target)))
        if found is None or files.get_file_from_path(found) is None:
            return "" if image else text
        return (
            f"{image}[{text}]({posixpath.relpath(found, posixpath.dirname(source) or '.')}{anchor})"
        )

    return LINK.sub(rewritten, markdown)


def relative(source: str, target: str) -> str:
    """Return the path within the site that a link of the page `source` names."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def site_path(path: str) -> str | None:
    """Return where a file of the repository is on the site, None if it is not."""
    for place, page in PLACES.items():
        if path.startswith(place):
            return page + path.removeprefix(place)
    return None


def in_repository(source: str) -> str:
    """Return the file of the repository that a page of the site is made of."""
    for place, page in PLACES.items():
        if source.startswith(page):
            return place + source.removeprefix(page)
    return source
