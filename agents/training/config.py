"""The config of a training run; its fields are read in this module alone, which makes typed parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

from edgewise.agents.algorithms.config import Count, Levels, Natural, Positive
from edgewise.agents.policies.chat import today
from edgewise.agents.policies.model_card import is_own, made_for, model_path
from edgewise.agents.policies.options import IMPORTANCE_CAP, OWN, LogProbs, Precision, Sampling
from edgewise.agents.training.flags import (
    CurriculumFlags,
    DataFlags,
    EngineFlags,
    EvaluationPlan,
    LearnerFlags,
    RecipeFlags,
    RunFlags,
    ScaledAdapterFlags,
    ThreadFlags,
    TokenFlags,
    ValidationPlan,
)
from edgewise.agents.training.folder_kind import TRAIN
from edgewise.agents.training.parts import (
    AdapterPart,
    AlgorithmPart,
    Batch,
    CheckpointPart,
    CurriculumPart,
    ModelPart,
    Problems,
    RecordPart,
    SamplingPart,
    Setup,
    ValidationPart,
    make_hyperparameters,
)
from edgewise.agents.training.prompt_limit import UNLIMITED
from edgewise.agents.training.recipe_file import from_fields, read_options
from edgewise.agents.training.tracking import TrackerName, check_trackers
from edgewise.files import about, read_json
from edgewise.problem_set import check_data
from edgewise.registration import short_id
from edgewise.wrappers.rules.catalogue import named
from edgewise.wrappers.rules.rule_record import as_begun, kinds_of

UNRECORDED: dict[str, Any] = {  # what runs of Edgewise 0.1 did, whose records do not say it
    "max_prompt_tokens": UNLIMITED,
    "logprobs": "raw",
    "chat_template_kwargs": "{}",
    "chat_date": None,
}
SEC_SIZE = {"num_steps": 240, "num_problems": 256, "group_size": 8, "learning_rate": 1e-6}


@dataclass(frozen=True)
class TrainConfig(
    RunFlags,
    ThreadFlags,
    EngineFlags,
    ScaledAdapterFlags,
    LearnerFlags,
    TokenFlags,
    CurriculumFlags,
    DataFlags,
    RecipeFlags,
):
    """Train a language model on an environment, under a curriculum.

    Example:
        >>> config = TrainConfig(curriculum="random", algorithm="rloo", num_steps=10)
        >>> setup = complete(config).setup  # what is left open is what the model was made for
        >>> setup.problems.preset, setup.batch.num_steps, setup.model.agent
        ('seedling', 10, 'seedling')
    """

    kind: ClassVar[str] = TRAIN

    env: str = "Countdown-v0"
    """Environment id, as `edgewise list` prints them, or MODULE:ID, one that a module of your own registers,
    also in the working folder; several with commas between."""
    algorithm: str = "grpo"
    """Algorithm, with its arguments: grpo, rloo, ppo, reinforce, reinforce++, ppo:num_epochs=2 ..."""
    agent: str = "seedling"
    """Model to train: seedling, seedling:NAME, hf:PATH for a folder or hub id, or MODULE:FUNCTION, your own,
    which returns a model of transformers and its tokenizer."""
    preset: str | None = None
    """Ladder of levels and prompts; by default the one the model was made for, else the first."""
    levels: Levels | None = None
    """Levels of the environment; by default all that are not kept out of training."""
    num_steps: Count | None = None
    """Training steps, one batch each; by default the model's own number, else 240, as in SEC."""
    num_problems: Count | None = None
    """Problems in a batch, P; by default the model's own number, else 256, as in SEC."""
    group_size: Count | None = None
    """Completions of each problem, G; by default the model's own number, else 8, as in SEC."""
    learning_rate: Positive | None = None
    """Learning rate of AdamW; by default the model's own, else 1e-6, as in SEC."""
    temperature: Positive = 1.0
    """Temperature at which completions are sampled."""
    logprobs: LogProbs = "sampled"
    """Log-probabilities that losses are of: those of the distribution that was sampled, its temperature
    included, or raw, those of the model at temperature 1."""
    stop: Literal["preset", "none"] = "preset"
    """Where completions end that are trained on: at the preset's stop strings, as in evaluations, or at
    none, as in E2H's released training, so that what follows an answer can spoil it."""
    seed: Natural = 0
    """Seed of everything that is drawn: problems, arms and sampled tokens."""
    checkpoint_every: Count = 20
    """Steps between checkpoints; at most so many are done again after a kill."""
    keep_checkpoints: Count = 2
    """How many of the last checkpoints are kept."""
    keep_samples: Natural = 4
    """Completions of each step that are kept as text in samples.jsonl, chosen by arm and outcome."""
    track: tuple[TrackerName, ...] = ("tensorboard",)
    """Where metrics go beside metrics.jsonl: tensorboard, wandb, trackio, several of them, or none."""
    evaluate: bool = True
    """Whether to score every level of the test split before and after training."""
    evaluation: EvaluationPlan = field(default_factory=EvaluationPlan)
    """What is asked of each level."""
    eval_every: Count | None = None
    """Steps between validations, the first before training; by default there is none. The model with the
    best mean score is kept in the folder best/ of the run, for --agent hf:RUN/best."""
    validation: ValidationPlan = field(default_factory=ValidationPlan)
    """What is asked of each level then."""
    patience: Count | None = None
    """Validations without a better score after which training ends; by default it goes on."""
    dtype: Precision = "float32"
    """Precision of the weights; with bfloat16 the optimiser has a copy in float32."""
    decode_dtype: Precision | None = None
    """Precision of the weights that sample, also test problems, of a small model; by default the others'.
    With another one, losses are corrected for it. bfloat16 costs time without processor support."""
    sharding: Literal["none", "fsdp"] = "none"
    """How several processes hold the model: each all of it, or with fsdp a part, with its gradients
    and optimiser."""

    def __post_init__(self) -> None:
        """Validate combinations of flags."""
        super().__post_init__()
        check_trackers(self.track)
        if self.patience is not None and self.eval_every is None:
            raise ValueError(
                f"`patience` must be left out without `eval_every`, got {self.patience}"
            )
        if self.sharding == "fsdp" and self.lora_rank is not None:
            raise ValueError(
                f"`lora_rank` must be left out with `sharding` fsdp, got {self.lora_rank}; "
                "the gradients and the optimiser of adapters are small"
            )
        if self.decode_dtype is not None and (self.engine, self.sharding) != (OWN, "none"):
            raise ValueError(
                f"`decode_dtype` must be left out with an `engine` or `sharding`, got {self.decode_dtype}"
            )
        read_options(self.env_options, self.env.split(","))

    def check_names(self) -> None:
        """Validate the names of environments, rule and model."""
        super().check_names()
        if not is_own(self.agent):
            model_path(self.agent)

    def check_problems(self) -> None:
        """Make each environment as it will be trained on, and the algorithm's hyperparameters."""
        config = complete(self)
        problems = config.problems
        with self.source("algorithm"):
            make_hyperparameters(config.setup.algorithm, Sampling())
        for env_id in problems.ids:
            check_data(env_id, **problems.options(levels=problems.levels))

    def source(self, name: str) -> AbstractContextManager[None]:
        """Prefix errors about the flag `name` with the path of the recipe that sets it."""
        if self.recipe is None or read_json(self.recipe).get(name) != getattr(self, name):
            return nullcontext()
        return about(self.recipe)

    @property
    def run_name(self) -> str:
        """Return ENV-CURRICULUM-ALGORITHM-sSEED."""
        ids = ",".join(map(short_id, self.env.split(",")))
        envs = ids.replace("-v0", "").replace(",", "-").lower()
        rule = short_id(named(self.curriculum, kinds_of("rule"))).lower()
        parts = (envs, rule, self.algorithm.split(":")[0])
        return "-".join([*parts, f"s{self.seed}"])

    @property
    def problems(self) -> Problems:
        """Return the environments and the problems that are trained on."""
        ids = tuple(self.env.split(","))
        keywords = read_options(self.env_options, ids, self.data)
        return Problems(ids, self.preset, self.levels, keywords, self.data)

    @property
    def setup(self) -> Setup:
        """Return the parts of the run; `complete` must have filled in the config.

        Raises:
            ValueError: If a part of it is refused, or a size is not given.
        """
        for name in SEC_SIZE:
            if getattr(self, name) is None:
                raise ValueError(f"`{name}` must be given, got nothing")
        assert self.num_steps and self.num_problems and self.group_size
        assert self.learning_rate is not None
        batch = Batch(self.num_steps, self.num_problems, self.group_size, self.allocation)
        allotment = batch.allotment
        return Setup(
            problems=self.problems,
            batch=batch,
            curriculum=CurriculumPart(self.curriculum, self.num_steps, self.pool_size),
            algorithm=AlgorithmPart(
                algorithm=self.algorithm,
                num_steps=self.num_steps,
                group_size=self.group_size,
                learning_rate=self.learning_rate,
                seed=self.seed,
                least_size=self.group_size if allotment is None else allotment.allocation.least,
                importance_cap=None if self.samples_itself else IMPORTANCE_CAP,
                stops=self.stop == "preset",
            ),
            sampling=SamplingPart(
                self.temperature, self.max_tokens, self.max_prompt_tokens, self.logprobs
            ),
            model=self.model,
            checkpoints=CheckpointPart(self.checkpoint_every, self.keep_checkpoints),
            records=RecordPart(self.keep_samples, self.track),
            evaluate=self.evaluate,
            evaluation=self.evaluation,
            validation=None
            if self.eval_every is None
            else ValidationPart(self.eval_every, self.validation, self.patience),
            seed=self.seed,
            threads=self.threads,
        )

    @property
    def samples_itself(self) -> bool:
        """Return whether the learner's own weights sample the completions."""
        return self.engine == OWN and self.decode_dtype in (None, self.dtype)

    @property
    def model(self) -> ModelPart:
        """Return the model, its precision and adapters, and its engine."""
        return ModelPart(
            agent=self.agent,
            dtype=self.dtype,
            device=self.device,
            chat=self.chat,
            adapters=AdapterPart.of(self),
            gradient_checkpointing=self.gradient_checkpointing,
            max_tokens_per_pass=self.max_tokens_per_pass,
            sharded=self.sharding == "fsdp",
            decode_dtype=self.decode_dtype,
            engine=self.engine,
            engine_folder=self.engine_folder,
            endless=self.max_prompt_tokens == UNLIMITED,
        )

    def record(self) -> dict[str, Any]:
        """Return the config as JSON types."""
        record: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return record


