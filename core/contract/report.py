"""All checks of one environment, with what they measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from edgewise import own_code
from edgewise.contract import attacks, environment, guessing, problems
from edgewise.contract.level import Level, levels_of
from edgewise.registration import load_task, spec_of
from edgewise.task import SPLITS

COUNT = 100  # problems of a level
NUM_HOSTILE = 30  # random hostile answers, beside those that are written down
FEW = 20  # problems of a level for checks that find at once what they look for
SECONDS = 0.1  # for a measure of speed

Check = Callable[[], Iterator[str]]  # yields what fails


@dataclass(frozen=True)
class Measured:
    """What was measured of a level."""

    level: Level
    sizes: tuple[int, ...]  # problems of train, validation and test that were looked at
    distinct: float  # share of the training problems
    guess: guessing.Guess
    problems_per_second: float
    verdicts_per_second: float


@dataclass
class Report:
    """What holds of an environment, what fails, and what was measured of each level."""

    env_id: str
    checks: dict[str, list[str]] = field(default_factory=dict)  # a line for each failure
    levels: list[Measured] = field(default_factory=list)

    @property
    def holds(self) -> list[str]:
        """Return the names of the checks that hold."""
        return [name for name, found in self.checks.items() if not found]

    @property
    def fails(self) -> list[str]:
        """Return a line for each failure."""
        return [f"{name}: {line}" for name, found in self.checks.items() for line in found]

    def run(self, name: str, check: Check, where: str = "") -> bool:
        """Run a check, note what it says, and return whether it holds.

        What the user's own code raises is a failure, with its file and line.
        """
        try:
            found = list(check())
        except (Exception, SystemExit) as error:
            told = str(error) or "no message"
            found = [f"{own_code.place_of(error)}: {type(error).__name__}: {told}"]
        lines = [where + " ".join(one.split()) for one in found]
        self.checks.setdefault(name, []).extend(lines)
        return not lines


def check_environment(
    env_id: str, count: int = COUNT, progress: Callable[[int, int], None] = lambda done, total: None
) -> Report:
    """Check that an environment keeps the contract, on every level of every preset.

    Example:
        >>> report = check_environment("Addition-v0")  # doctest: +SKIP
        >>> report.fails  # doctest: +SKIP
        []

    Args:
        env_id: As `gym.make` takes it; "module:ID" for one that an imported module registers.
        count: How many problems of each level are looked at; more find rarer faults.
        progress: Called with how many levels are done, of how many.

    Raises:
        ValueError: If there is no such environment, or it is a mixture.
    """
    report, levels = Report(env_id), levels_of(env_id)
    if not report.run("it is made", lambda: made(levels)):
        return report
    report.run("Gymnasium accepts it", lambda: environment.gymnasium(env_id))
    report.run("many at once are as one", lambda: environment.vector(env_id))
    report.run("mistakes are refused", lambda: environment.refusals(env_id))
    modules = [module_of(env_id)]
    report.run("processes agree", lambda: environment.processes(levels, modules))
    for number, level in enumerate(levels, start=1):
        check_level(report, level, count)
        progress(number, len(levels))
    return report


def made(levels: Sequence[Level]) -> Iterator[str]:
    """Make every level, and pose a problem of every split."""
    for level in levels:
        for split in SPLITS:
            level.env(split).reset(seed=0)
    return iter(())


def module_of(env_id: str) -> str:
    """Return the module that registers an environment, or that of its task, whose package does."""
    module, _, _ = env_id.rpartition(":")
    return module or load_task(spec_of(env_id).kwargs["task"]).__module__


def check_level(report: Report, level: Level, count: int) -> None:
    """Run the checks of one level, and measure it."""
    checks: dict[str, Check] = {
        "problems are values": lambda: problems.values(level, FEW),
        "prompts say how to answer": lambda: problems.prompts(level, FEW),
        "names pose problems": lambda: problems.names(level),
        "splits share no problem": lambda: problems.splits(level, count),
        "problems differ": lambda: problems.variety(level, count),
        "the solver is right": lambda: problems.solver(level, count),
        "demonstrations earn the reward": lambda: problems.demonstrations(level, FEW),
        "guessing does not pay": lambda: guessing.guessing(level, count),
        "hostile answers are wrong and harmless": lambda: attacks.hostile(level, NUM_HOSTILE),
    }
    held = {name: report.run(name, check, f"{level}: ") for name, check in checks.items()}
    if held["problems are values"] and held["the solver is right"]:
        report.levels.append(measured(level, count))


def measured(level: Level, count: int) -> Measured:
    """Measure a level, whose problems can be posed and solved."""
    env, posed = level.env(), level.problems(count)
    answers = [env.task.solve(problem) for problem in posed[:FEW]]
    return Measured(
        level,
        tuple(len(level.problems(count, split)) for split in SPLITS),
        problems.distinct(level, count),
        guessing.best_guess(level, count),
        rate(lambda seed: env.prompt(env.draw(level.number, seed)), level.num_rows()),
        rate(lambda i: env.task.verify(posed[i], answers[i]), len(answers)),
    )


def rate(call: Callable[[int], object], size: int | None) -> float:
    """Return how often a second `call` is done with 0, 1, 2 ..., which begin anew after `size`."""
    start, number, seconds = time.perf_counter(), 0, 0.0
    while seconds < SECONDS:
        call(number if size is None else number % size)
        number, seconds = number + 1, time.perf_counter() - start
    return number / seconds
