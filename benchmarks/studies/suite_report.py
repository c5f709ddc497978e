"""What a comparison on a suite found: the paper's table, effects beside the paper's, and curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from edgewise.agents.training.figures import line_style, save_figure, stack
from edgewise.agents.training.report import probabilities
from edgewise.agents.training.run_folder import RunFolder
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.cells import BEST, CURVE, LAST, history, past_looks
from edgewise.benchmarks.studies.plan import BASELINE, Plan, rule_name
from edgewise.benchmarks.studies.published import published_effect
from edgewise.benchmarks.studies.statistics import Scores as Table
from edgewise.benchmarks.studies.statistics import improvement, interval, iqm
from edgewise.benchmarks.studies.study import num_due
from edgewise.benchmarks.studies.study_report import Scores, write_csv
from edgewise.files import FileError

NOTES = """
Accuracies are in percent, the mean over seeds with their standard deviation, of the checkpoint at the
end, and in brackets of the one that was best on validation problems. Effects are differences in points
from random with the same algorithm, paired by seed, with the 95 % interval of a bootstrap over seeds and
problems, at the end of training; with one seed, over problems alone. The papers' effects are differences
of the figures that they print, of other models at another size, SEC's at its best checkpoint, without
intervals; E2H's Gaussian is its best of three settings for each task. Every run has the same budget of
completions. The last table has accuracies at the end, and the difference from random's. Of the arms, the
easiest is at the bottom.
"""


@dataclass(frozen=True)
class Outcome:
    """All cells of one task."""

    task: str
    plan: Plan
    scores: Scores
    ood: Mapping[str, bool]  # whether each level is kept out of training
    folder: Path

    def columns(self, hardest: bool) -> dict[str, list[str]]:
        """Return the levels behind each column of the table, of each environment on its own."""
        found: dict[str, list[str]] = {}
        for level, out in self.ood.items():
            env_id = level.rpartition(" ")[0]
            name = "OOD" if out else "Hard" if hardest else "ID"
            found.setdefault(f"{env_id} {name}".strip(), []).append(level)
        return {
            name: levels[-1:] if name.endswith("Hard") else levels for name, levels in found.items()
        }

    def main_levels(self, hardest: bool) -> list[str]:
        """Return the levels whose mean summarises a task: those of all training columns."""
        columns = self.columns(hardest).items()
        return [level for name, levels in columns for level in levels if not name.endswith("OOD")]

    def runs(self, rule: str, levels: Sequence[str], file: str = LAST) -> Table:
        """Return the mean accuracy of each run over `levels`, in percent, (N,)."""
        rates = [self.scores.rates(rule, level, file).mean(axis=2).ravel() for level in levels]
        means: Table = 100 * np.mean(rates, axis=0)
        return means


def accuracy_sheet(
    outcomes: Sequence[Outcome], curricula: Sequence[str], algorithms: Sequence[str], hardest: bool
) -> Sheet:
    """Return the table in the layout of the paper: tasks down, curricula across."""
    rows = []
    for outcome in outcomes:
        for algorithm in algorithms:
            for column, levels in outcome.columns(hardest).items():
                cells = [spread(outcome, rule_name(algorithm, name), levels) for name in curricula]
                before = [
                    100 * outcome.scores.accuracy(outcome.scores.of("start"), level)
                    for level in levels
                ]
                head = [outcome.task, algorithm, column, f"{np.mean(before):.1f}"]
                rows.append([*head, *cells])
    return Sheet("accuracy", ["task", "algorithm", "levels", "before", *curricula], rows)


def spread(outcome: Outcome, rule: str, levels: Sequence[str]) -> str:
    """Return the accuracy of a rule at the end, its deviation over seeds, and at its best look."""
    last, best = outcome.runs(rule, levels), outcome.runs(rule, levels, BEST)
    deviation = f" ± {last.std(ddof=1):.1f}" if len(last) > 1 else ""
    return f"{last.mean():.1f}{deviation} [{best.mean():.1f}]"


def effect_sheet(
    suite: str,
    outcomes: Sequence[Outcome],
    curricula: Sequence[str],
    algorithms: Sequence[str],
    hardest: bool,
) -> Sheet:
    """Return each rule's effect against random, with the paper's beside it."""
    rows = []
    for outcome in outcomes:
        for algorithm in algorithms:
            for name in curricula:
                if name == BASELINE:
                    continue
                rules = rule_name(algorithm, name), rule_name(algorithm, BASELINE)
                for column, levels in outcome.columns(hardest).items():
                    effect = outcome.scores.effect(*rules, levels)
                    theirs = published_effect(suite, outcome.task, algorithm, column, name)
                    paper = ", ".join(f"{model} {value:+.1f}" for model, value in theirs.items())
                    rows.append(
                        [outcome.task, algorithm, name, column, effect.points, paper or "-"]
                    )
    header = ["task", "algorithm", "curriculum", "levels", "effect, points", "in the paper"]
    return Sheet("effect against random", header, rows)


def level_sheet(
    outcomes: Sequence[Outcome], curricula: Sequence[str], algorithms: Sequence[str]
) -> Sheet:
    """Return the accuracy on the mean of the training levels and on every level, with the effects."""
    rows = []
    for outcome in outcomes:
        trained = [level for level, out in outcome.ood.items() if not out]
        named = {f"{level}, OOD" if out else level: [level] for level, out in outcome.ood.items()}
        for algorithm in algorithms:
            for name, levels in {"mean of training levels": trained, **named}.items():
                cells = [against_random(outcome, algorithm, rule, levels) for rule in curricula]
                rows.append([outcome.task, algorithm, name, *cells])
    return Sheet("level by level", ["task", "algorithm", "level", *curricula], rows)


def against_random(outcome: Outcome, algorithm: str, name: str, levels: Sequence[str]) -> str:
    """Return the accuracy of a rule at the end, and by how much it differs from random's."""
    rules = rule_name(algorithm, name), rule_name(algorithm, BASELINE)
    mean = f"{outcome.runs(rules[0], levels).mean():.1f}"
    return mean if name == BASELINE else f"{mean}, {outcome.scores.effect(*rules, levels).points}"


