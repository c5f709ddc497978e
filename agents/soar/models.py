"""The models of a game: teacher and student, of one set of base weights where adapters are trained.

With adapters, teacher, student and the reference of a divergence are adapters over the same base
weights, so that these are in memory once. Without, teacher and student are two whole models. One
engine samples for both, and gets the weights of whoever samples next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

from edgewise.agents.policies.engine import Engine, EnginePolicy
from edgewise.agents.policies.load import limit_positions, with_engine
from edgewise.agents.policies.lora import LoRAPolicy
from edgewise.agents.policies.options import OWN, vllm_settings
from edgewise.agents.policies.policy import Scorer
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.policies.vllm_engine import VLLMAdapters
from edgewise.agents.training.parts import ModelPart
from edgewise.agents.training.run_policy import make_learner

GamePolicy = TransformersPolicy | EnginePolicy


@dataclass(frozen=True)
class Models:
    """The policies of a game, with the same weights at first."""

    teacher: GamePolicy
    student: GamePolicy


class SharingPolicy(EnginePolicy):
    """A policy whose engine also samples for another one."""

    other: SharingPolicy | None = None

    @contextmanager
    def answered_by(self, engine: Engine) -> Iterator[None]:
        """Take completions from another engine, and give none of its weights to one's own."""
        own, self.engine = self.engine, engine
        try:
            yield
        finally:
            self.engine, self.loaded = own, []

    def wake(self) -> bool:
        """Wake the engine up, and return whether it needed weights, which the other then needs too."""
        changed = super().wake()
        if changed and self.other is not None:
            self.other.loaded = []
        return changed


def load_models(model: ModelPart, num_students: int = 1) -> Models:
    """Load the models of a game, of whose students so many are at work together.

    Raises:
        ImportError: If adapters are asked for and peft is not installed, or an engine is not.
        ConnectionError: If there is no such server.
        ValueError: If there is no such model, or its adapters or its engine are refused.
    """
    teacher = make_learner(model)
    student = twin(teacher) if isinstance(teacher, LoRAPolicy) else make_learner(model)
    if model.engine == OWN:
        return Models(teacher, student)
    engine = make_engine(teacher, model, num_students)
    student.positions = teacher.positions  # of which an engine may have fewer
    seats = [SharingPolicy(policy, engine) for policy in (teacher, student)]
    seats[0].other, seats[1].other = seats[1], seats[0]
    return Models(*seats)


def make_engine(teacher: TransformersPolicy, model: ModelPart, num_students: int) -> Engine:
    """Start the engine: vLLM in this process has room for the adapters of all students."""
    if isinstance(teacher, LoRAPolicy) and model.engine.split(":")[0] == "vllm":
        settings = vllm_settings(model.engine)
        limit_positions(teacher, settings)
        return VLLMAdapters(teacher, settings, num_students)
    policy = with_engine(teacher, model.engine, model.engine_folder)
    assert isinstance(policy, EnginePolicy)
    return policy.engine


def learner_of(policy: GamePolicy) -> TransformersPolicy:
    """Return the policy that learns, without the engine that samples for it."""
    return policy.learner if isinstance(policy, EnginePolicy) else policy


def has_adapters(policy: GamePolicy) -> bool:
    """Return whether adapters alone are trained."""
    return isinstance(learner_of(policy), LoRAPolicy)


def twin(policy: LoRAPolicy) -> LoRAPolicy:
    """Return a copy with adapters of its own, over the same base weights."""
    model = policy.model
    shared = [weight for weight in model.parameters() if not weight.requires_grad]
    kept = [*shared, *model.buffers(), policy.tokenizer]
    return deepcopy(policy, {id(part): part for part in kept})


def as_now(policy: GamePolicy) -> Scorer:
    """Return a scorer with the weights as they are now.

    `frozen` of a policy with adapters is the model without them, which a promoted student is not.
    """
    learner = learner_of(policy)
    return twin(learner) if isinstance(learner, LoRAPolicy) else learner.frozen()
