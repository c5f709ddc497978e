"""The flags of a training run with verl; imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import tyro
import yaml

from edgewise.agents.algorithms.config import Count, Natural, Positive
from edgewise.agents.training.flags import (
    BatchFlags,
    CurriculumFlags,
    KeywordFlags,
    RecipeFlags,
    TokenFlags,
)
from edgewise.agents.training.parts import CurriculumPart, Problems
from edgewise.agents.training.recipe_file import read_options, read_recipe
from edgewise.errors import shown
from edgewise.files import FileError, about, read_text

MAX_CHARACTERS = 100_000
FLOAT = "tag:yaml.org,2002:float"


class Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
    """Makes texts, numbers, truth values, lists and mappings, and refuses aliases and keys given twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Read a node that is written out."""
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="an alias", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Make a mapping in which no key occurs twice."""
        names = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in names[:place]:
                mark = key.start_mark
                raise yaml.MarkedYAMLError(
                    problem=f"{shown(key.value)} a second time", problem_mark=mark
                )
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(  # 1e-6, which YAML 1.1 takes for a text
    FLOAT, re.compile(r"[-+]?[0-9]+([.][0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        FileError: If there is no such file, or it holds anything else, or more than a recipe does.
    """
    text = read_text(path)
    if len(text) > MAX_CHARACTERS:
        raise FileError(
            f"{path}: must have at most {MAX_CHARACTERS:,} characters, got {len(text):,}"
        )
    try:
        found = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        what = getattr(error, "problem", None) or "something else"
        raise FileError(f"{path}:{line}: must be YAML, got {what}") from error
    except (RecursionError, ValueError) as error:
        raise FileError(f"{path}: must be YAML of a recipe, got {error}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise FileError(f"{path}:1: must be a mapping of names, got {type(found).__name__}")
    return found


if TYPE_CHECKING:
    from edgewise.agents.algorithms.rollout import Envs


@dataclass(frozen=True)
class VerlConfig(TokenFlags, BatchFlags, CurriculumFlags, KeywordFlags, RecipeFlags):
    """Train a language model with verl, on Ray, on problems that a curriculum poses.

    Words without dashes are settings of verl, such as trainer.logger=[console,wandb], and win.
    """

    not_in_recipes: ClassVar[frozenset[str]] = frozenset({"print", "overrides"})

    overrides: tyro.conf.Positional[tuple[str, ...]] = ()
    """Settings of verl as its own command line takes them: critic.optim.lr=1e-5 ..."""
    recipe: Path | None = None
    """Recipe, a YAML file of flags: recipes/verl/sec-qwen2.5-3b.yaml; flags given beside it win."""
    print: bool = False
    """Print verl's own command line, and do no more."""
    model: Annotated[str, tyro.conf.arg(name="agent", aliases=["--model"])] = "Qwen/Qwen2.5-3B"
    """Model to train: hf:PATH for a folder or hub id, or that alone."""
    algorithm: Literal["grpo", "rloo", "ppo"] = "grpo"
    """What verl computes advantages by; ppo has a critic."""
    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or MODULE:ID, one that a module of your own registers,
    also in the working folder; several with commas between."""
    feedback: Literal["buffer", "trainer"] = "buffer"
    """What tells the rule of |A|: verl's buffer, |A| of the rewards, with verl's own trainer; or a
    trainer of ours, which tells verl's own |A|."""
    loop: Literal["edgewise", "verl"] = "edgewise"
    """What poses and verifies: our agent loop, also in turns; or verl's, with our reward function."""
    num_steps: Count = 240
    """Training steps, one batch each; the rule learns from each batch."""
    num_problems: Count = 256
    """Problems in a batch, P; that of all GPUs."""
    num_minibatches: Count = 1
    """Updates of the weights for each batch."""
    learning_rate: Positive = 1e-6
    """Learning rate of AdamW; that of verl's actor."""
    engine: Literal["vllm", "sglang"] = "vllm"
    """What samples."""
    num_gpus: Count = 8
    """GPUs of a machine."""
    num_machines: Count = 1
    """Machines of the Ray cluster."""
    checkpoint_every: Count = 20
    """Steps between checkpoints; at most so many are done again after a kill."""
    eval_every: Count | None = None
    """Steps between validations, the first before training; by default there is none."""
    num_test: Count = 100
    """Problems of each level of a validation, the first of the fixed set of the test split."""
    arguments: str = "{}"
    """Further arguments of the framework, JSON: settings of verl, nested as in its config:
    {"trainer": {"logger": ["console"]}}."""
    seed: Natural = 0
    """Seed of everything that is drawn: problems, arms and, with vLLM, sampled tokens."""
    output: Path = Path("runs/verl")
    """Folder of the run, and of verl's checkpoints; all machines must see it."""
    resume: bool = False
    """Whether to continue the run in `output` from its last checkpoint."""

    def __post_init__(self) -> None:
        """Check the counts."""
        super().__post_init__()
        object.__setattr__(self, "model", self.model.removeprefix("hf:"))
        for word in self.overrides:
            if "=" not in word and not word.startswith("~"):  # which takes a setting away
                raise ValueError(
                    "`overrides` must be settings of verl, NAME=VALUE such as trainer.logger=[console], "
                    f"got {word!r}"
                )
        if self.num_problems % self.num_minibatches:
            raise ValueError(
                f"`num_problems` must be a multiple of {self.num_minibatches}, the updates of a "
                f"batch, got {self.num_problems}"
            )

    @classmethod
    def from_recipe(cls, path: Path) -> Self:
        """Read the flags from a YAML recipe; missing ones get their defaults.

        Raises:
            FileError: If there is no such file, it has a field that is no flag, or a value is refused.
        """
        config = read_recipe(cls, path, read_yaml)
        with about(path):
            config.check_names()
        return config

    @property
    def rule(self) -> CurriculumPart:
        """Return the rule that chooses what is posed."""
        return CurriculumPart(self.curriculum, self.num_steps, self.pool_size)

    def problems(self, split: str = "train") -> Problems:
        """Return the environments of a split.

        Raises:
            ValueError: If there are none of that name, or they refuse their keywords.
        """
        ids = tuple(self.env.split(","))
        keywords = read_options(self.env_options, ids)
        return Problems(ids, self.preset, keywords={"split": split, **keywords})

    def envs(self) -> Envs:
        """Return the training environments, without a prompt format and a curriculum.

        Raises:
            ValueError: If there are none of that name, or they refuse their arguments.
        """
        return self.problems().make(self.num_problems, self.group_size)
