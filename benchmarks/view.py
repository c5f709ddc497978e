"""The page of any folder that a command writes."""

from __future__ import annotations

from pathlib import Path

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
from edgewise.benchmarks.evaluation.answers import EvaluationFolder
from edgewise.benchmarks.evaluation.page import page_of
from edgewise.benchmarks.evaluation.summary import summarize
from edgewise.benchmarks.pages.report_page import report_page
from edgewise.benchmarks.pages.run_page import run_page
from edgewise.benchmarks.pages.soar_page import soar_page
from edgewise.files import FileError
from edgewise.folder import Folder

REPORT = "report.md"


def view(path: Path) -> str:
    """Return the page of a run, a game of SOAR, an evaluation or a comparison, made anew.

    Nothing is written, so that it can be made while the work goes on.

    Raises:
        FileError: If the folder is none of these, or one of its files is damaged.
        ValueError: If it is of something else.
    """
    check_undamaged(path)
    kind = kind_of(path)
    check_kind(path, None, TRAIN, TRL, VERL, SOAR, EVALUATION, SIMULATED, SUITE)
    if kind == EVALUATION:
        folder = EvaluationFolder.open(path)
        return page_of(folder, summarize(folder))
    if kind == SOAR:
        return soar_page(Folder(path))
    if kind in (TRAIN, TRL, VERL):
        return run_page(Folder(path))
    if (path / REPORT).is_file():
        return report_page(path / REPORT)
    if kind is not None:
        raise FileError(f"{path / REPORT}: is not written yet; the command writes it at its end")
    got = "no such folder" if not path.exists() else "a file" if path.is_file() else "none of these"
    raise FileError(
        f"{path}: must be the folder of a run, an evaluation or a comparison, got {got}"
    )
