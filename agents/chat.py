"""The markup of a model's chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from edgewise.errors import ModelError

MAX_TOLD = 300  # characters of what a template says is wrong
FAILURES = (  # of a template, which is a program that comes with the model
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def render_chat(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> str:
    """Return a chat in the markup of `tokenizer`; the last message, if its own, is continued.

    Raises:
        ModelError: If it has no template, or one that fails, as some do without a user's turn.
    """
    begun = messages[-1]["role"] == "assistant"
    try:
        text: str = tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=not begun,
            continue_final_message=begun,
        )
    except FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(
            f"`agent` must have a chat template that takes these messages, got {reason[:MAX_TOLD]!r} "
            f"from that of {tokenizer.name_or_path!r}"
        ) from error
    return text
