"""The markup of a model's chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def render_chat(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> str:
    """Return a chat in the markup of `tokenizer`; the last message, if its own, is continued."""
    begun = messages[-1]["role"] == "assistant"
    text: str = tokenizer.apply_chat_template(
        list(messages),
        tokenize=False,
        add_generation_prompt=not begun,
        continue_final_message=begun,
    )
    return text
