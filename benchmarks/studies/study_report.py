"""What a comparison of curricula found: effects against the baseline, with their intervals.

An effect is a difference of mean accuracy on test problems between two rules that started from the
same model with the same seed. Its 95 % interval is that of a hierarchical bootstrap: models are
drawn with replacement, seeds within each, and problems, which all runs share.

Shapes: A models, S seeds of each, N problems of a level.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from edgewise.agents.statistics import Estimate, Floats, hierarchical_bootstrap
from edgewise.agents.training.figures import save_figure
from edgewise.agents.training.sheet import Sheet
from edgewise.benchmarks.studies.cells import AT_TOKENS, BEST, LAST, read_score
from edgewise.benchmarks.studies.plan import Cell, Plan
from edgewise.files import FileError, write_atomically


def effect_of(differences: Sequence[Floats]) -> Estimate:
    """Compute the mean over levels of `differences`, each (A, S, N), with its interval.

    The levels are not drawn: they are what is asked.
    """
    return hierarchical_bootstrap(differences, np.random.default_rng(0), shared=True)


class Scores:
    """The scores of all cells of a plan."""

    def __init__(self, cells: Iterable[Cell], folder: Path) -> None:
        """Read them.

        Raises:
            FileError: If scores are damaged, or not all of the same problems.
        """
        self.cells, self.folder = {cell.name: cell for cell in cells}, folder
        self.files = {
            file: {name: self.read(name, file) for name in self.cells}
            for file in (LAST, BEST, AT_TOKENS)
        }
        self.found = self.files[LAST]
        self.check_same()

    def read(self, name: str, file: str) -> dict[str, Any]:
        """Return the scores of a cell in one of its files; an empty one where there is none."""
        path, trained = self.folder / name / file, self.cells[name].phase != "start"
        return read_score(path, trained) if path.exists() or file == LAST else {}

    def check_same(self) -> None:
        """Check that all cells were scored on the same problems, those of the selection on others."""
        shapes: dict[bool, tuple[Path, Any]] = {}
        for file, scores in self.files.items():
            for name, score in scores.items():
                if not score:
                    continue
                path, selects = self.folder / name / file, self.cells[name].phase == "selection"
                counts = {level: len(row) for level, row in score["correct"].items()}
                first, shape = shapes.setdefault(selects, (path, (score["samples"], counts)))
                if shape != (score["samples"], counts):
                    raise FileError(
                        f"{path}: must have the levels, problems and samples of {first}, got "
                        f"others; remove the one that is damaged, and run the same command again"
                    )

    def of(self, phase: str, rule: str | None = None) -> list[str]:
        """Return the names of the cells of a phase, and of a rule."""
        return [
            name
            for name, cell in self.cells.items()
            if cell.phase == phase and rule in (None, cell.rule)
        ]

    def rates(self, rule: str, level: str, file: str = LAST) -> Floats:
        """Return the accuracy of each run on each problem, (A, S, N); models and seeds in order."""
        source = self.files[file]
        cells = [self.cells[name] for name in self.of("comparison", rule)]
        cells.sort(key=lambda cell: (cell.agent, cell.seed))
        rows = [source[cell.name] for cell in cells]
        table: Floats = np.array([row["correct"][level] for row in rows]) / rows[0]["samples"]
        num_models = len({cell.agent for cell in cells})
        return np.reshape(table, (num_models, -1, table.shape[1]))

    def effect(self, rule: str, baseline: str, levels: Sequence[str], file: str = LAST) -> Estimate:
        """Estimate the effect of `rule` against `baseline` on the mean of `levels`."""
        return effect_of(
            [self.rates(rule, level, file) - self.rates(baseline, level, file) for level in levels]
        )

    def gain(self, rule: str, levels: Sequence[str]) -> Estimate:
        """Estimate the gain of `rule` over its models before training."""
        starts = sorted(self.of("start"), key=lambda name: self.cells[name].agent)
        differences = []
        for level in levels:
            rows = [self.found[name] for name in starts]
            before = np.array([row["correct"][level] for row in rows]) / rows[0]["samples"]
            differences.append(self.rates(rule, level) - before[:, None])
        return effect_of(differences)

    def mean(self, names: Iterable[str], key: str) -> float:
        """Return the mean over cells of a number in their scores."""
        return float(np.mean([self.found[name][key] for name in names]))

    def accuracy(self, names: Iterable[str], level: str) -> float:
        """Return the mean accuracy of cells on a level."""
        return float(
            np.mean(
                [
                    np.mean(s["correct"][level]) / s["samples"]
                    for s in map(self.found.get, names)
                    if s
                ]
            )
        )


def write_study(
    plan: Plan, cells: Sequence[Cell], ood: Mapping[str, bool], folder: Path, results: Path
) -> str:
    """Write the tables, every score and the figure under the name `results`; return the tables.

    `ood` says of each level whether it is kept out of training.
    """
    scores = Scores(cells, folder)
    text = "\n".join(
        [
            *comparison_table(plan, scores, ood),
            "",
            *level_table(plan, scores, ood),
            "",
            *selection_table(plan, scores),
            "",
            *transfer_table(plan, scores, ood),
            "",
        ]
    )
    results.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(results.with_suffix(".md"), text)
    write_csv(scores, results.with_suffix(".csv"))
    draw(plan, scores, ood, results.with_suffix(".png"))
    return text


def against(plan: Plan) -> str:
    """Describe the baselines in words."""
    others = [f"of {rule} against {baseline}" for rule, baseline in plan.baselines.items()]
    return ", ".join([plan.baseline, *others])


def comparison_table(plan: Plan, scores: Scores, ood: Mapping[str, bool]) -> list[str]:
    """Return the primary table: the mean of the training levels."""
    trained = [level for level, out in ood.items() if not out]
    unseen = [level for level, out in ood.items() if out]
    rows = []
    for rule in plan.rules:
        names = scores.of("comparison", rule)
        accuracy = np.mean([scores.accuracy(names, level) for level in trained])
        baseline = plan.baseline_of(rule)
        effects = ["-"] * 3
        if baseline is not None:
            effects = [scores.effect(rule, baseline, trained).points, "-", "-"]
            runs = scores.of("comparison", rule) + scores.of("comparison", baseline)
            if all(scores.files[AT_TOKENS][name] for name in runs):  # have used so many
                effects[1] = scores.effect(rule, baseline, trained, AT_TOKENS).points
            if unseen:
                effects[2] = scores.effect(rule, baseline, unseen).points
        steps = scores.mean(names, "steps")
        used = [f"{scores.mean(names, key):,.0f}" for key in ("rollouts", "tokens")]
        signal = scores.mean(names, "effective") / steps
        gain = scores.gain(rule, trained).points
        cells = [f"{100 * accuracy:.1f}", gain, *effects, f"{steps:.1f}", *used, f"{signal:.2f}"]
        rows.append([rule, *cells])
    effects = ["effect", "effect at equal tokens", "effect OOD"]
    used = ["steps", "completions", "tokens", "groups with a signal"]
    return [
        "Test accuracy on the training levels after training, and its gain over that before, in "
        f"points; effects against {against(plan)} [95 % interval].",
        "",
        *Sheet("", ["rule", "accuracy", "gain", *effects, *used], rows).markdown(),
    ]


def level_table(plan: Plan, scores: Scores, ood: Mapping[str, bool]) -> list[str]:
    """Return the accuracy before training, and the effects on each level."""
    names = [f"level {level}{' (OOD)' if out else ''}" for level, out in ood.items()]
    start = [f"{100 * scores.accuracy(scores.of('start'), level):.1f}" for level in ood]
    base = scores.of("comparison", plan.baseline)
    after = [f"{100 * scores.accuracy(base, level):.1f}" for level in ood]
    rows = [["before training", *start], [plan.baseline, *after]]
    for rule in plan.rules:
        baseline = plan.baseline_of(rule)
        if baseline is not None:
            effects = [scores.effect(rule, baseline, [level]).points for level in ood]
            rows.append([f"{rule}, effect", *effects])
    return Sheet("", ["", *names], rows).markdown()


def selection_table(plan: Plan, scores: Scores) -> list[str]:
    """Return the validation accuracy of every configuration."""
    rows = []
    for name in scores.of("selection"):
        cell = scores.cells[name]
        words = ", ".join(f"{key} {value}" for key, value in cell.config.items())
        rows.append([cell.rule, words, f"{100 * scores.found[name]['mean']:.1f}"])
    return Sheet("", ["rule", "configuration", "validation accuracy"], rows).markdown()


def transfer_table(plan: Plan, scores: Scores, ood: Mapping[str, bool]) -> list[str]:
    """Build the table of transfer: training on one level, tested on each, against no training."""
    if not plan.transfer:
        return []
    names = [f"tested on {level}{' (OOD)' if out else ''}" for level, out in ood.items()]
    rows = []
    for rule in plan.transfer:
        gains = []
        for level in ood:
            after = scores.accuracy(scores.of("transfer", rule), level)
            gains.append(f"{100 * (after - scores.accuracy(scores.of('start'), level)):+.1f}")
        rows.append([f"trained on {rule}", *gains])
    return Sheet("", ["", *names], rows).markdown()


def write_csv(scores: Scores, path: Path) -> None:
    """Write a row for each cell and level."""
    columns = ("phase", "rule", "number", "agent", "seed", "level", "accuracy", "problems")
    more = ("steps", "rollouts", "tokens")
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    writer.writerow([*columns, *more])
    for name, cell in scores.cells.items():
        found = scores.found[name]
        for level, counts in found["correct"].items():
            rate = np.mean(counts) / found["samples"]
            place = [cell.phase, cell.rule, cell.number, cell.agent, cell.seed, level]
            used = [found.get(key, 0) for key in more]
            writer.writerow([*place, f"{rate:.5f}", len(counts), *used])
    write_atomically(path, content.getvalue())


def draw(plan: Plan, scores: Scores, ood: Mapping[str, bool], path: Path) -> None:
    """Draw the effects of the rules, one panel for the training levels and one for the OOD levels."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    rules = [(rule, plan.baseline_of(rule)) for rule in plan.rules if rule != plan.baseline]
    for axes, out in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        levels = [level for level in ood if ood[level] is out]
        for row, (rule, baseline) in enumerate(reversed(rules)):
            found = scores.effect(rule, str(baseline), levels)
            reach = [[100 * (found.value - found.low)], [100 * (found.high - found.value)]]
            axes.errorbar([100 * found.value], [row], xerr=reach, fmt="o", capsize=3, color="C0")
        axes.axvline(0, color="gray", linewidth=1)
        axes.set(
            title="levels kept out of training" if out else "training levels",
            xlabel=f"accuracy above {'its baseline' if plan.baselines else plan.baseline}, points",
            yticks=range(len(rules)),
            yticklabels=[rule for rule, _ in reversed(rules)],
        )
    save_figure(figure, path)
