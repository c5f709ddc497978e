"""Score answers for lm-eval: the function that the task files of `edgewise export --layout lm-eval` name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from edgewise.agents.integrations.named import posed
from edgewise.agents.integrations.versions import LM_EVAL
from edgewise.agents.policies.options import Sampling

LM_EVAL.check(version("lm_eval"))


def score(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return the metrics of the answer to a row; one of them is of its level alone.

    Args:
        doc: The row.
        results: The answer, after lm-eval's filters.

    Raises:
        RuntimeError: If the verifier fails: that is no reward of 0.
    """
    env = posed(doc["problem"])
    text = Sampling(stop=env.frame_of(env.problem).stop).cut(results[0])
    [outcome] = env.score([env.problem], [()], [text])
    if not outcome.verified:
        raise RuntimeError(f"an answer to {doc['problem']} could not be verified")
    correct = float(outcome.correct or False)
    return {
        "correct": correct,
        "formatted": float(outcome.formatted),
        "reward": float(outcome.reward),
        f"level_{doc['level']}": correct,
    }
