"""`edgewise leaderboard`: the committed results as one page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from edgewise.benchmarks.evaluation.leaderboard import markdown, page, read_results, replace_between
from edgewise.cli.flags import LeaderboardConfig
from edgewise.errors import usage
from edgewise.files import read_text, write_atomically


def run(config: LeaderboardConfig, arguments: Sequence[str]) -> None:
    """Write both files, and the tables into the README if it is named."""
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
