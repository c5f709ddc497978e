"""The flags of every command but those that agents define; imports no torch, no plots."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from edgewise.agents.algorithms.config import (
    WHOLE,
    Condition,
    Count,
    Levels,
    Natural,
    NotNegative,
    check_held,
)
from edgewise.agents.policies.model_card import is_own, model_path, preset_for
from edgewise.agents.soar.presets import GAMES
from edgewise.agents.training.flags import (
    DataFlags,
    DeviceFlags,
    EngineFlags,
    Flags,
    RayFlags,
    ThreadFlags,
    TokenFlags,
    TurnFlags,
)
from edgewise.agents.training.folder_kind import (
    TRAIN,
    TRL,
    VERL,
    check_begun,
    check_file,
    check_kind,
    kind_of,
)
from edgewise.agents.training.recipe_file import read_object, read_options
from edgewise.benchmarks.evaluation.agent_names import check_agent, is_scripted
from edgewise.benchmarks.evaluation.plans import ProblemsPlan, ProfilePlan, ServerConfig
from edgewise.benchmarks.evaluation.suite import parts_of
from edgewise.benchmarks.sharing.bundle import check_repo
from edgewise.errors import unknown
from edgewise.problem_set import check_data

Port = Annotated[int, WHOLE, Condition("from 1 to 65535", lambda port: 0 < port < 65_536)]


@dataclass(frozen=True)
class FileFlags(Flags):
    """Flags of which one names a file to write."""

    written: ClassVar[str] = "output"  # which one

    def check_folders(self) -> None:
        """Check that a file can be there, before there is something to write."""
        super().check_folders()
        path: Path | None = getattr(self, self.written)
        if path is not None:
            check_file(path, self.written)


@dataclass(frozen=True)
class ListConfig(FileFlags):
    """Show the environments with their presets and levels, or the curricula."""

    written: ClassVar[str] = "gallery"

    curricula: bool = False
    """Show the curricula instead."""
    gallery: Path | None = None
    """Write a page with one example of each level to this file instead."""


@dataclass(frozen=True)
class PlayConfig(TurnFlags):
    """Answer problems in the terminal; an empty line shows a solution, end of input ends."""

    env: tyro.conf.Positional[str] = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or MODULE:ID, one that a module of your own registers,
    also in the working folder."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the first."""
    level: Count | None = None
    """Level to play; any of the training levels by default."""
    num_problems: Annotated[Count, tyro.conf.arg(aliases=["--problems"])] = 10
    """How many problems to pose."""
    seed: Natural = 0
    """Seed of everything that is drawn: the problems."""


@dataclass(frozen=True)
class CheckConfig(Flags):
    """Check that an environment keeps the contract of all of Edgewise's, and measure it.

    Every level of every preset is looked at: splits, names, the reference solver, guessing, hostile
    answers. Prints what fails, a line each, and ends with exit code 1 if anything does.
    """

    env: tyro.conf.Positional[str]
    """Environment: MODULE:ID, one that a module of your own registers, also in the working folder, or an
    id that `edgewise list` prints."""
    num_problems: Annotated[int, WHOLE, Condition("at least 20", lambda n: n >= 20)] = 100
    """Problems of each level: those that are looked at; more find rarer faults."""


@dataclass(frozen=True)
class NewConfig(Flags):
    """Write a package of one's own to begin with: an environment or a rule, with a test that passes."""

    kind: tyro.conf.Positional[Literal["env", "rule"]]
    """What it has: env, an environment, or rule, a curriculum."""
    name: tyro.conf.Positional[str]
    """Its name, lower-case words with hyphens between, as `word-sums`; also that of the folder, which
    must not exist."""


@dataclass(frozen=True)
class OneEnvFlags(DataFlags):
    """One environment, with what it is made of by flags and by keywords, each given once."""

    def __post_init__(self) -> None:
        """Check that no keyword is also a flag.

        Raises:
            ValueError: If one is.
        """
        super().__post_init__()
        for name in read_object(self.env_options, "env_options").keys() & APART:
            raise ValueError(f"`env_options` must leave out {name}, which has a flag of its own")


APART = {"preset", "levels", "split"}


