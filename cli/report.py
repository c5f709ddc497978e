"""`edgewise report`: write a report anew, or compare two evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from edgewise.agents.soar.report import write_report as write_game_report
from edgewise.agents.training.display import score_line
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
from edgewise.agents.training.scores import LevelScore
from edgewise.benchmarks.evaluation.answers import EvaluationFolder, is_evaluation
from edgewise.benchmarks.evaluation.page import write_page
from edgewise.benchmarks.evaluation.paired import compare, markdown
from edgewise.benchmarks.evaluation.summary import summarize
from edgewise.cli.flags import ReportConfig
from edgewise.errors import UsageError, usage
from edgewise.fields import build
from edgewise.files import about, read_json, read_text, write_atomically


def run(config: ReportConfig, arguments: Sequence[str]) -> None:
    """Write the report, or print the comparison."""
    console = Console()
    if len(config.folders) == 1 and config.folders[0].suffix == ".json":
        with usage():
            lines = read_scores(config.folders[0])
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    elif len(config.folders) == 1:
        with usage():
            path = render(config.folders[0])
        if path.suffix == ".md":
            console.print(read_text(path), markup=False, highlight=False, soft_wrap=True)
        console.print(f"report {path}", soft_wrap=True, highlight=False, markup=False)
    elif len(config.folders) == 2:
        with usage():
            for path in config.folders:
                check_kind(path, None, EVALUATION)
            first, second = map(EvaluationFolder.open, config.folders)
            rows = compare(first, second, config.seed)
            names = [one.config()["asked"]["agent"] for one in (first, second)]
        text = markdown(rows, *names)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        if config.output is not None:
            write_atomically(config.output, text)
    else:
        raise UsageError(f"folders must be one or two, got {len(config.folders)}")


def read_scores(path: Path) -> list[str]:
    """Return the scores in a file that `edgewise eval --output` of version 0.1 wrote, a line for each level.

    Raises:
        FileError: If it is another file.
    """
    record = read_json(path)
    with about(path):
        rows = record.get("levels")
        if not isinstance(rows, list) or "mean" not in record:
            raise ValueError(
                "must be the folder of a run or an evaluation, got a file of no scores"
            )
        return [score_line(build(LevelScore, row)) for row in rows]


def render(path: Path) -> Path:
    """Write the report of a run or of an evaluation, and return where it is."""
    check_kind(path, None, TRAIN, TRL, VERL, SOAR, EVALUATION)
    if is_evaluation(path):
        folder = EvaluationFolder.open(path)
        write_page(folder, summarize(folder))
        return path / "report.html"
    run = RunFolder.open(path, None)
    if kind_of(path) == SOAR:
        return write_game_report(run)
    report = write_report(run)
    if lacking := run.lacking(run.last_step()):
        run.notes.append(f"{lacking}; the report is without")
    run.tell()
    return report