def rank_sheet(
    outcomes: Sequence[Outcome], curricula: Sequence[str], algorithms: Sequence[str], hardest: bool
) -> Sheet:
    """Return the interquartile mean of each rule over all tasks, and how often it beats random."""
    rows = []
    for algorithm in algorithms:
        tables = {
            name: np.stack(
                [final(outcome, rule_name(algorithm, name), hardest) for outcome in outcomes]
            )
            for name in curricula
        }
        for name, table in tables.items():
            wins = "-"
            if name != BASELINE:
                wins = str(interval(improvement, table, tables[BASELINE]))
            rows.append([algorithm, name, str(interval(iqm, table)), wins])
    header = ["algorithm", "curriculum", "interquartile mean", "probability of improvement"]
    return Sheet(
        f"all tasks, {'hardest training level' if hardest else 'training levels'}", header, rows
    )


def final(outcome: Outcome, rule: str, hardest: bool) -> Table:
    """Return the accuracy of each run on the levels that sum up its task, a fraction, (N,)."""
    return outcome.runs(rule, outcome.main_levels(hardest)) / 100


def write_suite_report(
    suite: str,
    outcomes: Sequence[Outcome],
    curricula: Sequence[str],
    algorithms: Sequence[str],
    hardest: bool,
    command: str,
    folder: Path,
) -> list[Sheet]:
    """Write report.md, curves.png, arms.png and the scores of each task; return the main tables."""
    sheets = [
        accuracy_sheet(outcomes, curricula, algorithms, hardest),
        effect_sheet(suite, outcomes, curricula, algorithms, hardest),
        rank_sheet(outcomes, curricula, algorithms, hardest),
    ]
    plan = outcomes[0].plan
    lines = [
        f"# Curricula on the suite {suite}",
        "",
        f"    {command}",
        "",
        f"{plan.num_steps} steps of {plan.num_problems} problems and {plan.group_size} completions, "
        f"seeds {plan.seeds[0]} to {plan.seeds[-1]}, {plan.test_problems} test problems of each level.",
        "",
    ]
    for sheet in [*sheets, level_sheet(outcomes, curricula, algorithms)]:
        lines += [*sheet.markdown(), ""]
    lines += [
        *NOTES.strip().splitlines(),
        "",
        "![learning curves](curves.png)",
        "",
        "![arms](arms.png)",
        "",
    ]
    RunFolder(folder).write_text("report.md", "\n".join(lines))
    for outcome in outcomes:
        write_csv(outcome.scores, folder / f"{outcome.task}.csv")
    draw_curves(outcomes, folder / "curves.png")
    draw_arms(outcomes, folder / "arms.png")
    return sheets


