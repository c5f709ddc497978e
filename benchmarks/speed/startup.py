"""Startup: CPU-seconds until a command has printed its help, and which large packages that took.

    python -m edgewise.benchmarks.speed.startup [--python PATH] [--repeats N]

prints a table with a row for each command. Seconds are user time of the process, the least of the
repeats; the first start, which compiles files, is not counted. With --python it measures the command
line of another installation, such as one of an older version.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass

import tyro

LARGE = ("torch", "transformers", "scipy", "matplotlib", "trl")
LOADED = f"""
import sys
from edgewise.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*[name for name in {LARGE} if name in sys.modules], file=sys.stderr)
"""


@dataclass(frozen=True)
class StartupConfig:
    """Measure how long commands take to answer."""

    python: str = sys.executable
    """Interpreter of the installation that is measured."""
    repeats: int = 3
    """Starts of each command; the fastest counts."""


def run(python: str, words: list[str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Start a process, and return its user time in seconds and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    ran = subprocess.run([python, *words], capture_output=True, text=True, check=False)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before, ran


def commands(python: str) -> list[str]:
    """Return the names of the commands, as `edgewise --help` lists them."""
    lines = run(python, ["-m", "edgewise", "--help"])[1].stdout.splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ")]


def measure(python: str, words: list[str], repeats: int) -> tuple[float, list[str]]:
    """Return the least CPU-seconds of `edgewise WORDS`, and the large packages it imported."""
    loaded = run(python, ["-c", LOADED, *words])[1].stderr.splitlines()[-1:]
    seconds = min(run(python, ["-m", "edgewise", *words])[0] for _ in range(repeats))
    return seconds, " ".join(loaded).split()


def main() -> None:
    """Print the table."""
    config = tyro.cli(StartupConfig, prog="python -m edgewise.benchmarks.speed.startup")
    asked = [["--help"], ["--version"], *([name, "--help"] for name in commands(config.python))]
    print("| command | CPU-seconds | imports |\n|---|---|---|")
    for words in asked:
        seconds, loaded = measure(config.python, words, config.repeats)
        print(f"| edgewise {' '.join(words)} | {seconds:.2f} | {' '.join(loaded)} |", flush=True)


if __name__ == "__main__":
    main()
