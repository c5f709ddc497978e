"""`edgewise leaderboard`: the committed results as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from edgewise.benchmarks.evaluation.leaderboard import markdown, page, read_results, replace_between
from edgewise.cli.parse import parse
from edgewise.errors import usage
from edgewise.files import read_text, write_atomically


@dataclass(frozen=True)
class LeaderboardConfig:
    """Write leaderboard.md and leaderboard.html from the results in a folder."""

    folder: tyro.conf.Positional[Path] = Path("benchmarks/results")
    """Has a folder for each result, with the config.json and summary.json of an evaluation."""
    readme: Path | None = None
    """Markdown file in which the tables replace what stands between the marks of the leaderboard."""


def run(arguments: Sequence[str]) -> None:
    """Write both files, and the tables into the README if it is named."""
    config = parse(LeaderboardConfig, "leaderboard", arguments)
    with usage():
        results = read_results(config.folder)
        text = markdown(results)
        if config.readme is not None:
            write_atomically(config.readme, replace_between(read_text(config.readme), text))
    write_atomically(config.folder / "leaderboard.md", f"# Leaderboard\n\n{text}")
    write_atomically(config.folder / "leaderboard.html", page(results))
    console = Console()
    for path in (config.folder / "leaderboard.md", config.folder / "leaderboard.html"):
        console.print(str(path), soft_wrap=True, highlight=False, markup=False)