def draw_curves(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw the accuracy on validation problems at every look, with a band of one deviation."""
    figure = Figure(figsize=(5 * len(outcomes), 4), layout="constrained")
    for axes, outcome in zip(np.ravel(figure.subplots(1, len(outcomes))), outcomes, strict=True):
        for place, rule in enumerate(outcome.plan.rules):
            names, style = outcome.scores.of("comparison", rule), line_style(place)
            spent, points = curve_points(outcome, names)
            center = np.array([runs.mean() for runs in points])
            spread = np.array([runs.std(ddof=1) if len(runs) > 1 else 0.0 for runs in points])
            axes.plot(spent, center, marker="o", markersize=3, label=rule, **style)
            band = center - spread, center + spread
            axes.fill_between(spent, *band, color=style["color"], alpha=0.15)
        axes.set(title=outcome.task, xlabel="completions", ylabel="accuracy, validation")
        axes.legend(fontsize=8)
    save_figure(figure, path)


def curve_points(outcome: Outcome, names: Sequence[str]) -> tuple[list[float], list[Table]]:
    """Return the completions at which looks were due, and the validation scores of runs there, (N,).

    A filter may take a run past two looks in one step; it then has only the later one.
    """
    plan, found = outcome.plan, defaultdict[int, list[float]](list)
    for name in names:
        looks = past_looks(RunFolder(outcome.folder / name))
        if not looks:
            raise FileError(f"{outcome.folder / name / CURVE}: must have a look, got none")
        for past in looks:
            found[num_due(plan, past["rollouts"])].append(past["mean"])
    due = sorted(found)
    return [n * plan.num_rollouts / plan.num_looks for n in due], [np.array(found[n]) for n in due]


def draw_arms(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw the probabilities of the arms, on average over seeds; a row of panels for each task."""
    width = max(len(outcome.plan.rules) for outcome in outcomes)
    figure = Figure(figsize=(3.2 * width, 2.6 * len(outcomes)), layout="constrained")
    panels = figure.subplots(len(outcomes), width, squeeze=False, sharey=True)
    for line, outcome in zip(panels, outcomes, strict=True):
        for axes, rule in zip(line, outcome.plan.rules, strict=False):
            shares = mean_shares(outcome, rule)  # (steps, K)
            if shares.size:
                stack(axes, range(1, 1 + len(shares)), shares)
            axes.set(title=f"{outcome.task}: {rule}", xlabel="step", ylim=(0, 1))
            axes.title.set_fontsize(8)
        line[0].set_ylabel("probability, easiest arm below", fontsize=8)
        for axes in line[len(outcome.plan.rules) :]:
            axes.set_visible(False)
    save_figure(figure, path)


def mean_shares(outcome: Outcome, rule: str) -> Table:
    """Return the probability of each arm at each step, on average over seeds, (steps, K)."""
    runs = [
        np.array([probabilities(m) for m in history(RunFolder(outcome.folder / name), 0)])
        for name in outcome.scores.of("comparison", rule)
    ]
    steps = min(len(run) for run in runs)
    means: Table = np.mean([run[:steps] for run in runs], axis=0)
    return means
