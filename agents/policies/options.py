"""How models are loaded and sampled from; imports no torch, so that flags can be read without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgewise.errors import unknown

Precision = Literal["float32", "bfloat16"]
LogProbs = Literal["sampled", "raw"]
OWN = "transformers"  # the learner itself
CHOICES = (OWN, "vllm", "vllm:ARGUMENT=VALUE", "http://HOST:PORT")
IMPORTANCE_CAP = 2.0  # of the weight of a token that another engine sampled, as in verl


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn, and of which distribution their log-probabilities are.

    With `logprobs` "sampled" the logits are divided by the temperature, as in TRL and verl:
    importance ratios, divergences and the gradient are those of the policy that sampled.
    With "raw" they are not, as in Edgewise 0.1 and in TRL before 0.16: at a temperature other than 1
    the gradient is then that of another policy. Greedy completions have raw ones. Top-p never
    counts: no token's probability is scaled for those that it leaves out.
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

    @property
    def scale(self) -> float:
        """What logits are divided by before they are scored; 1.0 for greedy ones."""
        return self.temperature if self.logprobs == "sampled" and self.temperature > 0 else 1.0
