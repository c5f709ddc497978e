"""The engines by name, as the command line and run folders call them."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

from edgewise.agents import ranks
from edgewise.agents.engine import EnginePolicy
from edgewise.agents.transformers_policy import TransformersPolicy
from edgewise.agents.vllm_engine import VLLMEngine, VLLMSettings
from edgewise.agents.vllm_server import VLLMServer
from edgewise.errors import unknown
from edgewise.wrappers.catalogue import construct

OWN = "transformers"  # the learner itself
CHOICES = (OWN, "vllm", "vllm:ARGUMENT=VALUE", "http://HOST:PORT")
IMPORTANCE_CAP = (
    2.0  # of the weight of a token that something else than the learner samples, as in verl
)


def with_engine(
    policy: TransformersPolicy, engine: str, folder: Path | None = None
) -> TransformersPolicy:
    """Return `policy`, which samples with `engine`.

    Args:
        policy: Learns.
        engine: transformers, vllm with its arguments, or the URL of a vLLM server.
        folder: Where a server reads new weights; by default a new temporary one.

    Raises:
        ImportError: If vLLM is not installed.
        ConnectionError: If there is no such server.
        ValueError: If there is no such engine, it does not sample from the weights of `policy`,
            several processes want one, or `folder` has a model.
    """
    if engine == OWN:
        return policy
    if ranks.num_ranks() > 1:
        raise ValueError(f"`engine` must be {OWN} with several processes, got {engine!r}")
    if engine.startswith(("http://", "https://")):
        size = policy.model.config.get_text_config().vocab_size
        if folder is not None and (folder / "config.json").is_file():
            raise ValueError(
                f"`engine_folder` must hold no model, since weights are written there, got {folder}"
            )
        place = Path(mkdtemp(prefix="edgewise-")) if folder is None else folder
        server = VLLMServer(engine, place, size)
        if folder is None:
            finalize(server, rmtree, place, ignore_errors=True)  # as large as the model
        return EnginePolicy(policy, server)
    if engine.split(":")[0] != "vllm":
        raise ValueError(unknown("engine", engine, CHOICES))
    settings: VLLMSettings = construct("engine", engine, {"vllm": VLLMSettings})
    if settings.max_length is not None:
        most = settings.max_length
        policy.positions = most if policy.positions is None else min(most, policy.positions)
    return EnginePolicy(policy, VLLMEngine(policy, settings))
