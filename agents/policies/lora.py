"""A policy of which only low-rank changes of some matrices are trained.

Hu et al. (2021), "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685, through
peft. The defaults are those of E2H (arXiv 2506.06632): rank 32, alpha 64, on queries and values; its
dropout of 0.1 is by argument. Ratios are to the policy that sampled, which has no dropout.

Shapes: B completions, T tokens of a row, H inputs of a matrix.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import torch
from safetensors.torch import load_file, save
from torch import Generator, Tensor, nn

from edgewise.agents.policies.policy import Completions
from edgewise.agents.policies.transformers import TransformersPolicy
from edgewise.files import write_atomically

SPREAD = 2**20  # adapters whose masks differ
FILE = "adapters.safetensors"
PEFT_FILE = "adapter_model.safetensors"  # where peft looks for them
NAME = re.compile(r"\.default(?=\.|\Z)")  # of the adapters, in the names of their weights
PREFIX = "base_model.model."  # of the names in a model with adapters
SEED = 0  # of the first factors; the second ones are 0


class SeededDropout(nn.Module):
    """Dropout whose mask is a function of a seed, so that a pass that is computed again has it too.

    It acts where there is a gradient, whatever the mode of the model: completions are sampled, and
    scored before an update, without.
    """

    def __init__(self, rate: float, number: int) -> None:
        """Drop each input with probability `rate`; adapters differ by their `number`."""
        super().__init__()
        self.rate, self.number = rate, number
        self.seed = 0  # of the pass

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply inverted dropout to `inputs`, (B, T, H): zero some, rescale the others to keep the mean."""
        if not torch.is_grad_enabled():
            return inputs
        generator = Generator(inputs.device).manual_seed(self.seed * SPREAD + self.number)
        drawn = torch.rand(inputs.shape, generator=generator, device=inputs.device)
        return inputs * (drawn >= self.rate).to(inputs.dtype) / (1 - self.rate)


def with_dropout(model: nn.Module, rate: float) -> list[SeededDropout]:
    """Put dropout on all adapters that peft made in `model`, and return it; none at rate 0."""
    found: list[SeededDropout] = []
    for name, module in model.named_modules() if rate else ():
        if name.rpartition(".")[2] == "lora_dropout":
            adapters = cast(nn.ModuleDict, module)
            for adapter in list(adapters):
                found.append(SeededDropout(rate, len(found)))
                adapters[adapter] = found[-1]
    return found


def reseed(dropouts: Iterable[SeededDropout], tokens: Tensor, weights: Tensor) -> None:
    """Seed the masks of a pass over `tokens`, (B, T), with the `weights` of an adapter.

    Of content instead of a counter: a run that is resumed, and every rank, has the same.
    """
    seed = 0
    for content in (tokens, weights.detach()):
        seed = crc32(content.cpu().contiguous().numpy().tobytes(), seed)
    for dropout in dropouts:
        dropout.seed = seed


@dataclass(frozen=True)
class Adapters:
    """Which matrices get adapters, and of what size."""

    rank: int = 32
    alpha: float = 64.0  # what the product of the factors is multiplied by, times rank
    targets: Sequence[str] = ("q_proj", "v_proj")  # the ends of the names of the matrices
    dropout: float = 0.0  # of what adapters read, in passes with a gradient

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.rank < 1:
            raise ValueError(f"`lora_rank` must be at least 1, got {self.rank}")
        if self.alpha <= 0:
            raise ValueError(f"`lora_alpha` must be positive, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`lora_dropout` must be in [0, 1), got {self.dropout}")
        if not self.targets or not all(self.targets):
            raise ValueError(f"`lora_targets` must name matrices, got {tuple(self.targets)}")


