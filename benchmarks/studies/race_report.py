"""What a comparison of rules at equal generated tokens says: tables of each bed, and of all beds.

    python -m edgewise.benchmarks.studies.race_report RACE BASELINE ...

prints it for all beds of a folder, which may be those of several plans.

- Accuracy is that of test problems at the budget, the mean over the target's arms and seeds; that of
  the worst arm is the lowest of the means over seeds. The area is that under the curve of validation
  scores over tokens, divided by the budget: the mean height.
- A lead over a baseline is the paired difference, with a nested bootstrap over seeds and problems;
  over all beds that have the entrant it is the mean of their leads. The beds are not drawn; a second
  interval there draws them too, and says what another bed of their kind may show.
- p is Student's t of paired seeds, corrected by Holm for all comparisons of the tables of beds, and
  apart from them for those of the tables over all beds.
- The chance to be ahead is the probability that a run is better than one of the baseline, of any seed.
- Tokens to the baseline's final score are as in `headroom_report`.
- At equal completions, it is validation scores that are compared, at the fewest completions that any run
  of the bed made, on a line between two looks.
- pass@k is that of the last model, which may have used more tokens than the budget.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgewise.agents.training.figures import NUM_COLORS, line_style, save_figure
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.headroom_report import lead_of
from edgewise.benchmarks.studies.race_plan import SETTINGS
from edgewise.benchmarks.studies.race_sheets import (
    BedStart,
    completion_sheet,
    lead_sheet,
    overview,
    pass_sheet,
)
from edgewise.benchmarks.studies.statistics import Record, all_of, by_entrant, holm_of
from edgewise.files import read_json

START = "start.json"  # of a bed: its learning rate, and what the model scores before training
NUM_POINTS = 41  # of each curve


def records_of(folder: Path) -> list[Record]:
    """Read the records of the runs of a comparison, but those of pilots and of learning rates."""
    return [read_json(path) for path in sorted(folder.glob("*/*-s*.json"))]


def report(
    records: Sequence[Record], starts: Mapping[str, BedStart], baselines: Sequence[str]
) -> str:
    """Write the Markdown of a comparison.

    Args:
        records: Of all runs: every entrant on every bed with the same seeds.
        starts: By bed, the model before training.
        baselines: Entrants that all others are compared with.
    """
    beds = list(starts)
    names = list(dict.fromkeys(record["schedule"] for record in records))
    places = [(bed, baseline) for bed in beds for baseline in baselines]
    on_beds = {place: all_of(records, [place[0]], names, place[1]) for place in places}
    over_all = {baseline: all_of(records, beds, names, baseline) for baseline in baselines}
    of_beds, of_all = holm_of(on_beds), holm_of(over_all)
    num_seeds = len({record["seed"] for record in records})
    lines = ["# Rules at equal generated tokens", ""]
    lines += [f"{len(names)} entrants, {num_seeds} paired seeds; beds {', '.join(beds)}."]
    if len(beds) > 1:
        lines += ["", "## All beds"]
        for name in baselines:
            lines += section(lead_sheet(over_all[name], of_all[name], [], name))
    for bed in beds:
        lines += ["", f"## {bed}", *section(overview(records, bed, starts[bed]))]
        own = [record for record in records if record["bed"] == bed]
        for name in baselines:
            found = on_beds[bed, name]
            speeds = [lead_of(each.entrant, own, name) for each in found]
            lines += section(lead_sheet(found, of_beds[bed, name], speeds, name))
        lines += section(completion_sheet(own, baselines))
        if any("pass_at" in record for record in own):
            lines += section(pass_sheet(own, starts[bed]))
    return "\n".join(lines) + "\n"


def section(sheet: Sheet) -> list[str]:
    """Return the lines of a table with its title."""
    return ["", f"{sheet.title}:", "", *sheet.markdown()]


def of_folder(folder: Path, baselines: Sequence[str]) -> str:
    """Write the Markdown of all runs in a folder, beds and entrants in the order of its plans."""
    places = {name: place for place, name in enumerate(read_json(folder / SETTINGS))}
    beds = [name.removeprefix("bed ") for name in places if name.startswith("bed ")]
    starts = {bed: read_json(folder / bed / START) for bed in beds}
    records = sorted(records_of(folder), key=lambda record: places[f"entrant {record['schedule']}"])
    return report(records, starts, baselines)


if __name__ == "__main__":
    print(of_folder(Path(sys.argv[1]), sys.argv[2:]), end="")


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw the validation accuracy of each entrant, the mean over seeds, one panel for each bed."""
    beds = list(dict.fromkeys(record["bed"] for record in records))
    columns = min(len(beds), 2)
    rows = ceil(len(beds) / columns)
    figure = Figure(figsize=(6.5 * columns, 4.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes, bed in zip(panels, beds, strict=False):
        draw_bed([record for record in records if record["bed"] == bed], axes)
        axes.set(
            title=bed, xlabel="thousand generated tokens, rejected ones included", ylabel="accuracy"
        )
    for axes in panels[len(beds) :]:
        axes.axis("off")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    save_figure(figure, path)


def draw_bed(records: Sequence[Record], axes: Axes) -> None:
    """Draw the curves of one bed, with a band of one standard deviation of the seeds' scores.

    The band is left out where there are more entrants than colours.
    """
    entrants = by_entrant(records)
    tokens = np.linspace(0, records[0]["looks"][-1][0], NUM_POINTS)
    for place, (name, runs) in enumerate(entrants.items()):
        looks = [np.array(run["looks"], np.float64).T for run in runs]
        curves = np.array([np.interp(tokens, used, scores) for used, scores in looks])
        mean, spread = curves.mean(axis=0), curves.std(axis=0, ddof=1)
        axes.plot(tokens / 1000, mean, label=name, **line_style(place))
        if len(entrants) <= NUM_COLORS:
            axes.fill_between(
                tokens / 1000,
                mean - spread,
                mean + spread,
                alpha=0.15,
                color=f"C{place}",
            )
