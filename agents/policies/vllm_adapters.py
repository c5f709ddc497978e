"""vLLM that samples from several adapters over one base model, in one batch.

Each row of a batch goes through the adapter of its owner (Chen et al., 2023, "Punica: Multi-Tenant
LoRA Serving", arXiv 2310.18547), so that students of SOAR that are at work together are answered
together. Adapters are handed over as files of peft. Written after vLLM's documentation; it has started
with them on a CPU, and has not been seen to sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from edgewise.agents.policies.engine import Turn
from edgewise.agents.policies.engine_name import VLLMSettings
from edgewise.agents.policies.lora import LoRAPolicy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.agents.policies.vllm_engine import VLLMEngine

WEIGHTS = "adapter_model.safetensors"  # as peft calls it


class VLLMAdapters(VLLMEngine):
    """An engine that has a base model, and adapters for it by number."""

    def __init__(self, learner: LoRAPolicy, settings: VLLMSettings, most: int) -> None:
        """Start vLLM for at most so many adapters of the shape of the learner's.

        Raises:
            ImportError: If vLLM is not installed.
            ValueError: If the adapters are larger than vLLM takes.
        """
        self.most = most
        self.requests: list[Any] = []  # of vLLM, one for each adapter
        self.folder: TemporaryDirectory[str] | None = None  # of the adapters
        super().__init__(learner, settings)

    def load_each(
        self, learner: TransformersPolicy, weights: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Load adapters, each as `state_dict` of `learner` has them, in place of those before."""
        assert isinstance(learner, LoRAPolicy)
        self.wake()
        folder = TemporaryDirectory(prefix="edgewise-")
        self.requests = [
            self.request(learner, own, Path(folder.name) / str(place))
            for place, own in enumerate(weights)
        ]
        if self.folder is not None:
            self.folder.cleanup()
        self.folder = folder

    def request(self, learner: LoRAPolicy, weights: Mapping[str, Tensor], path: Path) -> Any:
        """Write an adapter as peft reads it, and return vLLM's name for it."""
        learner.model.peft_config["default"].save_pretrained(path)
        content = {
            name.replace(".default.", "."): weight.detach().cpu().contiguous()
            for name, weight in weights.items()
        }
        save_file(content, path / WEIGHTS)
        return self.named(path)

    def sample_each(
        self,
        prompts: Sequence[Sequence[int]],
        owners: Sequence[int],
        sampling: Sampling,
        seeds: Sequence[int],
        ends: Sequence[int],
    ) -> list[Turn]:
        """Sample a turn after each prompt, from the adapter of its owner, an index into those loaded."""
        requests = [self.requests[owner] for owner in owners]
        return self.turns(prompts, sampling, seeds, ends, requests)
