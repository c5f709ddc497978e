"""Bracket matching over tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgewise.grading.tokens import CLOSING, OPENING, Token, Unreadable

DEPTH = {
    **dict.fromkeys((*OPENING, "{"), 1),
    **dict.fromkeys((*CLOSING, "}"), -1),
}


def indexed_top(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Yield the tokens outside all brackets, with their indices."""
    depth = 0
    for i, token in enumerate(tokens):
        change = DEPTH.get(token.text, 0)
        if not change and token.kind == "command" and token.text.endswith("}"):
            change = (
                {"\\b": 1, "\\e": -1}.get(token.text[:2], 0)
                if token.text[1:4] in ("beg", "end")
                else 0
            )
        depth += change
        if depth < 0:
            raise Unreadable("a bracket is not opened")
        if depth == 0 and change == 0:
            yield i, token


def top(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens outside all brackets."""
    return (token for _, token in indexed_top(tokens))


def split(tokens: Sequence[Token], separators: set[str]) -> Iterator[Sequence[Token]]:
    """Split tokens at separators outside all brackets."""
    start = 0
    for i, token in indexed_top(tokens):
        if token.text in separators:
            yield tokens[start:i]
            start = i + 1
    yield tokens[start:]


def closes_at_end(tokens: Sequence[Token]) -> bool:
    """Check whether the last token closes the first bracket."""
    depth = 0
    for i, token in enumerate(tokens):
        depth += DEPTH.get(token.text, 0)
        if depth == 0:
            return i == len(tokens) - 1
    return False
