"""Chats in a model's own markup, and the tokens of prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from typing import Any

from edgewise.errors import ModelError

CLOCK = "strftime_now"  # what templates call to tell the day
DIRECTIVES = "aAwdbBmyYHIpMSfjUWcxXGuVDFTRe"  # of strftime
FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
MAX_SAID = 300  # characters of what a template says is wrong
DATED = (  # a template, before which stands what hides the function of that name
    f"{{%% macro {CLOCK}(format) %%}}{{%% set told = namespace(text=format) %%}}"
    "{%% for form, value in %s.items() %%}"
    "{%% set told.text = told.text|replace(form, value) %%}{%% endfor %%}"
    "{{ told.text }}{%% endmacro %%}\n%s"
)
RESERVED = {"chat_template", "tokenize", "add_generation_prompt", "continue_final_message"}


class Rendered(str):
    """A chat in a model's own markup, which has all the special tokens that it needs.

    `bare` is the text for code that adds the tokenizer's special tokens to every text: it lacks a
    first token that would then stand there twice.
    """

    bare: str


@dataclass(frozen=True)
class ChatOptions:
    """What a chat template gets beside the messages."""

    date: str | None = None  # the day that it takes for today, YYYY-MM-DD; None for the real one
    kwargs: Mapping[str, Any] = field(default_factory=dict)  # such as enable_thinking


def today() -> str:
    """Return the day, YYYY-MM-DD."""
    return date.today().isoformat()


def read_chat_options(day: str | None, kwargs: str) -> ChatOptions:
    """Return the options that the command line gives: a date, and JSON with names.

    >>> read_chat_options("2026-01-31", '{"enable_thinking": false}').kwargs
    {'enable_thinking': False}

    Raises:
        ValueError: If `day` is no date, or `kwargs` no object of texts, numbers and truth values.
    """
    try:
        if day is not None:
            date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"`chat_date` must be a day, YYYY-MM-DD, got {day!r}") from None
    try:
        read = json.loads(kwargs)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or not all(map(is_scalar, read.values())):
        raise ValueError(
            "`chat_template_kwargs` must be JSON with names of texts, numbers, true, false or null, "
            f'such as {{"enable_thinking": false}}, got {kwargs[:200]!r}'
        )
    if wrong := sorted(RESERVED & read.keys()):
        raise ValueError(f"`chat_template_kwargs` must not name {wrong[0]!r}, which is set already")
    return ChatOptions(day, read)


def is_scalar(value: Any) -> bool:
    """Return whether `value` is None, a truth value, a text or a finite number."""
    if isinstance(value, float):
        return isfinite(value)
    return value is None or isinstance(value, (bool, int, str))


def render_chat(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], options: ChatOptions | None = None
) -> Rendered:
    """Return a chat in the markup of `tokenizer`; the last message, if its own, is continued.

    Raises:
        ModelError: If there is no template, or it refuses the messages or the options.
    """
    from jinja2 import TemplateError

    options = options or ChatOptions()
    begun = messages[-1]["role"] == "assistant"
    try:
        text: str = tokenizer.apply_chat_template(
            list(messages),
            chat_template=dated(tokenizer.get_chat_template(), options.date),
            tokenize=False,
            add_generation_prompt=not begun,
            continue_final_message=begun,
            **options.kwargs,
        )
    except (TemplateError, *FAILURES) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(
            f"`agent` must have a chat template that takes these messages, got {reason[:MAX_SAID]!r} "
            f"from that of {tokenizer.name_or_path!r}; `chat_template_kwargs` may help"
        ) from error
    rendered = Rendered(text)
    rendered.bare = without_second_start(tokenizer, text)
    return rendered


def dated(template: str, day: str | None) -> str:
    """Return a template that takes `day` for today, whenever it is rendered.

    A macro hides the function that templates are given to tell the time, so the result holds also
    where others render it.
    """
    if day is None or CLOCK not in template:
        return template
    forms = dict[str, str]()
    for directive in DIRECTIVES:
        value = date.fromisoformat(day).strftime(f"%{directive}")
        forms[f"%{directive}"] = value
        forms[f"%-{directive}"] = value.lstrip("0") or "0" if value.isdecimal() else value
    return DATED % (json.dumps(forms), template)


def is_dated(tokenizer: Any) -> bool:
    """Return whether the chats of `tokenizer` tell the day."""
    return CLOCK in str(getattr(tokenizer, "chat_template", None) or "")


def encode_prompt(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a prompt, with the special tokens that begin it once.

    A rendered chat has those of its template and no others; any other text gets those of the
    tokenizer, unless it begins with that of the beginning already.
    """
    begun = isinstance(text, Rendered) or starts(tokenizer, text)
    tokens: list[int] = tokenizer.encode(str(text), add_special_tokens=not begun)
    return tokens


def encode_further(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text that follows others: that of an end if `text` has none, but is not empty."""
    tokens: list[int] = tokenizer.encode(str(text), add_special_tokens=False)
    end: int | None = tokenizer.eos_token_id
    return tokens if tokens or not text or end is None else [end]


def bare(text: str) -> str:
    """Return a prompt for code that adds the tokenizer's special tokens to every text."""
    return text.bare if isinstance(text, Rendered) else text


def starts(tokenizer: Any, text: str) -> bool:
    """Return whether `text` begins with the token of the beginning."""
    return bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)


def without_second_start(tokenizer: Any, text: str) -> str:
    """Return `text` without the token of the beginning, if the tokenizer puts one before it."""
    first = tokenizer.encode("")[:1]
    if starts(tokenizer, text) and first == [tokenizer.bos_token_id]:
        return text.removeprefix(tokenizer.bos_token)
    return text
