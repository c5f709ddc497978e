"""The command line: `edgewise COMMAND`, one module of `edgewise.cli` each."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from edgewise import __version__
from edgewise.errors import DataError, UsageError, unknown
from edgewise.files import said
from edgewise.interrupts import Stopped
from edgewise.output import closed_pipes
from edgewise.pool import WorkerError

FLAGS, COMPARE = "edgewise.cli.flags", "edgewise.cli.compare_flags"
EXPORT = "edgewise.cli.export_flags"
TRAIN = "edgewise.agents.training.config:TrainConfig"
COMMANDS = {  # what each does, and where its flags are; what it runs is in edgewise.cli.COMMAND
    "list": ("Show the environments, with their presets and levels.", f"{FLAGS}:ListConfig"),
    "play": ("Answer problems yourself.", f"{FLAGS}:PlayConfig"),
    "new": ("Write a package with an environment or a rule of your own.", f"{FLAGS}:NewConfig"),
    "check": ("Check an environment of your own.", f"{FLAGS}:CheckConfig"),
    "preflight": (
        "Try a training run for five steps, or plan its memory and time.",
        "edgewise.agents.training.plan_config:PreflightConfig",
    ),
    "train": ("Train a model under a curriculum.", TRAIN),
    "trl": (
        "Train with TRL under a curriculum.",
        "edgewise.agents.integrations.trl_config:TRLConfig",
    ),
    "verl": (
        "Train with verl, on Ray, under a curriculum.",
        "edgewise.agents.integrations.verl_config:VerlConfig",
    ),
    "soar": (
        "Train a teacher to write problems.",
        "edgewise.agents.soar.config:SOARRunConfig",
    ),
    "replay": ("Check the records of a run.", f"{FLAGS}:ReplayConfig"),
    "eval": (
        "Score an agent on an environment, or on the suite of a paper.",
        f"{FLAGS}:EvalConfig",
    ),
    "report": ("Write a report anew, or compare two runs or evaluations.", f"{FLAGS}:ReportConfig"),
    "view": ("Show a run, evaluation or comparison as a page.", f"{FLAGS}:ViewConfig"),
    "push": ("Push a trained model, or problems, to a hub with a card.", f"{FLAGS}:PushConfig"),
    "leaderboard": ("Show the committed results as one page.", f"{FLAGS}:LeaderboardConfig"),
    "compare": (
        "Train every curriculum on a suite, or on simulated learners.",
        f"{COMPARE}:kind_for",
    ),
    "headroom": (
        "Measure how much any curriculum can gain over random arms.",
        "edgewise.benchmarks.studies.headroom_plan:HeadroomConfig",
    ),
    "profile": ("Measure how hard each problem is.", f"{FLAGS}:ProfileConfig"),
    "serve": ("Serve an environment to clients of OpenEnv.", f"{EXPORT}:ServeConfig"),
    "schedule": ("Write what a rule poses over a run as a file.", f"{EXPORT}:ScheduleConfig"),
    "export": ("Write problems as files for other frameworks.", f"{EXPORT}:ExportConfig"),
    "pretrain": ("Make a seedling from worked traces.", f"{FLAGS}:PretrainCommand"),
    "untie": ("Write a model that vLLM can reload.", f"{FLAGS}:UntieCommand"),
}
USAGE = "usage: edgewise COMMAND [--help] ...\n       edgewise --version"
HELP = """edgewise COMMAND --help explains every flag.

Your own code, a file of the working folder or an installed package, has a name on the command line:
  --env MODULE:ID-v0                an environment that MODULE registers, as in Gymnasium
  --curriculum MODULE:CLASS:key=1   a rule, with its arguments
  --agent MODULE:OBJECT             an agent of `eval`, or a function that makes a model to train
  --import MODULE                   with every command: imports MODULE first, for what a run, a recipe
                                    or a record names; these import nothing by themselves
`edgewise new env NAME` writes a package to begin with; `edgewise check MODULE:ID-v0` tests it."""
INSTALL = "the command line needs the extra `train`: pip install 'edgewise[train]'"
FAILED = 2  # the exit code of every mistake
INTERRUPTED = 130  # that of Ctrl-C, 128 and the number of the signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 if a check fails, 2 for a mistake or 130 if it was stopped.

    Mistakes and stops are reported in one line. A closed pipe changes nothing.
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
        print("\n".join([USAGE, "", *lines, "", HELP]))
        return 0
    if command == "--version":
        print(f"edgewise {__version__}")
        return 0
    if command not in COMMANDS:
        return fail(unknown("command", command, COMMANDS))
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # of transformers, while loading
    try:
        return perform(command, rest)
    except Stopped as stop:
        return fail(str(stop), INTERRUPTED) if str(stop) else INTERRUPTED
    except OSError as error:
        return fail(said(error))
    except (UsageError, DataError, FloatingPointError, MemoryError, WorkerError) as error:
        return fail(" ".join(str(error).split()) or "the memory does not do for what was asked")


def perform(command: str, arguments: Sequence[str]) -> int:
    """Parse the flags, without torch, then import and run the command; return its exit code.

    Raises:
        UsageError: If the flags are refused, or what the command imports is not installed.
    """
    try:
        configure = import_module("edgewise.cli.parse").configure
        config = configure(command, COMMANDS[command][1], arguments)
        run = import_module(f"edgewise.cli.{command}").run
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("edgewise"):
            raise
        raise UsageError(INSTALL) from error
    code: int | None = run(config, arguments)
    return code or 0


def fail(message: str, code: int = FAILED) -> int:
    """Print `message` in one line, and return the exit code, by default that of a mistake."""
    print(f"edgewise: {message}", file=sys.stderr)
    return code
