"""The flags of the commands that bring problems to other frameworks; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from edgewise.agents.algorithms.config import Count, Fraction, Natural, check_held
from edgewise.cli.flags import FileFlags, OneEnvFlags, Port
from edgewise.wrappers.rules.catalogue import make_schedule


@dataclass(frozen=True)
class RowsFlags(FileFlags):
    """A file of rows for other frameworks."""

    def check_folders(self) -> None:
        """Check the format, and that what writes it is installed."""
        from edgewise.agents.integrations.export import check_format

        super().check_folders()
        check_format(getattr(self, self.written))


@dataclass(frozen=True)
class ExportConfig(RowsFlags, OneEnvFlags):
    """Write problems of an environment as JSON lines or parquet, with a card beside the file."""

    layout: Literal["trl", "trl-turns", "verl", "nemo-gym", "lm-eval"] = "trl"
    """Framework that the columns are for; its reward function is given the problem's name."""
    output: Path = Path("problems.jsonl")
    """File to write, .jsonl or .parquet; it is replaced if it exists, as is what goes with it."""
    num_problems: Annotated[Count, tyro.conf.arg(aliases=["--size"])] = 1000
    """Problems of each level: fewer where there are no more."""
    levels: tuple[Count, ...] | None = None
    """Levels of the environment; by default all that are not kept out of training."""
    split: Literal["train", "validation", "test"] = "train"
    """Split of the problems; no problem is in two."""


OF_ENVS = {"env", "preset", "levels", "env_options", "data", "attempts", "explain", "tools"}


@dataclass(frozen=True)
class ScheduleConfig(RowsFlags, OneEnvFlags):
    """Write what a rule poses over a whole run as rows in order, for trainers that read a file.

    Their data loader must not shuffle. The rule must not learn from outcomes: random, balanced, subset,
    and the schedules of E2H. With --profile its arms are parts of a profile, the easiest first.
    """

    curriculum: str = "e2h-gaussian"
    """Rule that chooses what is posed, with its arguments: e2h-gaussian, e2h-gaussian:beta=0.25:sigma=0.75, e2h-cosine,
    random."""
    num_steps: Annotated[Count, tyro.conf.arg(aliases=["--steps"])] = 1000
    """Training steps, one batch each; the schedule goes over all of them."""
    num_problems: Annotated[Count, tyro.conf.arg(aliases=["--batch"])] = 16
    """Problems in a batch, P."""
    first_step: Natural = 0
    """Step to begin with; those before are left out, as when a later model was profiled anew."""
    even: bool = False
    """Pose as many problems of each arm as is expected, in place of draws at random."""
    profile: Path | None = None
    """File of `edgewise profile`, whose problems are posed in place of those of --env."""
    num_levels: Count = 4
    """Parts of equal size, by error rate, into which a profile is divided; the arms."""
    pass_rates: tuple[Fraction, Fraction] = (0.0, 1.0)
    """Least and largest pass rate of the problems of a profile that are kept: 0.2 0.8."""
    control: bool = False
    """Keep as many problems of the profile at random as --pass-rates would."""
    levels: tuple[Count, ...] | None = None
    """Levels of the environment; by default all that are not kept out of training."""
    layout: Literal["trl", "trl-turns", "verl", "nemo-gym"] = "trl"
    """Framework that the columns are for; its reward function is given the problem's name."""
    output: Path = Path("schedule.jsonl")
    """File to write, .jsonl or .parquet; it is replaced if it exists."""
    seed: Natural = 0
    """Seed of everything that is drawn: a run of `edgewise train` with the same seed poses the same problems."""

    def __post_init__(self) -> None:
        """Check the numbers against each other.

        Raises:
            ValueError: If they do not go together.
        """
        super().__post_init__()
        check_held(num_steps=self.num_steps, num_problems=self.num_problems)
        if self.first_step >= self.num_steps:
            raise ValueError(
                f"`first_step` must be from 0 to {self.num_steps - 1}, got {self.first_step}"
            )
        least, most = self.pass_rates
        if least > most:
            raise ValueError(f"`pass_rates` must ascend, got {least} {most}")
        if self.profile is None and (self.control or self.pass_rates != (0.0, 1.0)):
            raise ValueError("`profile` must be given with --pass-rates and --control, got none")
        if self.profile is not None and self.profile.resolve() == self.output.resolve():
            raise ValueError(f"`output` must be another file than the profile, got {self.output}")
        for flag in fields(self) if self.profile is not None else ():
            if flag.name in OF_ENVS and getattr(self, flag.name) != flag.default:
                raise ValueError(
                    f"`{flag.name}` must be left out with `profile`, whose problems are posed as they "
                    "were measured"
                )

    def check_names(self) -> None:
        """Check the rule and its arguments."""
        super().check_names()
        make_schedule(self.curriculum, self.num_steps)


@dataclass(frozen=True)
class ServeConfig(OneEnvFlags):
    """Serve an environment to clients of OpenEnv, each with episodes of its own, until Ctrl-C.

    A client resets with `problem`, a problem's name, or with `level` and `seed`. Whoever reaches the
    address can ask; nothing that a client sends is executed.
    """

    openenv: bool = False
    """The protocol, which must be given: that of OpenEnv."""
    levels: tuple[Count, ...] | None = None
    """Levels of the environment; by default all that are not kept out of training."""
    split: Literal["train", "validation", "test"] = "train"
    """Split of the problems; no problem is in two."""
    host: str = "127.0.0.1"
    """Address to listen at: 127.0.0.1 is this computer alone, 0.0.0.0 any that reaches it."""
    port: Port = 8000
    """Port to listen at."""
    max_sessions: Count = 64
    """Clients at once."""

    def __post_init__(self) -> None:
        """Check that the protocol is given.

        Raises:
            ValueError: If it is not.
        """
        super().__post_init__()
        if not self.openenv:
            raise ValueError("`openenv` must be given: edgewise serve --openenv")
