"""The name under which verifiers and prime-rl load our taskset: `vf-eval edgewise-verifiers`."""

from edgewise.agents.integrations.verifiers import ProblemTaskset

__all__ = ["ProblemTaskset"]