@dataclass(frozen=True)
class EvalConfig(RayFlags, ThreadFlags, DeviceFlags, TokenFlags, OneEnvFlags):
    """Score an agent on each level of an environment, or of all environments of a suite.

    Every answer is kept in a folder, with a report; the same command goes on where it was stopped.
    """

    suite: str | None = None
    """Suite of a paper: sec, e2h, soar, each with its protocol; turns, episodes of several turns; or all; by
    default the environment alone."""
    agent: str = "seedling"
    """Who answers: seedling, seedling:NAME, or hf:PATH for a folder or hub id; vllm:PATH, the same
    with vLLM; openai:URL#MODEL, a server; oracle, which gives the right answers; constant:TEXT, which
    always answers TEXT; random, which gives the right answer of another problem; simulated:WORLD, which
    is right about as often as a learner of that world of `edgewise compare` at its start; human, who is
    asked here; or MODULE:OBJECT, your own, see docs/evaluation.md."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the suite's or the
    environment's first."""
    levels: tuple[Count, ...] | None = None
    """Levels of the environment; by default all, also those that are kept out of training."""
    num_samples: Annotated[Count | None, tyro.conf.arg(aliases=["--samples"])] = None
    """Completions of each problem: for pass@1, and pass@k up to as many; by default as in the paper."""
    temperature: NotNegative | None = None
    """Temperature at which completions are sampled; 0 for greedy, by default the paper's."""
    plan: Annotated[ProblemsPlan, tyro.conf.OmitArgPrefixes] = field(default_factory=ProblemsPlan)
    """Which problems are asked."""
    server: ServerConfig = field(default_factory=ServerConfig)
    """How a server is asked."""
    output: Path | None = None
    """Folder of all answers, with summary and report; by default one in runs/. What it has already
    is not asked again."""

    def __post_init__(self) -> None:
        """Check what goes with a suite, and how many answers are asked for."""
        super().__post_init__()
        check_held(num_samples=self.num_samples or 1, num_problems=self.plan.num_problems)
        if self.suite is not None and self.env_options != "{}":
            raise ValueError(f"`env_options` must be left out with a suite, got {self.env_options}")

    def check_names(self) -> None:
        """Check the agent and the suite."""
        super().check_names()
        check_agent(self.agent)
        if self.suite is not None:
            parts_of(self.suite)

    def check_problems(self) -> None:
        """Make the environment as it will be asked."""
        super().check_problems()
        if self.suite is None:
            options = read_options(self.env_options, [self.env], self.data)
            preset = preset_for(self.agent, self.env, self.preset)
            split = self.plan.split
            check_data(self.env, preset=preset, split=split, levels=self.levels, **options)


@dataclass(frozen=True)
class ProfileConfig(
    FileFlags, RayFlags, ThreadFlags, EngineFlags, DeviceFlags, TokenFlags, OneEnvFlags
):
    """Measure the pass rate of each problem, one JSON line each; an existing file is resumed."""

    game: str | None = None
    """Game of SOAR: llama-math, llama-harp or seedling, whose students are asked as it asks them. Its
    environment, split, prompt, temperature and tokens, all problems of a data set, and --fail-at 128."""
    agent: str = "seedling"
    """Model to measure with: seedling, seedling:NAME, or hf:PATH for a folder or hub id; or
    simulated:WORLD, a learner of that world of `edgewise compare` at its start."""
    output: Path = Path("profile.jsonl")
    """File for the lines, for `ProblemSet-v0`."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: Levels | None = None
    """Levels of the environment; by default all that are not kept out of training."""
    num_levels: Count = 4
    """Parts of equal size, by error rate, into which a profile is divided; in the summary at the end."""
    temperature: NotNegative | None = None
    """Temperature at which completions are sampled; by default the game's, or E2H's 0.8."""
    fail_at: Count | None = None
    """Also write the problems that are never solved in so many completions, which is then the
    number of completions, in two halves beside the output: -hard-train and -hard-test; SOAR's is 128."""
    plan: Annotated[ProfilePlan, tyro.conf.OmitArgPrefixes] = field(default_factory=ProfilePlan)
    """What is asked of each problem."""

    def __post_init__(self) -> None:
        """Check that a game is a known one, and that it has its own flags."""
        super().__post_init__()
        if self.game is not None and self.game not in GAMES:
            raise ValueError(unknown("game", self.game, GAMES))
        for name in GAME_FLAGS:
            if self.game is not None and getattr(self, name) != DEFAULTS[name]:
                raise ValueError(f"`{name}` must be left out with `game`, which has its own")

    def check_names(self) -> None:
        """Check the agent, which is a model or needs none."""
        super().check_names()
        if is_scripted(self.agent):
            check_agent(self.agent)
        elif not is_own(self.agent):
            model_path(self.agent)

    def check_problems(self) -> None:
        """Make the environment as it will be measured."""
        super().check_problems()
        own = self.resolved
        options = read_options(own.env_options, [own.env], own.data)
        preset = preset_for(own.agent, own.env, own.preset)
        split = own.plan.split
        check_data(own.env, preset=preset, split=split, levels=own.levels, **options)

    @property
    def resolved(self) -> ProfileConfig:
        """Return the config with what the game sets, but for the number of problems."""
        if self.game is None:
            return replace(self, temperature=0.8 if self.temperature is None else self.temperature)
        game = GAMES[self.game]
        given = read_options(self.env_options, [game.env])
        words = game.exam.template.replace("{", "{{").replace("}", "}}")  # it is no format
        asked = words.replace("{{problem}}", game.question)
        return replace(
            self,
            game=None,
            env=game.env,
            preset=game.preset,
            env_options=json.dumps({"template": asked, "frame": asdict(game.exam.frame), **given}),
            temperature=game.student.temperature,
            max_tokens=game.student.max_tokens,
            fail_at=self.fail_at or FAIL_AT,
            plan=replace(self.plan, split=game.split),
        )