def complete(config: TrainConfig) -> TrainConfig:
    """Fill in unset fields from the model's card, else with the sizes of SEC's runs.

    Raises:
        ValueError: If the agent does not exist.
    """
    card = made_for(config.agent)
    defaults = {**SEC_SIZE, **card["train"]}
    if set(config.env.split(",")) <= set(card["envs"]):
        defaults["preset"] = card["preset"]
    found = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    return replace(config, **found)


def begun(config: TrainConfig) -> TrainConfig:
    """Return the complete config of a run that starts now, with its folder and the current date.

    Raises:
        ValueError: If the agent does not exist.
    """
    config = complete(config)
    return replace(config, output=config.folder(), chat_date=config.chat_date or today())


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    """Read the config of an existing run; missing fields get their defaults.

    Raises:
        ValueError: If a value is refused.
    """
    return from_fields(TrainConfig, record)


def from_run(record: Mapping[str, Any]) -> TrainConfig:
    """Read the config of an existing run; what version 0.1 did not record is as it was in 0.1."""
    before = {name: value for name, value in UNRECORDED.items() if name not in record}
    config = replace(from_record(record), **before)
    algorithm, arguments = config.algorithm, record.get("hyperparameters", {})
    if arguments.get("kl_coef") and "kl_weighted" not in arguments and algorithm.startswith("grpo"):
        algorithm += ":kl_weighted=true"
    curriculum = as_begun(config.curriculum, record.get("rule", {}))
    return replace(config, curriculum=curriculum, algorithm=algorithm)
