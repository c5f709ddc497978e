"""`edgewise untie`: write a model that vLLM can reload."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.untied import write_config, write_weights
from edgewise.cli.model_flags import UntieCommand
from edgewise.errors import usage
from edgewise.files import replacing


def run(command: UntieCommand, arguments: Sequence[str]) -> None:
    """Load and write."""
    with usage():
        policy = load_policy(command.agent, command.dtype)
    command.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(command.output) as partial:
        write_config(policy, partial)
        write_weights(policy.state_dict(), partial)
    print(f"model {command.output}")
