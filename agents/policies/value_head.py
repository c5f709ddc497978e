"""The value head that PPO trains beside a language model."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils import skip_init


def value_head(model: Any) -> nn.Module:
    """Return a linear map, 0 everywhere, from the last hidden states of `model` to values."""
    size = model.config.get_text_config().hidden_size
    head: nn.Linear = skip_init(nn.Linear, size, 1, device=model.device)
    for weight in head.parameters():
        nn.init.zeros_(weight)
    return head
