"""`edgewise verl`: train a model with verl, on Ray, under a curriculum."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from edgewise.agents.integrations import versions
from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.integrations.verl_settings import command, printed
from edgewise.agents.training.folder_kind import VERL, check_kind
from edgewise.errors import UsageError, shown, usage
from edgewise.files import FileError, read_text
from edgewise.folder import finished
from edgewise.interrupts import Stopped
from edgewise.lock import locked
from edgewise.registration import require

NUMBER = re.compile(r"\d{1,12}", re.ASCII)
LATEST = "latest_checkpointed_iteration.txt"  # where verl writes which of its checkpoints is whole


def run(config: VerlConfig, arguments: Sequence[str]) -> None:
    """Print verl's command line, or run it and report.

    Raises:
        Stopped: If verl was stopped from the terminal.
        UsageError: If a flag or a setting is refused, or verl ends with an error.
    """
    if config.print:
        with usage():
            print(printed(config))
        return
    with usage():
        require("verl")
        versions.VERL.check(version("verl"))
        command(config)
        config.rule.make(config.envs())
        refuse_output(config)
    with locked(config.output):
        if num_done(config) >= config.num_steps:
            print(finished(config.num_steps, "steps are done"))
        else:
            train(config, arguments)
        write_report(config)


def train(config: VerlConfig, arguments: Sequence[str]) -> None:
    """Run verl.

    Raises:
        Stopped: If it was stopped from the terminal.
        UsageError: If it ends with an error.
    """
    code = run_python(command(begun_again(config)))
    advice = hint(config, arguments)
    if code is None:
        raise Stopped(f"interrupted{advice}")
    if code:
        raise UsageError(f"verl ended with exit code {code}, see above{advice}")


def run_python(words: Sequence[str]) -> int | None:
    """Run Python in a process that gets this one's signals to stop.

    Returns:
        Its exit code; None if it was stopped from the terminal.
    """
    child = subprocess.Popen([sys.executable, *words])
    before = signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
    try:
        return child.wait()
    except KeyboardInterrupt:  # which the child gets too
        child.wait()
        return None
    finally:
        signal.signal(signal.SIGTERM, before)


def hint(config: VerlConfig, arguments: Sequence[str]) -> str:
    """Return how a run that has begun is continued, for the end of a message."""
    if not (config.output / "config.json").exists():
        return ""
    again = shlex.join([*arguments, *([] if config.resume else ["--resume"])])
    return f"; continue with: edgewise verl {again}"


def refuse_output(config: VerlConfig) -> None:
    """Check that `output` has a run if it is to be resumed, and none otherwise.

    Raises:
        ValueError: If it does not.
    """
    if config.output.exists() and not config.output.is_dir():
        raise ValueError(f"`output` must be a folder, got {config.output}")
    begun = (config.output / "config.json").exists()
    if config.resume and not begun:
        raise ValueError(f"`output` must have a run to resume, got {config.output}")
    if config.resume:
        check_kind(config.output, "output", VERL)
    elif begun:
        raise ValueError(
            f"`output` must hold no run, got {config.output}; "
            "continue it with --resume, or name another"
        )


def num_done(config: VerlConfig) -> int:
    """Return how many steps the run that is to be resumed has behind it, by verl's own file.

    Raises:
        FileError: If that has no number.
    """
    path = config.output / LATEST
    if not config.resume or not path.exists():
        return 0
    text = read_text(path).strip()
    if not NUMBER.fullmatch(text):
        raise FileError(f"{path}: must be the number of a step, got {shown(text)}")
    return int(text)


def begun_again(config: VerlConfig) -> VerlConfig:
    """Restart a run that was stopped before its first checkpoint; else return `config`.

    Its records go.

    Raises:
        FileError: If they may be those of another run.
    """
    if not config.resume or (config.output / LATEST).exists():
        return config
    from edgewise.agents.training.run_folder import forget_records

    forget_records(config.output, VERL)
    print(f"{config.output} has no checkpoint yet: the run begins again")
    return replace(config, resume=False)


def write_report(config: VerlConfig) -> None:
    """Write the report of the run, and say where it is."""
    from edgewise.agents.training.report import write_report
    from edgewise.agents.training.run_folder import RunFolder

    print(f"report   {write_report(RunFolder.open(config.output))}")
