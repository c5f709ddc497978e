"""Flags that commands have in common, as dataclasses to inherit from; imports no torch.

A command declares anew what means something else to it, or has another default.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from edgewise.agents.algorithms.config import (
    BelowOne,
    Count,
    Discount,
    Natural,
    Positive,
    Workers,
    check,
)
from edgewise.agents.policies.chat import ChatOptions, read_chat_options
from edgewise.agents.policies.memory import MAX_TOKENS_PER_PASS
from edgewise.agents.policies.options import OWN, Precision, check_engine
from edgewise.agents.training.folder_kind import check_begun, check_free, check_kind
from edgewise.agents.training.recipe_file import read_object, read_recipe
from edgewise.attempts import attempt_record
from edgewise.files import about
from edgewise.lock import LOCK, locked
from edgewise.ray_cluster import check_address, check_reachable
from edgewise.registration import check_id
from edgewise.tools import tool_record
from edgewise.wrappers import make_rule
from edgewise.wrappers.allocation import make_allocation

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Flags:
    """Base of the flags that commands share."""

    def __post_init__(self) -> None:
        """Check every value by its declared type; each class adds what goes with what."""
        check(self)

    def check_folders(self) -> None:
        """Raise ValueError if a folder to read is not there, or one to write is taken."""

    def check_names(self) -> None:
        """Raise ValueError if a flag names something that is not registered."""

    def check_problems(self) -> None:
        """Raise ValueError if the environment refuses its preset, levels or keywords."""


@dataclass(frozen=True)
class EnvFlags(Flags):
    """The environment and its preset."""

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or MODULE:ID, one that a module of your own registers,
    also in the working folder."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the first."""

    def check_names(self) -> None:
        """Check the ids of the environments."""
        super().check_names()
        for env_id in self.env.split(","):
            check_id(env_id)


@dataclass(frozen=True)
class TurnFlags(Flags):
    """Attempts and tools."""

    attempts: Count | None = None
    """Attempts at a problem: a wrong answer gets its verdict and another try, see docs/turns.md."""
    explain: bool = False
    """Whether the verdict of a wrong attempt comes with the task's reason."""
    attempt_discount: Discount = 1.0
    """What multiplies the credit of a right answer for each attempt before it; below 1 a first one earns most."""
    tools: tuple[str, ...] = ()
    """Tools that a completion may call: calculator."""

    def __post_init__(self) -> None:
        """Check what goes with attempts."""
        super().__post_init__()
        if self.attempts is not None:
            return
        for name, default in (("explain", False), ("attempt_discount", 1.0)):
            if getattr(self, name) != default:
                raise ValueError(f"`{name}` must be left out without `attempts`")

    def turn_options(self) -> dict[str, Any]:
        """Return the keywords of an environment that these flags give."""
        options: dict[str, Any] = {}
        if self.attempts is not None:
            rules = {"discount": self.attempt_discount, "explain": self.explain}
            options["attempts"] = attempt_record({"most": self.attempts, **rules})
        if self.tools:
            options["tools"] = tool_record(self.tools)
        return options


