"""What a comparison of rules at equal generated tokens runs: its plan, in a file, and its runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from edgewise.agents.algorithms.catalogue import ALGORITHMS
from edgewise.benchmarks.studies.headroom_plan import HeadroomConfig
from edgewise.errors import unknown
from edgewise.fields import build
from edgewise.files import about, read_json
from edgewise.registration import check_id
from edgewise.wrappers import make_rule
from edgewise.wrappers.allocation import make_allocation
from edgewise.wrappers.rules.catalogue import construct

SETTINGS = "race.json"  # of a comparison: what its entrants are
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")  # of beds and entrants, which name files


@dataclass(frozen=True)
class Entrant:
    """A rule, the algorithm with the filter that trains under it, and what sizes its groups."""

    curriculum: str
    algorithm: str = "grpo"
    allocation: str = "none"

    def __post_init__(self) -> None:
        """Check that there are such a rule, such an algorithm and such an allocation."""
        make_rule(self.curriculum, num_steps=1)
        make_allocation(self.allocation)
        kinds = {name: algorithm.config for name, algorithm in ALGORITHMS.items()}
        construct("algorithm", self.algorithm, kinds)

    @property
    def needs_steps(self) -> bool:
        """Return whether the rule has to know how many steps a run has."""
        rule = make_rule(self.curriculum, num_steps=1)
        return any(each.name == "num_steps" for each in fields(rule))

    def record(self) -> dict[str, str]:
        """Return what the entrant is, for JSON; of groups of one size it says nothing."""
        kept = {"curriculum": self.curriculum, "algorithm": self.algorithm}
        return kept if self.allocation == "none" else {**kept, "allocation": self.allocation}


@dataclass(frozen=True)
class RacePlan:
    """Beds, entrants and seeds; `benchmarks/plans/` has one JSON file of each plan."""

    beds: Mapping[str, HeadroomConfig]  # flags of `edgewise headroom`, but `algorithm`, by name
    entrants: Mapping[str, Entrant]
    baselines: Sequence[str]  # entrants that all others are compared with
    seeds: Sequence[int]
    scored_cost: float = 1 / 3  # of a token in an extra forward pass, in generated tokens
    sampled: Sequence[str] = ()  # entrants whose last models are scored by pass@k
    num_samples: int = 16  # answers to each problem, for pass@k
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)  # entrants, by bed

    def __post_init__(self) -> None:
        """Check the names, the seeds and the cost."""
        for kind, names in (("beds", self.beds), ("entrants", self.entrants)):
            if not names:
                raise ValueError(f"`{kind}` must have at least one, got none")
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(
                        f"`{kind}` must have names of lower-case words with hyphens between, got {name!r}"
                    )
        for kind in ("baselines", "sampled"):
            for name in getattr(self, kind):
                if name not in self.entrants:
                    raise ValueError(unknown(kind, name, self.entrants))
        self.check_left_out()
        if not self.baselines:
            raise ValueError("`baselines` must have at least one, got none")
        if len(set(self.seeds)) < len(self.seeds) or len(self.seeds) < 2 or min(self.seeds) < 1:
            raise ValueError(
                f"`seeds` must be at least two different ones from 1, got {list(self.seeds)}; "
                "seed 0 chooses learning rates"
            )
        if self.num_samples < 1:
            raise ValueError(f"`num_samples` must be at least 1, got {self.num_samples}")
        if self.scored_cost < 0:
            raise ValueError(f"`scored_cost` must be at least 0, got {self.scored_cost}")

    def check_left_out(self) -> None:
        """Check that what a bed leaves out is there, and is no baseline."""
        for bed, names in self.left_out.items():
            if bed not in self.beds:
                raise ValueError(unknown("left_out", bed, self.beds))
            for name in names:
                if name not in self.entrants:
                    raise ValueError(unknown("left_out", name, self.entrants))
                if name in self.baselines:
                    raise ValueError(
                        f"`left_out` must have no baseline, got {name} on {bed}; all are compared "
                        "with it"
                    )

    @classmethod
    def load(cls, path: Path) -> RacePlan:
        """Read the plan in `path`.

        Raises:
            FileError: If it is none, or names an environment, a rule or an algorithm that does not exist.
        """
        record = read_json(path)
        with about(path):
            plan = build(cls, record)
            for config in plan.beds.values():
                for env_id in config.env.split(","):
                    check_id(env_id)
        return plan

    def config(self, run: RaceRun) -> HeadroomConfig:
        """Return the flags of a run's bed, with the algorithm of its entrant."""
        return replace(self.beds[run.bed], algorithm=run.entrant.algorithm)


@dataclass(frozen=True)
class RaceRun:
    """One run: an entrant on a bed with a seed."""

    bed: str
    name: str  # of the entrant, or of the pilot
    entrant: Entrant
    seed: int

    @property
    def file(self) -> str:
        """Return the file of the run in the folder of all."""
        return f"{self.bed}/{self.name}-s{self.seed}.json"


def pilot(run: RaceRun) -> RaceRun:
    """Return the run whose number of steps is given to a rule that needs one.

    It has random arms, the same algorithm with its filter, the same tokens, and seed 0.
    """
    algorithm = run.entrant.algorithm
    words = "-".join(re.findall(r"[a-z0-9.]+", algorithm))
    return RaceRun(run.bed, f"pilot/{words}", Entrant("random", algorithm), 0)


def runs_of(plan: RacePlan) -> list[RaceRun]:
    """Return the runs that are compared; all of a seed and bed stand together."""
    return [
        RaceRun(bed, name, entrant, seed)
        for seed in plan.seeds
        for bed in plan.beds
        for name, entrant in plan.entrants.items()
        if name not in plan.left_out.get(bed, ())
    ]


def pilots_of(plan: RacePlan) -> list[RaceRun]:
    """Return the pilots of all rules that need a number of steps, each once."""
    found = [pilot(run) for run in runs_of(plan) if run.entrant.needs_steps]
    return list(dict.fromkeys(found))
