"""The command line: `edgewise COMMAND`, one module of `edgewise.cli` each."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from edgewise.errors import DataError, UsageError, unknown
from edgewise.files import said
from edgewise.interrupts import Stopped
from edgewise.output import closed_pipes
from edgewise.pool import WorkerError

COMMANDS = {  # what each does, and where
    "list": (
        "Show the environments, with their presets and levels.",
        "edgewise.cli.list",
    ),
    "play": ("Answer problems yourself.", "edgewise.cli.play"),
    "preflight": (
        "Try a training run for five steps.",
        "edgewise.cli.preflight",
    ),
    "train": ("Train a model under a curriculum.", "edgewise.cli.train"),
    "trl": ("Train with TRL under a curriculum.", "edgewise.cli.trl"),
    "soar": ("Train a teacher to write problems.", "edgewise.cli.soar"),
    "replay": ("Check the records of a run.", "edgewise.cli.replay"),
    "eval": (
        "Score an agent on an environment, or on the suite of a paper.",
        "edgewise.cli.eval",
    ),
    "report": (
        "Write a report anew, or compare two evaluations.",
        "edgewise.cli.report",
    ),
    "leaderboard": (
        "Show the committed results as one page.",
        "edgewise.cli.leaderboard",
    ),
    "compare": (
        "Train every curriculum on a suite, or on simulated learners.",
        "edgewise.cli.compare",
    ),
    "headroom": (
        "Measure how much any curriculum can gain over random arms.",
        "edgewise.cli.headroom",
    ),
    "profile": ("Measure how hard each problem is.", "edgewise.cli.profile"),
    "export": (
        "Write problems as files for other frameworks.",
        "edgewise.cli.export",
    ),
    "pretrain": ("Make a seedling from worked traces.", "edgewise.cli.pretrain"),
    "untie": ("Write a model that vLLM can reload.", "edgewise.cli.untie"),
}
USAGE = "usage: edgewise COMMAND [--help] ..."
INSTALL = "the command line needs the extra `train`: pip install 'edgewise[train]'"
FAILED = 2  # the exit code of every mistake
INTERRUPTED = 130  # that of Ctrl-C, 128 and the number of the signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 2 for a mistake or 130 if it was stopped.

    A mistake and a stop are told in one line. Whether anybody reads the output changes nothing.
    """
    with closed_pipes():
        try:
            return execute(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:  # also in the middle of imports
            return fail("interrupted", INTERRUPTED)
        finally:
            if arguments is None:  # the process ends here; one more Ctrl-C ends it without words
                signal.signal(signal.SIGINT, signal.SIG_DFL)


def execute(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    command, *rest = list(arguments) or ["--help"]
    if command in ("-h", "--help"):
        lines = [f"  {name:11} {text}" for name, (text, _) in COMMANDS.items()]
        print("\n".join([USAGE, "", *lines, "", "edgewise COMMAND --help explains every flag."]))
        return 0
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # of transformers, while loading
    if command not in COMMANDS:
        return fail(unknown("command", command, COMMANDS))
    try:
        run: Callable[[Sequence[str]], None] = import_module(COMMANDS[command][1]).run
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("edgewise"):
            raise
        return fail(INSTALL)
    try:
        run(rest)
    except Stopped as stop:
        return fail(str(stop), INTERRUPTED) if str(stop) else INTERRUPTED
    except OSError as error:
        return fail(said(error))
    except (UsageError, DataError, FloatingPointError, MemoryError, WorkerError) as error:
        return fail(" ".join(str(error).split()))
    return 0


def fail(message: str, code: int = FAILED) -> int:
    """Print `message` in one line, and return the exit code, by default that of a mistake."""
    print(f"edgewise: {message}", file=sys.stderr)
    return code
