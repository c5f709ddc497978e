"""How models are loaded and sampled from; imports no torch, so that flags can be read without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgewise.errors import unknown
from edgewise.wrappers.rules.catalogue import construct

Precision = Literal["float32", "bfloat16"]
LogProbs = Literal["sampled", "raw"]
OWN = "transformers"  # the learner itself
CHOICES = (OWN, "vllm", "vllm:ARGUMENT=VALUE", "http://HOST:PORT")
IMPORTANCE_CAP = 2.0  # of the weight of a token that another engine sampled, as in verl
SERVERS = ("http://", "https://")  # how the address of a vLLM server begins


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn, and of which distribution their log-probabilities are.

    With `logprobs` "sampled" the logits are divided by the temperature, as in TRL and verl:
    importance ratios, divergences and the gradient are those of the policy that sampled.
    With "raw" they are not, as in Edgewise 0.1 and in TRL before 0.16: at a temperature other than 1
    the gradient is then that of another policy. Greedy completions have raw ones. Top-p never
    counts: no token's probability is scaled for those that it leaves out.

    Example:
        >>> Sampling(max_tokens=64, temperature=0.5).scale
        0.5
        >>> Sampling(temperature=0.5, logprobs="raw").scale
        1.0
    """

    max_tokens: int = 256  # of a completion
    temperature: float = 1.0  # 0 is greedy
    top_p: float = 1.0
    stop: tuple[str, ...] = ()  # a completion ends with the first of these, which it keeps
    logprobs: LogProbs = "sampled"

    def __post_init__(self) -> None:
        """Check which log-probabilities are asked for."""
        if self.logprobs not in get_args(LogProbs):
            raise ValueError(unknown("logprobs", self.logprobs, get_args(LogProbs)))

    def cut(self, text: str) -> str:
        """Return `text` up to the first stop string, which it keeps, where a server went on.

        >>> Sampling(stop=("</answer>",)).cut("<answer>7</answer> Or 8?")
        '<answer>7</answer>'
        """
        ends = [text.find(stop) + len(stop) for stop in self.stop if stop in text]
        return text[: min(ends)] if ends else text

    @property
    def scale(self) -> float:
        """What logits are divided by before they are scored; 1.0 for greedy ones."""
        return self.temperature if self.logprobs == "sampled" and self.temperature > 0 else 1.0


@dataclass(frozen=True)
class VLLMSettings:
    """Arguments of vLLM: its share of the memory, longest sequence, and whether to run eagerly."""

    gpu_memory_utilization: float = 0.3  # of the GPU's memory, while it samples
    max_length: int | None = None  # of prompt and completion, in tokens; by default the model's
    eager: bool = False  # without CUDA graphs

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ValueError(
                f"`gpu_memory_utilization` must be in (0, 1], got {self.gpu_memory_utilization}"
            )
        if self.max_length is not None and self.max_length < 2:
            raise ValueError(f"`max_length` must be at least 2, got {self.max_length}")


def check_engine(engine: str) -> None:
    """Raise ValueError if there is no such engine, or it has no such argument; none is started."""
    if engine != OWN and not engine.startswith(SERVERS):
        vllm_settings(engine)


def vllm_settings(engine: str) -> VLLMSettings:
    """Return the arguments of vLLM that `engine` gives.

    Raises:
        ValueError: If it is another engine, or has no such argument.
    """
    if engine.split(":")[0] != "vllm":
        raise ValueError(unknown("engine", engine, CHOICES))
    settings: VLLMSettings = construct("engine", engine, {"vllm": VLLMSettings})
    return settings
