"""The base class of wrappers of texts, and the types of what passes through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gymnasium.vector import VectorWrapper
from numpy.typing import NDArray

Texts = tuple[str, ...]
Batch = tuple[Texts, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]
Actions = Sequence[str | None]  # None lets an environment wait

if TYPE_CHECKING:
    TextWrapper = VectorWrapper[Texts, Actions, Texts, Actions, NDArray[Any]]
else:
    TextWrapper = VectorWrapper  # which cannot be subscripted before Gymnasium 1.4
