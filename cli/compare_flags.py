"""The flags of `edgewise compare`, which depend on the suite; imports no torch, no plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro

from edgewise.agents.algorithms.config import (
    Count,
    NotNegative,
    Positive,
    Seeds,
    Several,
    Workers,
    check_held,
)
from edgewise.agents.policies.model_card import is_own, model_path
from edgewise.agents.policies.options import Sampling
from edgewise.agents.soar.config import SOARRunConfig
from edgewise.agents.training.config import TrainConfig, complete
from edgewise.agents.training.flags import (
    BatchFlags,
    Flags,
    LearnerFlags,
    RecipeFlags,
)
from edgewise.agents.training.parts import make_hyperparameters
from edgewise.agents.training.recipe_file import NOT_IN_RECIPES
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.benchmarks.studies.plan import listed, suite_of, tasks_of
from edgewise.benchmarks.studies.published import SOAR_METHODS
from edgewise.benchmarks.studies.race_plan import RacePlan
from edgewise.errors import unknown
from edgewise.files import about, read_json, read_text
from edgewise.wrappers import make_rule
from edgewise.wrappers.rules.catalogue import split_names

METHODS = ("base", "hard", "base-t", "intrinsic-t", "grounded-t", "pq", "ps")  # of the paper
OF_CELLS = {"env", "curriculum", "seed", "evaluate", "evaluation", "sharding", *NOT_IN_RECIPES}
# fields of a recipe that are flags here, too
SHARED = ("agent", "data", "num_steps", "num_problems", "group_size")


@dataclass(frozen=True, kw_only=True)
class SuiteCompareConfig(BatchFlags, RecipeFlags):
    """Train every curriculum on every task of a suite, and print the paper's table.

    Cells that are done are not done again, and those that were stopped go on; more seeds or curricula
    may be asked for in the same folder.
    """

    suite: str
    """Suite of a paper: sec or e2h; soar has flags of its own, `edgewise compare --suite soar --help`."""
    curricula: str | None = None
    """Rules with commas between, each with its arguments; by default those of the paper. Random is
    always among them."""
    algorithms: str = "grpo"
    """Algorithms with commas between, each with its arguments: grpo,rloo,ppo."""
    tasks: str | None = None
    """Tasks of the suite with commas between; by default all that a seedling can begin. Mathematics of
    sec, which is MATH in five arms of different sizes, needs an `agent` and its data."""
    num_seeds: Annotated[Seeds, tyro.conf.arg(aliases=["--seeds"])] = 3
    """Paired seeds: from 1, as seed 0 is kept for the choice of a learning rate."""
    agent: str | None = None
    """Model that starts every run, as in `edgewise train`; by default the seedling of each task."""
    recipe: Path | None = None
    """Recipe, a JSON file of flags: those of `edgewise train` for model, sizes, precision, adapters, engine;
    flags given beside it win."""
    data: str | None = None
    """Folder or file of an environment that reads data, or hub; of mathematics, by default EDGEWISE_DATA."""
    num_steps: Count = 60
    """Training steps, one batch each."""
    learning_rates: tuple[Positive, ...] = (2e-4,)
    """Learning rates of AdamW; of several, each rule gets the best on validation problems."""
    validation_problems: Count = 100
    """Validation problems of each level; the training levels, answered once at every look."""
    test_problems: Count = 200
    """Test problems of each level."""
    test_samples: Count = 1
    """Answers to each, at the temperature of the preset's protocol."""
    num_looks: Count = 4
    """Looks at a run on validation problems while it trains, the last at its end."""
    processes: Workers = 2
    """Runs that go on at the same time, one thread each."""
    output: Path | None = None
    """Folder of the runs and of the report; by default runs/compare-SUITE."""

    def check_names(self) -> None:
        """Check the suite, its tasks, the rules and the model."""
        super().check_names()
        suite = suite_of(self.suite)
        tasks_of(suite, self.tasks)
        check_rules(self.curricula or suite.curricula, self.num_steps)
        if self.agent is not None and not is_own(self.agent):
            model_path(self.agent)

    def check_problems(self) -> None:
        """Check the algorithms and their arguments."""
        super().check_problems()
        sizes = {name: getattr(self, name) for name in ("num_steps", "num_problems", "group_size")}
        for algorithm in listed(self.algorithms):
            setup = complete(TrainConfig(algorithm=algorithm, **sizes)).setup
            make_hyperparameters(setup.algorithm, Sampling())

    @classmethod
    def from_recipe(cls, path: Path) -> Self:
        """Return the flags that a recipe of `edgewise train` gives; `of_cells` is what is left of it.

        Raises:
            FileError: If the recipe is refused.
        """
        recipe = recipe_of(path)
        found: dict[str, Any] = {name: recipe[name] for name in SHARED if name in recipe}
        if "learning_rate" in recipe:
            found["learning_rates"] = (recipe["learning_rate"],)
        if "algorithm" in recipe:
            found["algorithms"] = recipe["algorithm"]
        return cls(suite="", recipe=path, **found)

    def of_cells(self) -> dict[str, Any]:
        """Return the recipe's settings of all cells that no flag sets.

        A cell is one process, so a recipe's `sharding` is left out.

        Raises:
            FileError: If the recipe is refused.
        """
        recipe = {} if self.recipe is None else recipe_of(self.recipe)
        left_out = OF_CELLS | {*SHARED, "learning_rate", "algorithm"}
        return {name: value for name, value in sorted(recipe.items()) if name not in left_out}


