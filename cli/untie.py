"""`edgewise untie`: write a model that vLLM can reload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Precision
from edgewise.agents.policies.untied import write_config, write_weights
from edgewise.cli.parse import parse
from edgewise.errors import UsageError, usage
from edgewise.files import replacing


@dataclass(frozen=True)
class UntieCommand:
    """Write a model whose head is not tied to its embeddings, so that vLLM can reload its weights."""

    output: Path
    """Folder of the model, which must not exist."""
    agent: str = "seedling"
    """Model to write: seedling, seedling:NAME, or hf:PATH for a folder or hub id."""
    dtype: Precision = "float32"
    """Precision of the weights."""


def run(arguments: Sequence[str]) -> None:
    """Load and write."""
    command = parse(UntieCommand, "untie", arguments)
    if command.output.exists():
        raise UsageError(f"`output` must not exist, got {command.output}; name another")
    with usage():
        policy = load_policy(command.agent, command.dtype)
    command.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(command.output) as partial:
        write_config(policy, partial)
        write_weights(policy.state_dict(), partial)
    print(f"model {command.output}")
