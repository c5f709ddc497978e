"""`edgewise report`: write a report anew, or compare two evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from edgewise.agents.soar.report import write_report as write_game_report
from edgewise.agents.training.folder_kind import (
    EVALUATION,
    SOAR,
    TRAIN,
    TRL,
    VERL,
    check_kind,
    kind_of,
)
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run_folder import RunFolder
from edgewise.benchmarks.evaluation.answers import EvaluationFolder, is_evaluation
from edgewise.benchmarks.evaluation.page import write_page
from edgewise.benchmarks.evaluation.paired import compare, markdown
from edgewise.benchmarks.evaluation.summary import summarize
from edgewise.cli.flags import ReportConfig
from edgewise.errors import UsageError, usage
from edgewise.files import read_text, write_atomically


def run(config: ReportConfig, arguments: Sequence[str]) -> None:
    """Write the report, or print the comparison."""
    console = Console()
    if len(config.folders) == 1:
        with usage():
            path = render(config.folders[0])
        if path.suffix == ".md":
            console.print(read_text(path), markup=False, highlight=False)
        console.print(f"report {path}", soft_wrap=True, highlight=False, markup=False)
    elif len(config.folders) == 2:
        with usage():
            for path in config.folders:
                check_kind(path, "folders", EVALUATION)
            first, second = map(EvaluationFolder.open, config.folders)
            rows = compare(first, second, config.seed)
            names = [one.config()["asked"]["agent"] for one in (first, second)]
        text = markdown(rows, *names)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        if config.output is not None:
            write_atomically(config.output, text)
    else:
        raise UsageError(f"`folders` must be one or two, got {len(config.folders)}")


def render(path: Path) -> Path:
    """Write the report of a run or of an evaluation, and return where it is."""
    check_kind(path, "folders", TRAIN, TRL, VERL, SOAR, EVALUATION)
    if is_evaluation(path):
        folder = EvaluationFolder.open(path)
        write_page(folder, summarize(folder))
        return path / "report.html"
    run = RunFolder.open(path, "folders")
    if kind_of(path) == SOAR:
        return write_game_report(run)
    report = write_report(run)
    if lacking := run.lacking(run.last_step()):
        run.notes.append(f"{lacking}; the report is without")
    run.tell()
    return report