@dataclass(frozen=True)
class KeywordFlags(TurnFlags, EnvFlags):
    """The environment, with keywords; those of attempts and tools are put among them."""

    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"partition": "soar"}, {"interactive": true}."""

    def __post_init__(self) -> None:
        """Put attempts and tools among the keywords.

        Raises:
            ValueError: If they are there already, and others.
        """
        super().__post_init__()
        options = self.turn_options()
        if not options:
            return
        before = read_object(self.env_options, "env_options")
        for name in options.keys() & before.keys():
            if before[name] != options[name]:
                raise ValueError(f"`{name}` must be given once, got it in `env_options` too")
        object.__setattr__(self, "env_options", json.dumps({**before, **options}))


@dataclass(frozen=True)
class DataFlags(KeywordFlags):
    """The environment, with keywords and data files."""

    data: str | None = None
    """Folder or file of an environment that reads data, or hub; by default EDGEWISE_DATA."""


@dataclass(frozen=True)
class CurriculumFlags(Flags):
    """The curriculum."""

    curriculum: str = "sec"
    """Rule that chooses what is posed, with its arguments: sec, sec:temperature=0.4, random; or
    MODULE:CLASS, one of your own, MODULE:CLASS:share=0.5."""
    pool_size: Count = 1000
    """Problems that rules over problems, such as plr and mopps, choose from; at least a batch."""
    allocation: str = "none"
    """What sizes the groups of a batch, of `group_size` on average, with its arguments: vip,
    vip:estimator=grpo, knapsack:most=32; none for groups of one size."""

    def check_names(self) -> None:
        """Check the rule, the allocation and their arguments."""
        super().check_names()
        make_rule(self.curriculum, getattr(self, "num_steps", None) or 1)
        make_allocation(self.allocation)


@dataclass(frozen=True)
class BatchFlags(Flags):
    """The size of a batch."""

    num_problems: Count = 16
    """Problems in a batch, P."""
    group_size: Count = 8
    """Completions of each problem, G."""


@dataclass(frozen=True)
class ChatFlags(Flags):
    """Variables of the chat template."""

    chat_template_kwargs: str = "{}"
    """Variables of the model's chat template, JSON: {"enable_thinking": false}."""
    chat_date: str | None = None
    """Day that chat templates take for today, YYYY-MM-DD; by default that on which the run begins."""

    def __post_init__(self) -> None:
        """Check the date and the JSON."""
        super().__post_init__()
        read_chat_options(self.chat_date, self.chat_template_kwargs)

    @property
    def chat(self) -> ChatOptions:
        """Return the variables of the chat template."""
        return read_chat_options(self.chat_date, self.chat_template_kwargs)


@dataclass(frozen=True)
class TokenFlags(ChatFlags):
    """The length of prompts and completions."""

    max_tokens: Count | None = None
    """Longest completion in tokens; by default the preset's."""
    max_prompt_tokens: Natural | None = None
    """Longest prompt in tokens; problems with longer ones are left out. By default the preset's; 0 for
    any length."""


@dataclass(frozen=True)
class AdapterFlags(Flags):
    """Adapters of low rank."""

    lora_rank: Count | None = None
    """Rank of adapters, which alone are trained, 32 in E2H; by default the whole model is."""
    lora_targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Matrices with adapters, by the ends of their names; queries and values, as in E2H."""


@dataclass(frozen=True)
class ScaledAdapterFlags(AdapterFlags):
    """Adapters of low rank, their scale and dropout."""

    lora_alpha: Positive | None = None
    """What adapters are multiplied by, times their rank; by default twice the rank, as in E2H."""
    lora_dropout: BelowOne = 0.0
    """Share of what adapters read that is dropped where there is a gradient; 0.1 in E2H."""

    def __post_init__(self) -> None:
        """Check that nothing is dropped where there are no adapters."""
        super().__post_init__()
        if self.lora_dropout and self.lora_rank is None:
            raise ValueError(
                f"`lora_dropout` must be left out without `lora_rank`, got {self.lora_dropout}"
            )


@dataclass(frozen=True)
class EngineFlags(Flags):
    """What samples the completions."""

    engine: str = OWN
    """What samples: transformers, vllm, vllm:max_length=2048, or the URL of a vLLM server."""
    engine_folder: Path | None = None
    """Where a vLLM server reads new weights; by default a temporary folder, on the same machine."""

    def check_names(self) -> None:
        """Check the engine and its arguments."""
        super().check_names()
        check_engine(self.engine)


@dataclass(frozen=True)
class DeviceFlags(Flags):
    """Device and precision of a model."""

    dtype: Precision = "float32"
    """Precision of the weights."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model computes."""


@dataclass(frozen=True)
class LearnerFlags(DeviceFlags):
    """Device, precision and memory of a model that is trained."""

    gradient_checkpointing: bool = False
    """Whether layers are computed again for the gradient, which takes less memory and more time."""
    max_tokens_per_pass: Count = MAX_TOKENS_PER_PASS
    """Tokens, padding included, that are learned from or scored at once; fewer take less memory. Halved
    when the memory runs out."""


@dataclass(frozen=True)
class ThreadFlags(Flags):
    """CPU threads."""

    threads: Workers = 1
    """Threads of torch; one is fastest for a small model on a busy machine."""


