r"""Functions with a domain, and tuples of names.

`f(x) = 2x` for all real x is the function alone, and (f(n), g(n)) = (n, 1) is f(n) = n and g(n) = 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.grading.stream import closes_at_end, indexed_top, split
from edgewise.grading.tokens import Token
from edgewise.grading.values import Function, Named, Record, Value
from edgewise.grading.vocabulary import listed

ALL = frozenset({"all", "every", "each", "any"})
DOMAINS = frozenset(
    listed(
        "real reals positive negative nonnegative non-negative nonzero natural whole rational complex "
        "number numbers integer integers values value of"
    )
)
EQUALS = Token("sign", "=")


def split_domain(tokens: Sequence[Token]) -> tuple[Sequence[Token], frozenset[str]] | None:
    r"""Split off a trailing "for all x": the rest and the names; None if there is no such phrase.

    >>> from edgewise.grading.tokens import lex
    >>> said, names = split_domain(lex(r"f(x) = 2x \text{ for all real } x \in \mathbb{R}"))
    >>> "".join(token.text for token in said), sorted(names)
    ('f(x)=2x', ['x'])
    >>> split_domain(lex("f(x) = 2x for all x > 1")) is None
    True
    """
    texts = [token.text for token in tokens]
    if "for" not in texts and r"\forall" not in texts:
        return None
    start = next((i for i, t in indexed_top(tokens) if t.text in ("for", r"\forall")), 0)
    rest = [token for token in tokens[start + 1 :] if token.kind != "bound"]
    if texts[start] == "for":
        if not rest or rest[0].text not in ALL:
            return None
        rest = rest[1:]
    if [t.text[:8] for t in rest[-2:]] == [r"\in", r"\mathbb{"]:
        rest = rest[:-2]
    names = [token for token in rest if token.text not in DOMAINS]
    if not rest or any(len(t.text) > 1 and t.kind != "command" for t in names[::2]):
        return None
    if any(t.kind not in ("letter", "word", "command") for t in names[::2]):
        return None
    if len(names) % 2 == 0 < len(names) or any(t.text != "," for t in names[1::2]):
        return None
    end = start - (tokens[start - 1].text == "," or tokens[start - 1].kind == "bound")
    return (tokens[:end], frozenset(t.text for t in names[::2])) if end > 0 else None


def are_functions_of(value: Value, names: frozenset[str]) -> bool:
    """Check that a value is one or more functions of these arguments."""
    functions = value.values if isinstance(value, Record) else (value,)
    return all(isinstance(one, Function) and names <= set(one.parameters) for one in functions)


def componentwise(tokens: Sequence[Token]) -> list[Sequence[Token]] | None:
    r"""Split an equation of two tuples into equations of their components; None if it is none.

    >>> from edgewise.grading.tokens import lex
    >>> ["".join(token.text for token in one) for one in componentwise(lex("(x, y) = (1, 2)"))]
    ['x=1', 'y=2']
    """
    sides = list(split(tokens, {"="})) if tokens[0].text == "(" else []
    if len(sides) != 2 or not all(len(one) > 4 and closes_at_end(one) for one in sides):
        return None
    if any(one[0].text != "(" or one[-1].text != ")" for one in sides):
        return None
    left, right = (list(split(one[1:-1], {","})) for one in sides)
    if len(left) != len(right) or len(left) < 2:
        return None
    return [[*name, EQUALS, *value] for name, value in zip(left, right, strict=True)]


def record(values: Sequence[Value], in_brackets: bool = False) -> Record | None:
    """Build a record of named values and functions; None unless all have distinct names."""
    names = [value.name for value in values if isinstance(value, (Named, Function))]
    if not len(values) == len(names) == len(set(names)):
        return None
    bare = tuple(value.value if isinstance(value, Named) else value for value in values)
    return Record(tuple(names), bare, in_brackets)
