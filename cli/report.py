"""`edgewise report`: write a report anew, or compare two runs or two evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from edgewise.agents.soar.records import PROBLEMS
from edgewise.agents.soar.report import write_report as write_game_report
from edgewise.agents.training.display import score_line
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
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.run_pair import compare_runs
from edgewise.agents.training.scores import LevelScore
from edgewise.benchmarks.evaluation.answers import EvaluationFolder, is_evaluation
from edgewise.benchmarks.evaluation.page import write_page
from edgewise.benchmarks.evaluation.paired import compare, markdown
from edgewise.benchmarks.evaluation.summary import summarize
from edgewise.cli.flags import ReportConfig
from edgewise.errors import usage
from edgewise.fields import build
from edgewise.files import FileError, about, read_json, read_text, write_atomically

RUNS = (TRAIN, TRL, VERL)
REPORT = "report.md"


def run(config: ReportConfig, arguments: Sequence[str]) -> None:
    """Write the report, or print the comparison."""
    if len(config.folders) == 1 and config.folders[0].suffix == ".json":
        with usage():
            say("\n".join(read_scores(config.folders[0])))
    elif len(config.folders) == 1:
        with usage():
            path = render(config.folders[0])
        say(read_text(path if path.suffix == ".md" else path.with_name("summary.md")))
        say(f"report {path}")
    else:
        with usage():
            text = comparison(config)
        say(text)
        if config.output is not None:
            write_atomically(config.output, text)


def say(text: str) -> None:
    """Print a text as it is, without wrapping or markup."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def comparison(config: ReportConfig) -> str:
    """Return how the second of two runs, or of two evaluations, differs from the first.

    Raises:
        ValueError: If the folders are of neither, or of one each.
    """
    if any(kind_of(path) in RUNS for path in config.folders):
        for path in config.folders:
            check_kind(path, None, *RUNS)
        first, second = (RunFolder.open(path, None) for path in config.folders)
        picture = None if config.output is None else config.output.with_suffix(".png")
        return compare_runs(first, second, config.seed, picture)
    for path in config.folders:
        check_kind(path, None, EVALUATION, *RUNS)
    one, two = map(EvaluationFolder.open, config.folders)
    rows = compare(one, two, config.seed)
    return markdown(rows, *(side.whole_config()["asked"]["agent"] for side in (one, two)))


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
    """Write the report of a folder anew where that can be done, and return where it is.

    Raises:
        FileError: If it is of a comparison that has none yet, or its config.json is damaged.
        ValueError: If it is of something else.
    """
    check_undamaged(path)
    check_kind(path, None, *RUNS, SOAR, EVALUATION, SIMULATED, SUITE)
    if kind_of(path) in (SIMULATED, SUITE, None) and (path / REPORT).is_file():
        return path / REPORT  # of a comparison, which wrote it from more than its folder has
    if kind_of(path) in (SIMULATED, SUITE):
        raise FileError(
            f"{path / REPORT}: is not written yet; `edgewise compare` writes it at its end"
        )
    if is_evaluation(path):
        folder = EvaluationFolder.open(path)
        write_page(folder, summarize(folder))
        return path / "report.html"
    run = RunFolder.open(path, None)
    is_game = kind_of(path) == SOAR
    report = write_game_report(run) if is_game else write_report(run)
    last = run.last_step()
    lacking = [run.lacking(last)]
    if is_game:
        sizes = run.config()["game"]["soar"]
        lacking.append(run.lacking(last, PROBLEMS, sizes["num_datasets"] * sizes["dataset_size"]))
    run.notes += [f"{lack}; the report is without" for lack in lacking if lack]
    run.tell()
    return report