@dataclass(frozen=True)
class RayFlags(EnvFlags):
    """A Ray cluster, for an environment that its nodes know."""

    ray: str | None = None
    """Ray cluster that makes answers without a model and verifies: local, or local:CPUS, for one that is
    started here; auto, HOST:PORT or ray://HOST:PORT for one that is there; see docs/ray.md."""

    def __post_init__(self) -> None:
        """Check the address."""
        super().__post_init__()
        if self.ray is not None:
            check_address(self.ray)

    def check_names(self) -> None:
        """Check that the nodes know the environment: they import no module of the working folder."""
        if self.ray is not None and ":" in self.env:
            raise ValueError(
                "`env` must be an id that an installed package declares, for the nodes of `ray`, "
                f"got {self.env}; see docs/ray.md"
            )
        super().check_names()

    def check_problems(self) -> None:
        """Check that somebody listens at the address."""
        super().check_problems()
        if self.ray is not None:
            check_reachable(self.ray)


@dataclass(frozen=True)
class RunFlags(Flags):
    """The folder of a run."""

    beside_resume: ClassVar[frozenset[str]] = frozenset()  # flags allowed with --resume
    kind: ClassVar[str]  # of the runs that --resume continues

    output: Path | None = None
    """Folder of the run, which must not exist; by default a new one under runs/."""
    resume: Path | None = None
    """Folder of a run to continue where it stopped; other flags must be left out."""

    def check_folders(self) -> None:
        """Check that the run to continue is one, or that the folder of a new one is free."""
        if self.resume is not None:
            check_kind(self.resume, "resume", self.kind)
            check_begun(self.resume, "resume")
        elif self.output is not None:
            if (self.output / LOCK).exists():
                with locked(self.output):  # told before what is in it, if another process has it
                    pass
            check_free(self.output)

    @property
    def run_name(self) -> str:
        """Return the name of the run's folder under runs/, if that is free."""
        raise NotImplementedError

    @property
    def resumes(self) -> bool:
        """Return whether a run is to be continued."""
        return self.resume is not None

    def folder(self) -> Path:
        """Return the folder of the run: `resume`, `output`, or the first free runs/NAME[-N]."""
        chosen, name = self.resume or self.output, self.run_name
        names = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
        return chosen or next(
            path for path in map(Path("runs").joinpath, names) if not path.exists()
        )


@dataclass(frozen=True)
class RecipeFlags(Flags):
    """Flags that a JSON recipe can set."""

    recipe: Path | None = None
    """Recipe, a JSON file of flags: recipes/sec-qwen2.5-3b.json; flags given beside it win."""

    @classmethod
    def from_recipe(cls, path: Path) -> Self:
        """Read the flags from a JSON recipe; missing ones get their defaults.

        Raises:
            FileError: If there is no such file, it has a field that is no flag, or a value is refused.
        """
        config = read_recipe(cls, path)
        with about(path):
            config.check_names()
        return config


@dataclass(frozen=True)
class EvaluationPlan(Flags):
    """What is asked of each level."""

    num_problems: Count = 200
    """Problems of each level: the first of its fixed set."""
    num_samples: Count = 8
    """Completions of each problem: for pass@1."""
    k: Count = 32
    """Completions of each of the first problems, for pass@k."""
    num_pass_k: Natural = 50
    """How many problems those are."""
    split: Split = "test"
    """Split of the problems: validation or test; choose nothing by the test split."""
    seed: Natural = 0
    """Seed of everything that is drawn: sampled tokens."""


@dataclass(frozen=True)
class ValidationPlan(EvaluationPlan):
    """What is asked of each level while a run trains."""

    num_problems: Count = 50
    """Problems of each level: the first of its fixed set."""
    num_samples: Count = 4
    """Completions of each problem: for pass@1."""
    k: Count = 1
    """Completions of each of the first problems, for pass@k."""
    split: Split = "validation"
    """Split of the problems; not test, since a model is chosen by them."""

    def __post_init__(self) -> None:
        """Check the split."""
        super().__post_init__()
        if self.split == "test":
            raise ValueError("`split` must not be test: a model is chosen by its score")
