r"""Parse an answer into one typed value.

The grammar, from the outside in: parts between commas, "and" and "or"; in each, sides between signs of
relations; in each, sets with \cup, \cap and \setminus between them; in each, a value in brackets, or an expression
with a unit or a sign of per cent. What is not used up is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from edgewise.grading import functions, matrices, phrases, relations
from edgewise.grading.conversions import same
from edgewise.grading.evaluate import Undefined
from edgewise.grading.expressions import is_defined
from edgewise.grading.parser import parse
from edgewise.grading.prose import find_answer
from edgewise.grading.sets import LINE, complement, intersection, union
from edgewise.grading.stream import closes_at_end, indexed_top, split, top
from edgewise.grading.text import MAX_LENGTH, normalise
from edgewise.grading.tokens import CLOSING, OPENING, Token, Unreadable, lex
from edgewise.grading.tree import Node
from edgewise.grading.values import (
    Collection,
    Expression,
    Function,
    Named,
    NumberSet,
    Percentage,
    Piecewise,
    Quantity,
    Ratio,
    RealSet,
    Record,
    Tuple,
    Value,
    Words,
)
from edgewise.grading.vocabulary import PERCENT

MAX_NESTED = 12
MAX_ITEMS = 200
SIGNS = {r"\pm": "+-", r"\mp": "-+"}
SETS = frozenset({r"\cup", r"\cap", r"\setminus"})
FIELDS = frozenset({"R", "Z", "N", "Q", "C"})
NO_CASE = frozenset({"if", "for", "when", "where", "otherwise", "else"})


@lru_cache(maxsize=4_096)
def read(text: str) -> Value | None:
    r"""Parse an answer into its one typed value; None if the grammar does not cover it.

    >>> read(r"\frac{1}{2}"), read("7?8")
    (Expression(node=Node(op='number', args=(Fraction(1, 2),))), None)
    """
    return read_tokens(tokens_of(text))


def spelling(text: str) -> list[str]:
    """Return the token texts, without braces around a single token."""
    texts = [token.text for token in tokens_of(text)]
    return [
        texts[i]
        for i in range(len(texts))
        if not (texts[i] == "{" and texts[i + 2 : i + 3] == ["}"])
        and not (texts[i] == "}" and i > 1 and texts[i - 2] == "{")
    ]


@lru_cache(maxsize=4_096)
def tokens_of(text: str) -> tuple[Token, ...]:
    """Tokenise the answer in a text; empty if it is too long."""
    try:
        answer = normalise(find_answer(text))
        return tuple(lex(answer)) if len(answer) <= MAX_LENGTH else ()
    except Unreadable:
        return ()


def read_tokens(tokens: Sequence[Token]) -> Value | None:
    """Parse tokens into one typed value.

    Raises:
        TooLarge: If a number among them is too large to be calculated here.
    """
    if not tokens:
        return None
    try:
        return statement(tokens, 0)
    except (ValueError, Undefined, RecursionError):
        return phrases.read_words(tokens)


def statement(tokens: Sequence[Token], level: int) -> Value:
    """Parse a whole answer."""
    if level > MAX_NESTED or not tokens:
        raise Unreadable("too deep" if tokens else "nothing")
    tokens = unwrapped(tokens)
    letter = phrases.read_letter(tokens)
    if letter is not None:
        return letter
    option = phrases.split_option(tokens)
    if option is not None:
        if any(token.kind == "word" and token.text in ("and", "or", "not") for token in tokens):
            raise Unreadable("another choice?")
        return option[0]
    date = phrases.read_date(tokens)
    if date is not None:
        return date
    domain = functions.split_domain(tokens)
    if domain is not None:
        value = statement(domain[0], level + 1)
        if not functions.are_functions_of(value, domain[1]):
            raise Unreadable("what is it said for?")
        return value
    records = list(split(tokens, {";"}))
    if len(records) > 1:
        return collection([statement(part, level + 1) for part in records if part])
    parts, joiner = items(tokens)
    if len(parts) == 1:
        found = of_components(parts[0], level)
        if found is not None:
            return found
        value = part(parts[0], level)
        return collection([value]) if isinstance(value, PlusMinus) else value
    if joiner and relations.are_inequalities(parts):
        return relations.joined([part(one, level) for one in parts], joiner)
    return collection([part(one, level) for one in parts])


def of_components(tokens: Sequence[Token], level: int) -> Value | None:
    """Parse an equation of two tuples as named values; None if it is none."""
    if any(token.text in SIGNS for token in tokens):
        return None
    equations = functions.componentwise(tokens)
    if equations is None:
        return None
    return functions.record([part(one, level + 1) for one in equations], in_brackets=True)


def items(tokens: Sequence[Token]) -> tuple[list[Sequence[Token]], str]:
    """Split at commas, "and" and "or"; also return the word if it is the only separator."""
    found, joiner = list[Sequence[Token]](), ""
    separators = [t.text for t in top(tokens) if t.text in (",", "and", "or")]
    for one in split(tokens, {",", "and", "or"}):
        if one:
            found.append(one)
        elif not found:
            raise Unreadable("a separator at the beginning")
    if len(found) > MAX_ITEMS or not found:
        raise Unreadable("too many parts")
    if len(set(separators)) == 1 and separators[0] != "," and len(found) == len(separators) + 1:
        joiner = separators[0]
    if separators and len(found) < 2:
        raise Unreadable("nothing after a separator")
    return found, joiner


def collection(values: Sequence[Value]) -> Value:
    """Build a list of values, or a record if each has its own name."""
    flat: list[Value] = []
    for value in values:
        flat += value.items if isinstance(value, PlusMinus) else [value]
    if len(flat) > 1 and any(isinstance(value, Function) for value in flat):
        found = functions.record(flat)
        if found is not None:
            return found
    names = [value.name for value in flat if isinstance(value, Named)]
    if not names:
        return Collection(tuple(flat))
    bare = [value.value if isinstance(value, Named) else value for value in flat]
    if len(set(names)) == 1 and (len(names) == len(flat) or isinstance(flat[0], Named)):
        return Collection(tuple(bare), names[0])
    if len(names) == len(flat) == len(set(names)):
        return Record(tuple(names), tuple(bare))
    if len(names) == len(flat):
        return Collection(tuple(flat))
    raise Unreadable("some have names, others have none")


class PlusMinus(Collection):
    """The two values of an expression with ±."""


def part(tokens: Sequence[Token], level: int) -> Value:
    """Parse one item of a list."""
    tokens = unwrapped(tokens)
    if not tokens:
        raise Unreadable("nothing")
    if tokens[0].kind == "word" and tokens[0].text.lower() == "only" and len(tokens) > 1:
        tokens = tokens[1:]
    if any(token.text in SIGNS for token in tokens):
        chosen = [
            [Token("sign", SIGNS[t.text][i], t.spaced) if t.text in SIGNS else t for t in tokens]
            for i in (0, 1)
        ]
        return PlusMinus(tuple(part(one, level + 1) for one in chosen))
    for special in (phrases.read_clock, phrases.read_numeral, phrases.read_letter):
        value = special(tokens)
        if value is not None:
            return value
    related = relations.read(tokens, side, level)
    return side(tokens, level) if related is None else related


def side(tokens: Sequence[Token], level: int) -> Value:
    """Parse one side of a relation: an expression of sets, or a single value."""
    if level > MAX_NESTED or not tokens:
        raise Unreadable("too deep" if tokens else "nothing")
    tokens = unwrapped(tokens)
    operators = [i for i, token in indexed_top(tokens) if joins_sets(tokens, i)]
    if not operators:
        return single(tokens, level)
    pieces = relations.pieces_of(single(tokens[: operators[0]], level))
    for i, place in enumerate(operators):
        end = operators[i + 1] if i + 1 < len(operators) else len(tokens)
        right = relations.pieces_of(single(tokens[place + 1 : end], level))
        sign = tokens[place].text
        if sign in (r"\cup", "U"):
            pieces = union(pieces, right)
        else:
            pieces = intersection(pieces, right if sign == r"\cap" else complement(right))
    return RealSet(pieces)


def joins_sets(tokens: Sequence[Token], i: int) -> bool:
    r"""Check for a set operator: \cup, a minus before \{, a U between brackets."""
    sign = tokens[i].text
    if sign in SETS:
        return True
    if sign not in ("-", "U") or not 0 < i < len(tokens) - 1:
        return False
    before, after = tokens[i - 1].text, tokens[i + 1].text
    if sign == "U":
        return before in CLOSING and after in OPENING
    return after == r"\{" and before in CLOSING | {r"\mathbb{R}"}


def single(tokens: Sequence[Token], level: int) -> Value:
    """Parse one value."""
    tokens = unwrapped(tokens)
    if not tokens:
        raise Unreadable("nothing")
    first = tokens[0].text
    if first == r"\emptyset" and len(tokens) == 1:
        return Collection(())
    if len(tokens) == 1 and first.startswith(r"\mathbb") and first[8] in FIELDS:
        return RealSet(LINE) if first[8] == "R" else NumberSet(first[8])
    if first == r"\begin{cases}" and tokens[-1].text == r"\end{cases}":
        return piecewise(tokens[1:-1], level)
    if first in OPENING and closes_at_end(tokens):
        value = bracketed(tokens, level)
        if value is not None:
            return value
    if tokens[0].kind == "letter" and first.isupper() and closes_at_end(tokens[1:]):
        point_of = bracketed(tokens[1:], level) if tokens[1].text == "(" else None
        if isinstance(point_of, Tuple):
            return Named(first, point_of)
    ratio = list(split(tokens, {":"}))
    if len(ratio) > 1:
        return Ratio(tuple(checked(parse(one)) for one in ratio))
    return measured(tokens)


def measured(tokens: Sequence[Token]) -> Value:
    """Parse an expression with an optional unit or percent sign."""
    last = tokens[-1]
    if [token.text for token in tokens[-2:]] == ["per", "cent"] and len(tokens) > 2:
        return Percentage(checked(parse(tokens[:-2])))
    if len(tokens) > 1 and (last.text == "%" or (last.kind != "sign" and last.text in PERCENT)):
        return Percentage(checked(parse(tokens[:-1])))
    unit = phrases.split_unit(tokens)
    if unit is not None:
        return Quantity(checked(parse(unit[0])), unit[1], unit[2])
    node = parse(tokens)
    if any(part.op == "matrix" for part in matrices.walk(node)):
        return matrices.evaluate(node)
    degrees = without_degrees(node)
    if degrees is not None:
        return Quantity(checked(degrees), (("deg", 1),))
    return Expression(checked(node))


def checked(node: Node) -> Node:
    """Return an expression that is defined somewhere, else raise Unreadable."""
    if not is_defined(node):
        raise Unreadable("not defined")
    return node


def without_degrees(node: Node) -> Node | None:
    """Return the number of degrees of a node; None for other nodes."""
    if node.op == "call" and node.args[0] == "degrees":
        degrees: Node = node.args[1]
        return degrees
    if node.op == "product" and len(node.args) == 2 and node.args[0].op == "number":
        inner = without_degrees(node.args[1])
        return None if inner is None else Node("product", (node.args[0], inner))
    return None


def bracketed(tokens: Sequence[Token], level: int) -> Value | None:
    r"""Parse a tuple, an interval or a set; None for an expression in brackets."""
    opening, closing = tokens[0].text, tokens[-1].text
    inside = tokens[1:-1]
    if opening == r"\{":
        if closing != r"\}":
            raise Unreadable("unlike brackets")
        return braced(inside, level)
    parts = list(split(inside, {","}))
    if len(parts) == 1:
        parts = list(split(inside, {";"}))
    if len(parts) == 1:
        if (opening, closing) != ("(", ")"):
            return None
        try:
            return measured(tokens)
        except Unreadable:
            return statement(inside, level + 1)
    if opening == r"\langle" or closing == r"\rangle":
        if (opening, closing) != (r"\langle", r"\rangle"):
            raise Unreadable("unlike brackets")
        opening, closing = "(", ")"
    items = tuple(part(one, level + 1) for one in parts)
    rows = [item.items for item in items if isinstance(item, Tuple) and item.brackets == "[]"]
    if opening + closing == "[]" and len(rows) == len(items):
        return matrices.from_rows(rows)
    return Tuple(opening + closing, items)


def braced(inside: Sequence[Token], level: int) -> Value:
    r"""Parse the inside of \{ \}: values, or {x | condition}."""
    if not inside:
        return Collection(())
    for bar in ("|", ":"):
        parts = list(split(inside, {bar}))
        if len(parts) == 2:
            return relations.read_builder(parts[0], statement(parts[1], level + 1), level)
    values = [part(one, level + 1) for one in split(inside, {",", ";"})]
    flat: list[Value] = []
    for value in values:
        flat += value.items if isinstance(value, PlusMinus) else [value]
    distinct = [one for i, one in enumerate(flat) if not any(same(one, x) for x in flat[:i])]
    return Collection(tuple(distinct))


def piecewise(tokens: Sequence[Token], level: int) -> Value:
    """Parse the rows of a cases environment."""
    cases = []
    for row in split(tokens, {r"\\"}):
        if not row:
            continue
        cells = list(split(row, {"&"}))
        if len(cells) != 2:
            raise Unreadable("a case without a condition")
        value, condition = (strip_comma(cell) for cell in cells)
        otherwise = [t for t in condition if not (t.kind in ("word", "run") and t.text in NO_CASE)]
        cases.append((
            part(value, level + 1),
            statement(otherwise, level + 1) if otherwise else Words("otherwise"),
        ))  # fmt: skip
    return Piecewise(tuple(cases))


def strip_comma(tokens: Sequence[Token]) -> Sequence[Token]:
    """Drop trailing commas and stops."""
    while tokens and tokens[-1].text in (",", "."):
        tokens = tokens[:-1]
    return tokens


def unwrapped(tokens: Sequence[Token]) -> Sequence[Token]:
    """Drop braces around all tokens, and a final stop."""
    while True:
        if len(tokens) > 1 and tokens[-1].text == "." != tokens[-2].text:
            tokens = tokens[:-1]
        elif len(tokens) > 2 and tokens[0].text == "{" and closes_at_end(tokens):
            tokens = tokens[1:-1]
        else:
            return tokens