@dataclass(frozen=True)
class CompareConfig(BatchFlags):
    """Compare curricula at an equal budget: one table, one figure, and what beats random where.

    This is about simulated learners. `edgewise compare --suite sec --help` explains the comparison of
    models that train, on the tasks of a paper; `edgewise compare --plan PLAN --help` that on beds.
    """

    agent: str = "simulated"
    """Who learns: simulated; for a model, name a suite."""
    curricula: str | None = None
    """Rules with commas between, each with its arguments; "+" a filter, as random,sec+dapo; by default all.
    Random is always among them."""
    worlds: str | None = None
    """Worlds with commas between; all by default."""
    num_seeds: Annotated[Seeds, tyro.conf.arg(aliases=["--seeds"])] = 20
    """Paired seeds: from 0, one learner in each world."""
    num_arms: Annotated[Several, tyro.conf.arg(aliases=["--arms"])] = 9
    """Training arms, easiest first."""
    num_steps: Annotated[Count, tyro.conf.arg(aliases=["--steps"])] = 40
    """Training steps, one batch each; rejected groups are paid from them."""
    num_problems: Count = 32
    """Problems in a batch, P."""
    algorithm: Literal["grpo", "rloo"] = "grpo"
    """Whose advantages the learner forms: grpo or rloo."""
    processes: Workers = 2
    """Runs that go on at the same time, one thread each."""
    output: Path = Path("runs/compare")
    """Folder for the table, the report and the figure; what is done there is not done again."""

    def check_names(self) -> None:
        """Check the learner, the worlds and the rules."""
        super().check_names()
        if self.agent != "simulated":
            raise ValueError(unknown("agent", self.agent, ["simulated"]))
        for world in split_names(self.worlds or ""):
            if world not in WORLDS:
                raise ValueError(unknown("worlds", world, WORLDS))
        check_held(num_steps=self.num_steps)
        check_rules(self.curricula or "", self.num_steps)


@dataclass(frozen=True)
class SOARCompareConfig(LearnerFlags):
    """Play SOAR's game and Intrinsic-T's with several seeds, train fresh students, print the table.

    Games and students that are done are not done again, and those that were stopped go on; more seeds
    may be asked for in the same folder.
    """

    suite: str = "soar"
    """Suite of a paper: soar; sec and e2h have flags of their own."""
    preset: Annotated[str, tyro.conf.arg(name="game", aliases=["--preset"])] = "seedling"
    """Game of SOAR: seedling, llama-math or llama-harp."""
    agent: str | None = None
    """Model of teacher and student; by default the game's."""
    hard: Path | None = None
    """Hard training problems; by default those beside the model."""
    test: Path | None = None
    """Held-out hard problems; by default those beside the model."""
    num_seeds: Annotated[Seeds, tyro.conf.arg(aliases=["--seeds"])] = 3
    """Paired seeds: from 0, one teacher of each kind."""
    num_steps: Count | None = None
    """Outer steps; by default the game's."""
    num_students: Count | None = None
    """Students on each data set, r; while the game is played, by default the game's."""
    methods: tuple[str, ...] = METHODS
    """Rows of the table, as in `python -m edgewise.benchmarks.studies.soar`."""
    num_fresh_students: Annotated[Count, tyro.conf.arg(aliases=["--students"])] = 2
    """Fresh students of each teacher."""
    fresh_steps: Count | None = None
    """Training steps of a fresh student; by default the game's."""
    processes: Workers = 2
    """Runs that go on at the same time, one thread each."""
    output: Path = Path("runs/compare-soar")
    """Folder of the games and of the report."""

    def check_folders(self) -> None:
        """Check that the files of hard problems are there."""
        super().check_folders()
        for name in ("hard", "test"):
            path = getattr(self, name)
            if path is not None:
                read_text(path)

    def check_names(self) -> None:
        """Check the game, its model and the rows of the table."""
        super().check_names()
        for method in self.methods:
            if method not in SOAR_METHODS:
                raise ValueError(unknown("method", method, SOAR_METHODS))
        SOARRunConfig(preset=self.preset, agent=self.agent).check_names()


@dataclass(frozen=True)
class PlanCompareConfig(Flags):
    """Compare rules on beds at equal generated tokens, as a plan says; write and print the report.

    Runs that are done are not done again; more seeds, entrants and beds may be added to the plan.
    """

    plan: Path
    """JSON file of beds, entrants and seeds, as benchmarks/plans/beds.json."""
    scored_cost: NotNegative | None = None
    """What a token costs that rules have scored after an update, in generated tokens, as measured by
    `python -m edgewise.benchmarks.studies.scored_cost`; by default what the plan says."""
    processes: Workers = 2
    """Runs that go on at the same time, one thread each."""
    output: Path | None = None
    """Folder of the runs and of the report; by default runs/NAME, that of the plan."""

    def check_problems(self) -> None:
        """Read the plan, and check each bed as a training run on it is checked."""
        beds = RacePlan.load(self.plan).beds
        with about(self.plan):
            for bed in beds.values():
                bed.check_names()
                bed.check_problems()


def check_rules(curricula: str, num_steps: int) -> None:
    """Raise ValueError if there is no such rule; filters after "+" are not checked."""
    for text in split_names(curricula):
        make_rule(text.partition("+")[0], num_steps)


def recipe_of(path: Path) -> dict[str, Any]:
    """Return the flags of `edgewise train` in a recipe.

    Raises:
        FileError: If it is refused.
    """
    flags = TrainConfig.from_recipe(path).record()
    return {name: flags[name] for name in read_json(path)}


def kind_for(suite: str | None, plan: str | None = None) -> type[Flags]:
    """Return the flags of a comparison by a plan, on a suite, or on simulated learners."""
    if plan is not None:
        return PlanCompareConfig
    if suite is None:
        return CompareConfig
    return SOARCompareConfig if suite == "soar" else SuiteCompareConfig
