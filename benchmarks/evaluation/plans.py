"""What is asked of an agent, and how a server is; imports no torch and no client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from edgewise.agents.algorithms.config import Count, Natural, NotNegative, Positive, check
from edgewise.agents.training.flags import Split


@dataclass(frozen=True)
class ProblemsPlan:
    """Which problems are asked."""

    num_problems: Annotated[Count, tyro.conf.arg(aliases=["--plan.num-problems"])] = 200
    """Problems of each level: the first of its fixed set."""
    split: Annotated[Split, tyro.conf.arg(aliases=["--plan.split"])] = "test"
    """Split of the problems: validation or test; choose nothing by the test split."""
    seed: Annotated[Natural, tyro.conf.arg(aliases=["--plan.seed"])] = 0
    """Seed of everything that is drawn: sampled tokens, and the answers of baselines."""

    def __post_init__(self) -> None:
        """Check the count and the seed."""
        check(self)


@dataclass(frozen=True)
class ProfilePlan:
    """What is asked of each problem."""

    split: Annotated[Split, tyro.conf.arg(aliases=["--plan.split"])] = "train"
    """Split of the problems: train, validation or test."""
    num_problems: Annotated[Count, tyro.conf.arg(aliases=["--plan.num-problems"])] = 1_000
    """Problems of each level: the first ones; fewer if a data set has no more."""
    num_samples: Annotated[Count, tyro.conf.arg(aliases=["--plan.num-samples"])] = 8
    """Completions of each problem."""
    seed: Annotated[Natural, tyro.conf.arg(aliases=["--plan.seed"])] = 0
    """Seed of everything that is drawn: sampled tokens."""

    def __post_init__(self) -> None:
        """Check the counts and the seed."""
        check(self)


@dataclass(frozen=True)
class ServerConfig:
    """How a server of `openai:URL#MODEL` is asked."""

    api: Literal["chat", "completions"] = "chat"
    """chat sends the task's text as a message of the user; completions the whole text of the preset's
    frame, for base models."""
    concurrency: Count = 8
    """Requests at once."""
    samples_per_request: Count | None = None
    """Answers that a request asks for; by default all of a problem. 1 for servers without n."""
    timeout: Positive = 600.0
    """Seconds that a request may take."""
    max_retries: Natural = 8
    """How often a request is made again, with exponential back-off or as the server says."""
    first_delay: Positive = 1.0
    """Seconds before it is made again for the first time."""
    requests_per_minute: Positive | None = None
    """Requests begun in a minute, at most."""
    tokens_per_minute: Positive | None = None
    """Tokens of prompts and answers in a minute, at most, as the server counts them: a request that is
    answered books its share of the limit from when it began, and the next begins when all that is booked
    is over. Requests under way are not held back; see docs/evaluation.md."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that has the key, if the server needs one; never the key itself."""
    served_model: str | None = None
    """What the server calls the model in its answers, if not as it is asked for."""
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Which field limits the length of an answer."""
    prompt_price: NotNegative | None = None
    """Price of a million tokens of prompts."""
    completion_price: NotNegative | None = None
    """Price of a million tokens of answers."""

    def __post_init__(self) -> None:
        """Check the numbers, and that no key is given in place of a variable's name."""
        if not self.key_variable.isidentifier():
            raise ValueError(
                "`key_variable` must be the name of an environment variable, got something else; if "
                "that is the key, set OPENAI_API_KEY to it"
            )
        check(self)
