"""Which agents there are to evaluate; imports no torch and no SciPy, so that flags can be checked by it."""

from __future__ import annotations

from edgewise.agents.policies.model_card import is_own, model_path
from edgewise.benchmarks.simulation.worlds import WORLDS
from edgewise.errors import unknown

MODELS = ("seedling", "hf", "vllm")
SCRIPTED = ("oracle", "constant", "simulated")
CHOICES = (
    "oracle", "constant", "constant:TEXT", "random", "simulated", "simulated:WORLD", "human",
    "seedling", "seedling:NAME", "hf:PATH", "vllm:PATH", "openai:URL#MODEL", "MODULE:OBJECT",
)  # fmt: skip


def is_scripted(agent: str) -> bool:
    """Return whether `agent` is oracle, constant, constant:TEXT, simulated or simulated:WORLD."""
    kind, colon, _ = agent.partition(":")
    return kind in SCRIPTED and not (kind == "oracle" and colon)


def check_agent(agent: str) -> None:
    """Check the name of an agent, and no more: neither a server nor code of the user's own is asked.

    Raises:
        ValueError: If there is no such agent, model or simulated world.
        ImportError: If it is a seedling, and those are not installed.
    """
    kind, _, name = agent.partition(":")
    if kind in MODELS:
        model_path(f"hf:{name}" if kind == "vllm" else agent)
    elif kind == "simulated" and name:
        check_world(name)
    elif agent not in ("random", "human") and kind != "openai" and not is_scripted(agent):
        check_own(agent)


def check_own(agent: str) -> None:
    """Raise ValueError unless `agent` names code of the user's own."""
    if not is_own(agent):
        raise ValueError(unknown("agent", agent, CHOICES))


def check_world(name: str) -> None:
    """Raise ValueError if there is no simulated world of this name."""
    if name not in WORLDS:
        raise ValueError(unknown("world", name, WORLDS))
