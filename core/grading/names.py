"""Parse what is on the left of an equation: x, a_n, AB, f(x), (x, y), Maximum."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewise.grading import languages
from edgewise.grading.parser import parse
from edgewise.grading.sentences import DOUBT
from edgewise.grading.stream import split
from edgewise.grading.tokens import Token
from edgewise.grading.tree import Node, key, symbols_of
from edgewise.grading.vocabulary import NO_UNITS, is_word

NAMING = {
    "and",
    "or",
    "max",
    "maximum",
    "min",
    "minimum",
    "least",
    "most",
    "base",
    "point",
    "score",
    "root",
}
NAMING |= {
    "power",
    "remainder",
    "second",
    "positive",
    "negative",
    "smaller",
    "larger",
    "greater",
    "of",
}
DENIED = re.compile(  # doubts, denials and number words, which are no names
    rf"{DOUBT.pattern}|{languages.DOUBT.pattern}|{'|'.join(sorted(NO_UNITS - NAMING))}|yes|no|nein|non"
    r"|\w+(?:illions?|illiards?|fold)|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|doubled|tripled|halved|lakhs?|crores?|myriads?",
    re.IGNORECASE,
)
SIGNS = frozenset({"(", ")", "_", "{", "}", "'", ",", ":"})  # that a name may have


def parameters_of(tokens: Sequence[Token]) -> tuple[str, ...] | None:
    """Return the parameters of f(x, y); None for other tokens."""
    kinds = [token.kind for token in tokens]
    if len(tokens) < 4 or kinds[0] not in ("letter", "command") or tokens[-1].text != ")":
        return None
    head = next((i for i, token in enumerate(tokens) if token.text == "("), 0)
    name, inside = tokens[:head], tokens[head + 1 : -1]
    if not name or name_of(name) is None or any(t.text != "," for t in inside[1::2]):
        return None
    if not all(token.kind == "letter" for token in inside[::2]) or len(inside) % 2 == 0:
        return None
    if len(name) > 1 and name[1].text not in ("_", "'"):
        return None
    return tuple(token.text for token in inside[::2])


def function_name(tokens: Sequence[Token]) -> str:
    """Return the name of a function: f_1 for f_{1}(x)."""
    texts = [token.text for token in tokens]
    return "".join(text for text in texts[: texts.index("(")] if text not in ("{", "}"))


def name_of(tokens: Sequence[Token]) -> str | None:
    r"""Return the name that tokens are: x, a_n, AB, (x,y), \angle ABC, Maximum; None if they are none."""
    texts = [token.text for token in tokens]
    if not tokens or (tokens[0].kind in ("number", "sign") and texts[0] != "("):
        return None
    if any(token.kind == "sign" and token.text not in SIGNS for token in tokens):
        return None
    if any(is_text(token) and DENIED.fullmatch(token.text) for token in tokens):
        return None
    if all(map(is_text, tokens)):
        return (
            " ".join(texts).lower() if len(texts) <= 3 and not {"and", "or"} & set(texts) else None
        )
    if is_constant(tokens) or any(
        token.kind == "word" and len(token.text) > 1 for token in tokens[:1]
    ):
        return None
    if texts[0] == "(" or ":" in texts:
        separator, inside = (",", tokens[1:-1]) if texts[0] == "(" else (":", tokens)
        parts = list(split(inside, {separator}))
        names = [name_of(part) for part in parts] if len(parts) > 1 else [None]
        return None if None in names else separator.join(map(str, names))
    node = named_node(tokens)
    if node is None or node.op == "symbol":
        return None if node is None else node.args[0]
    is_product = texts[0] in (r"\angle", r"\Delta", r"\triangle") or (
        all(text.isupper() for text in texts)
        or (len(texts) == 4 and texts[1] == "(" and tokens[2].kind == "letter")
    )
    return key(node) if is_product else None


def is_text(token: Token) -> bool:
    """Check whether a token is a word, or a run of letters that is one."""
    return token.kind == "word" or (token.kind == "run" and is_word(token.text))


def is_constant(tokens: Sequence[Token]) -> bool:
    """Check whether tokens are the constant e or i."""
    return len(tokens) == 1 and tokens[0].text in ("e", "i")


def named_node(tokens: Sequence[Token]) -> Node | None:
    """Parse a name as an expression; None if it is none."""
    try:
        return parse(tokens)
    except ValueError:
        return None


def name_symbols(tokens: Sequence[Token]) -> frozenset[str]:
    """Return the variables in a name."""
    node = named_node(tokens)
    return frozenset() if node is None else symbols_of(node)