class LoRAPolicy(TransformersPolicy):
    """A `TransformersPolicy` with adapters in float32; the weights below them stay as they are.

    `state_dict`, `save` and `restore` are of the adapters alone; `export` writes the whole model,
    with the adapters merged into it.

    Example:
        >>> from edgewise.agents import load_policy
        >>> whole = load_policy("seedling")
        >>> policy = LoRAPolicy(whole.model, whole.tokenizer, Adapters(rank=4))
        >>> sum(weight.numel() for weight in policy.parameters())
        8192
    """

    def __init__(self, model: Any, tokenizer: Any, adapters: Adapters = Adapters()) -> None:
        """Put `adapters`, which change nothing at first, on `model`.

        Raises:
            ImportError: If peft is not installed.
            ValueError: If the model has no such matrices, or one is tied to another.
        """
        peft = import_peft()
        refuse_tied(model, adapters.targets)
        settings = peft.LoraConfig(
            r=adapters.rank,
            lora_alpha=adapters.alpha,
            target_modules=list(adapters.targets),
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by old names
            torch.manual_seed(SEED)
            super().__init__(peft.get_peft_model(model, settings), tokenizer)
        self.rank = adapters.rank
        self.dropouts = with_dropout(self.model, adapters.dropout)

    def read(self, completions: Completions, valued: bool) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and values, (B, T) each; with a gradient, under dropout."""
        if self.dropouts and torch.is_grad_enabled():
            *_, last = self.parameters()
            reseed(self.dropouts, completions.tokens, last)
        return super().read(completions, valued)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return those of the adapters."""
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of the adapters."""
        weights = self.model.named_parameters()
        return {name: weight.detach() for name, weight in weights if weight.requires_grad}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load weights that `state_dict` returned.

        Raises:
            ValueError: If they are of other adapters.
        """
        own = self.state_dict()
        if differ := sorted(own.keys() ^ state.keys()):
            raise ValueError(f"adapters must be those of the run, of which {differ[0]} differs")
        for name, weight in own.items():
            found = state[name]
            if found.shape != weight.shape or not found.is_floating_point():
                raise ValueError(
                    f"{name} must have floats of shape {tuple(weight.shape)}, got {found.dtype} "
                    f"{tuple(found.shape)}"
                )
        for name, weight in own.items():
            weight.copy_(state[name])

    def save(self, folder: str | Path) -> None:
        """Write the adapters to `folder`, for `restore`."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        content = save({name: weight.contiguous() for name, weight in self.state_dict().items()})
        write_atomically(Path(folder) / FILE, content)

    def restore(self, folder: str | Path) -> None:
        """Load the adapters that `save` wrote to `folder`."""
        self.load_state_dict(load_file(Path(folder) / FILE))

    def export(self, folder: str | Path) -> None:
        """Write the model with the adapters merged into it to `folder`, for `TransformersPolicy.load`."""
        merged = deepcopy(self.model).merge_and_unload()
        TransformersPolicy(merged, self.tokenizer).save(folder)

    def whole(self) -> dict[str, Tensor]:
        """Return the weights of the model below the adapters, by its own names."""
        names = (
            (name.removeprefix(PREFIX).replace(".base_layer.", "."), weight)
            for name, weight in self.model.state_dict().items()
        )
        return {name: weight for name, weight in names if ".lora_" not in name}

    def write_adapters(self, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write adapters and their settings to `folder`, for peft and whoever reads its format.

        peft's own `save_pretrained` asks a hub for the config of the base model, each time, and adds
        whole embeddings to adapters of them.

        Args:
            folder: Is made if it is not there.
            weights: As `state_dict` returns them, a factor of shape (rank, H) or (outputs, rank) by name;
                by default those of this policy.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.model.peft_config["default"].save_pretrained(folder)
        found = self.state_dict() if weights is None else weights
        content = {
            NAME.sub("", name): weight.detach().cpu().contiguous() for name, weight in found.items()
        }
        write_atomically(folder / PEFT_FILE, save(content, metadata={"format": "pt"}))

    def frozen(self) -> WithoutAdapters:
        """Return the policy without its adapters, which is what it was at the start."""
        return WithoutAdapters(self)


def refuse_tied(model: nn.Module, targets: Iterable[str]) -> None:
    """Check that no matrix that gets adapters is shared with another module.

    Merged into one of them, they would change what the other computes too.

    Raises:
        ValueError: If one is.
    """
    weights = dict(model.named_parameters(remove_duplicate=False))
    counts = Counter(map(id, weights.values()))
    for name, weight in weights.items():
        matrix = f".{name.removesuffix('.weight')}"
        ends = [target for target in targets if matrix.endswith(f".{target}")]
        if counts[id(weight)] > 1 and ends:
            raise ValueError(
                f"`lora_targets` must name no matrix that is tied to another, got {ends[0]}; "
                "edgewise untie writes a model without ties"
            )


class WithoutAdapters:
    """Scores with the model of `policy` but for its adapters, at no cost in memory."""

    def __init__(self, policy: LoRAPolicy) -> None:
        """Hold `policy`."""
        self.policy = policy

    def logprobs(self, completions: Completions) -> Tensor:
        """Return the log-probability of each sampled token, (B, T); 0.0 elsewhere."""
        with self.policy.model.disable_adapter():
            return self.policy.logprobs(completions)


def import_peft() -> Any:
    """Return peft.

    Raises:
        ImportError: If it is not installed, with how to install it.
    """
    try:
        import peft
    except ModuleNotFoundError as error:
        raise ImportError(
            "adapters need the extra `scale`: pip install 'edgewise[scale]'"
        ) from error
    return peft