FAIL_AT = 128  # completions, of SOAR
GAME_FLAGS = ("env", "preset", "levels", "temperature", "max_tokens")
DEFAULTS = {item.name: item.default for item in fields(ProfileConfig)}


@dataclass(frozen=True)
class ReplayConfig(Flags):
    """Recompute what the curriculum of a run did from its group records, and compare.

    Prints a line if all agrees; else the first step and arm that differ, and the exit code is 2.
    """

    run: tyro.conf.Positional[Path]
    """Folder of the run."""

    def check_folders(self) -> None:
        """Check that it is one of a run."""
        super().check_folders()
        check_kind(self.run, None, TRAIN, TRL, VERL)
        check_begun(self.run, None)


@dataclass(frozen=True)
class ReportConfig(FileFlags):
    """Write the report of a folder anew, or compare two runs or two evaluations, problem by problem.

    Markdown is printed as it is, so that it can be piped into a file.
    """

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """One folder of a training run, which may still be going on, also through TRL or verl, of a game of
    SOAR, of an evaluation or of a comparison; or two of runs, or of evaluations, to compare the second
    with the first."""
    output: Path | None = None
    """Markdown file for a comparison, with a picture of the arms of two runs beside it; by default it is
    only printed."""
    seed: Natural = 0
    """Seed of everything that is drawn: by the tests of a comparison."""

    def check_folders(self) -> None:
        """Check that there are one or two, and that these are there."""
        super().check_folders()
        if len(self.folders) > 2:
            raise ValueError(f"`folders` must be one or two, got {len(self.folders)}")
        for folder in self.folders:
            if folder.suffix != ".json" and kind_of(folder) is None:
                check_begun(folder, None)


@dataclass(frozen=True)
class ViewConfig(FileFlags):
    """Show a folder as a page: curves with intervals, arms, tables, and transcripts to browse.

    Without --output it is served to this computer alone until Ctrl-C, and made anew at every load, so
    that a run can be watched.
    """

    folder: tyro.conf.Positional[Path]
    """Of a training run, also through TRL or verl, which may still be going on, of a game of SOAR, of
    an evaluation, or of a comparison."""
    output: Path | None = None
    """HTML file to write instead, which needs no other file and no network."""
    port: Port | None = None
    """Port to listen at; that of 127.0.0.1, by default any that is free."""

    def __post_init__(self) -> None:
        """Check that the port is needed.

        Raises:
            ValueError: If it is not, or there is no such port.
        """
        super().__post_init__()
        if self.port is not None and self.output is not None:
            raise ValueError("`port` must be left out with `output`, which serves nothing")


@dataclass(frozen=True)
class PushConfig(Flags):
    """Push a trained model with its card and metrics to a hub, or problems that `edgewise export` wrote.

    Only safetensors, configs, the tokenizer, the card and metrics go, in one commit. The hub is that of
    HF_ENDPOINT, by default huggingface.co; its token comes from HF_TOKEN or `hf auth login`.
    """

    path: tyro.conf.Positional[Path]
    """Folder of a finished run of train or trl, or the .jsonl or .parquet file of an export."""
    repo: str | None = None
    """Repository to push to, OWNER/NAME; it is made if there is none. Needed but for --dry-run."""
    best: bool = False
    """Push the model with the best validation score instead of that of the end, see --eval-every."""
    license: str | None = None
    """Identifier of the licence, such as apache-2.0, for the card; by default the card says nothing."""
    private: bool = False
    """Make the repository one that only you see."""
    dry_run: bool = False
    """Show the card, the files and their sizes, and send nothing."""

    def __post_init__(self) -> None:
        """Check the repository.

        Raises:
            ValueError: If it is needed and left out, or is none.
        """
        super().__post_init__()
        if self.repo is None and not self.dry_run:
            raise ValueError("`repo` must be OWNER/NAME, got none; --dry-run shows what would go")
        if self.repo is not None:
            check_repo(self.repo)

    @property
    def name(self) -> str:
        """Return the repository, of a dry run also without one."""
        return self.repo or f"OWNER/{self.path.absolute().name.partition('.')[0]}"


@dataclass(frozen=True)
class LeaderboardConfig(FileFlags):
    """Write leaderboard.md and leaderboard.html from the results in a folder."""

    written: ClassVar[str] = "readme"

    folder: tyro.conf.Positional[Path] = Path("benchmarks/results")
    """Has a folder for each result, with the config.json and summary.json of an evaluation."""
    readme: Path | None = None
    """Markdown file in which the tables replace what stands between the marks of the leaderboard."""
