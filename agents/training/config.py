"""What a training run is asked to do.

The keywords of an environment that the command line, configs and recipes give as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from edgewise.agents.policies.chat import ChatOptions, read_chat_options
from edgewise.agents.policies.model_card import made_for, model_path
from edgewise.agents.policies.options import LogProbs, Precision
from edgewise.agents.training.evaluation import EvaluationPlan
from edgewise.agents.training.prompt_limit import UNLIMITED
from edgewise.agents.training.recipe_file import read_recipe
from edgewise.errors import shown
from edgewise.fields import build
from edgewise.files import about
from edgewise.json_text import parse_json
from edgewise.names import MAX_BYTES, MAX_DEPTH, read_keywords
from edgewise.registration import check_id
from edgewise.wrappers import make_rule
from edgewise.wrappers.rules.rule_record import as_begun

UNRECORDED: dict[str, Any] = {  # what runs of Edgewise 0.1 did, whose records do not say it
    "max_prompt_tokens": UNLIMITED,
    "logprobs": "raw",
    "chat_template_kwargs": "{}",
    "chat_date": None,
}
SEC_SIZE = {"num_steps": 240, "num_problems": 256, "group_size": 8, "learning_rate": 1e-6}


@dataclass(frozen=True)
class TrainConfig:
    """Train a language model on an environment, under a curriculum."""

    recipe: Path | None = None
    """JSON file of flags, such as recipes/sec-qwen2.5-3b.json; flags given beside it win."""
    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or several, with commas between."""
    curriculum: str = "sec"
    """Rule that chooses what is posed, with its arguments: sec, sec:temperature=0.4, random ..."""
    pool_size: int = 1000
    """Problems that rules over problems, such as plr and mopps, choose from; at least a batch."""
    algorithm: str = "grpo"
    """Algorithm, with its arguments: grpo, rloo, ppo, reinforce, reinforce++, ppo:num_epochs=2 ..."""
    agent: str = "seedling"
    """Model to train: seedling, seedling:NAME, or hf:PATH for a folder or hub id."""
    data: str | None = None
    """Folder or file of an environment that reads data, or hub; by default EDGEWISE_DATA."""
    env_options: str = "{}"
    """Further keywords of the environment, JSON: {"partition": "soar"}, {"interactive": true}."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: tuple[int, ...] | None = None
    """Levels to train on; by default all that are not kept out of training."""
    num_steps: int | None = None
    """Training steps, one batch each; by default the model's own number, else 240, as in SEC."""
    num_problems: int | None = None
    """Problems in a batch, P; by default the model's own number, else 256, as in SEC."""
    group_size: int | None = None
    """Completions of each problem, G; by default the model's own number, else 8, as in SEC."""
    learning_rate: float | None = None
    """Learning rate of AdamW; by default the model's own, else 1e-6, as in SEC."""
    temperature: float = 1.0
    """Temperature at which completions are sampled."""
    max_tokens: int | None = None
    """Longest completion in tokens; by default the preset's."""
    max_prompt_tokens: int | None = None
    """Longest prompt in tokens; problems with longer ones are left out. By default the preset's; 0 for
    any length."""
    logprobs: LogProbs = "sampled"
    """Log-probabilities that losses are of: those of the distribution that was sampled, its temperature
    included, or raw, those of the model at temperature 1."""
    stop: Literal["preset", "none"] = "preset"
    """Where completions end that are trained on: at the preset's stop strings, as in evaluations, or at
    none, as in E2H's released training, so that what follows an answer can spoil it."""
    chat_template_kwargs: str = "{}"
    """What the chat template of the model is told, JSON: {"enable_thinking": false}."""
    chat_date: str | None = None
    """Day that chat templates take for today, YYYY-MM-DD; by default that on which the run begins."""
    seed: int = 0
    """Seed of problems, arms and sampled tokens."""
    output: Path | None = None
    """Folder of the run, which must not exist; by default a new one under runs/."""
    resume: Path | None = None
    """Folder of a run to continue where it stopped; other flags must be left out."""
    checkpoint_every: int = 20
    """Steps between checkpoints; at most so many are done again after a kill."""
    keep_checkpoints: int = 2
    """How many of the last checkpoints are kept."""
    evaluate: bool = True
    """Whether to score every level of the test split before and after training."""
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level."""
    dtype: Precision = "float32"
    """Precision of the weights; with bfloat16 the optimiser has a copy in float32."""
    decode_dtype: Precision | None = None
    """Precision of the weights that sample, also test problems, of a small model; by default the others'.
    With another one, losses are corrected for it. bfloat16 costs time without processor support."""
    lora_rank: int | None = None
    """Rank of adapters, which alone are trained, 32 in E2H; by default the whole model is."""
    lora_alpha: float | None = None
    """What adapters are multiplied by, times their rank; by default twice the rank, as in E2H."""
    lora_targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Matrices with adapters, by the ends of their names; queries and values, as in E2H."""
    gradient_checkpointing: bool = False
    """Whether passes are computed again for the gradient, which takes less memory and more time."""
    sharding: Literal["none", "fsdp"] = "none"
    """How several processes hold the model: each all of it, or with fsdp a part, with its gradients
    and optimiser."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model computes."""
    engine: str = "transformers"
    """What samples: transformers, vllm, vllm:max_length=2048, or the URL of a vLLM server."""
    engine_folder: Path | None = None
    """Where a vLLM server reads new weights; by default a temporary folder, on the same machine."""
    threads: int = 1
    """Threads of torch; one is fastest for a small model on a busy machine."""

    def __post_init__(self) -> None:
        """Check what nothing else checks."""
        counts = ("num_steps", "num_problems", "group_size", "max_tokens")
        for name in (*counts, "lora_rank", "checkpoint_every", "keep_checkpoints", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        if self.sharding == "fsdp" and self.lora_rank is not None:
            raise ValueError(
                f"`lora_rank` must be left out with `sharding` fsdp, got {self.lora_rank}; "
                "the gradients and the optimiser of adapters are small"
            )
        if self.decode_dtype is not None and (self.engine, self.sharding) != (
            "transformers",
            "none",
        ):
            raise ValueError(
                f"`decode_dtype` must be left out with an `engine` or `sharding`, got {self.decode_dtype}"
            )
        read_options(self.env_options, self.env.split(","))
        if self.max_prompt_tokens is not None and self.max_prompt_tokens < 0:
            raise ValueError(
                f"`max_prompt_tokens` must be at least 0, got {self.max_prompt_tokens}"
            )
        read_chat_options(self.chat_date, self.chat_template_kwargs)
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")

    @property
    def chat(self) -> ChatOptions:
        """Return what chat templates are told."""
        return read_chat_options(self.chat_date, self.chat_template_kwargs)

    @property
    def keywords(self) -> dict[str, Any]:
        """Return the keywords of the environments, but for preset and levels."""
        return read_options(self.env_options, self.env.split(","), self.data)


def complete(config: TrainConfig) -> TrainConfig:
    """Fill in what is left open from what the model was made for, else with the size of SEC's runs.

    Raises:
        ValueError: If the agent does not exist.
    """
    card = made_for(config.agent)
    defaults = {**SEC_SIZE, **card["train"]}
    if set(config.env.split(",")) <= set(card["envs"]):
        defaults["preset"] = card["preset"]
    given = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    return replace(config, **given)


def default_output(config: TrainConfig) -> Path:
    """Return the first free folder runs/ENV-CURRICULUM-ALGORITHM-sSEED[-N]."""
    envs = config.env.replace("-v0", "").replace(",", "-").lower()
    parts = (envs, config.curriculum.split(":")[0], config.algorithm.split(":")[0])
    name = "-".join([*parts, f"s{config.seed}"])
    names = [name, *(f"{name}-{number}" for number in range(2, 1_000))]
    return next(path for path in map(Path("runs").joinpath, names) if not path.exists())


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    """Return the config of a run that has begun; what it leaves out has its default.

    Raises:
        ValueError: If a value is refused.
    """
    kept = {name: record[name] for name in TrainConfig.__dataclass_fields__ if name in record}
    config = build(TrainConfig, kept)
    for env_id in config.env.split(","):
        check_id(env_id)
    return config


def from_run(record: Mapping[str, Any]) -> TrainConfig:
    """Return the config of a run that has begun, as it was meant when it began."""
    before = {name: value for name, value in UNRECORDED.items() if name not in record}
    config = replace(from_record(record), **before)
    algorithm, arguments = config.algorithm, record.get("hyperparameters", {})
    if arguments.get("kl_coef") and "kl_weighted" not in arguments and algorithm.startswith("grpo"):
        algorithm += ":kl_weighted=true"
    curriculum = as_begun(config.curriculum, record.get("rule", {}))
    return replace(config, curriculum=curriculum, algorithm=algorithm)


def from_recipe(path: Path) -> TrainConfig:
    """Return the config in a JSON file; what it leaves out has its default.

    Raises:
        FileError: If there is no such file, or it has other fields than flags, or a value is refused.
    """
    config = read_recipe(TrainConfig, path)
    with about(path):
        for env_id in config.env.split(","):
            check_id(env_id)
        make_rule(config.curriculum, config.num_steps or 1)
        model_path(config.agent)
    return config


def read_options(text: str, env_ids: Sequence[str], data: str | None = None) -> dict[str, Any]:
    """Return the keywords that `text` gives, and `data` if it is not None.

    >>> read_options('{"partition": "soar"}', ["MATH-v0"], data="files")
    {'partition': 'soar', 'data': 'files'}

    Args:
        text: JSON, an object.
        env_ids: The environments that all take them; only checked where there are keywords.
        data: Where the data is.

    Raises:
        ValueError: If `text` is no JSON object, or names anything but parts of a preset, levels, a
            split and declared fields of the tasks, or a value is of another type.
    """
    options = read_object(text, "env_options")
    for env_id in env_ids if options else ():
        options = read_keywords(env_id, options, "env_options")
    return options if data is None else {**options, "data": data}


def read_object(text: str, argument: str) -> dict[str, Any]:
    """Return the object that a text of JSON is.

    Raises:
        ValueError: If it is none.
    """
    try:
        options = parse_json(text, argument, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except ValueError as error:
        raise ValueError(
            f'`{argument}` must be JSON with names, such as {{"interactive": true}}: {error}'
        ) from error
    if not isinstance(options, dict):
        raise ValueError(
            f'`{argument}` must be JSON with names, such as {{"interactive": true}}, '
            f"got {shown(text)}"
        )
    return options
