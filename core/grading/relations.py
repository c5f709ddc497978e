"""Parse equations, inequalities and set-builder notation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from edgewise.grading.evaluate import evaluate
from edgewise.grading.expressions import (
    is_infinite,
    is_rational,
    is_real_number,
    order,
    same_expression,
    sign_at,
)
from edgewise.grading.names import function_name, is_text, name_of, name_symbols, parameters_of
from edgewise.grading.parser import parse
from edgewise.grading.sets import Pieces, half_line, intersection, piece, point, union
from edgewise.grading.stream import indexed_top
from edgewise.grading.tokens import Token, Unreadable
from edgewise.grading.tree import (
    INFINITY,
    MINUS_INFINITY,
    ONE,
    ZERO,
    Node,
    call,
    difference,
    key,
    negate,
    number,
    quotient,
    substitute,
    symbol,
    symbols_of,
)
from edgewise.grading.values import (
    Approximation,
    Chain,
    Collection,
    Expression,
    Function,
    Named,
    NumberSet,
    Percentage,
    Quantity,
    RealSet,
    Relation,
    Tuple,
    Value,
)

Read = Callable[[Sequence[Token], int], Value]
FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le", r"\ne": r"\ne"}
INEQUALITIES = frozenset(FLIPPED)
SIGNS = INEQUALITIES | {"=", r"\approx", r"\in"}


def read(tokens: Sequence[Token], side: Read, level: int) -> Value | None:
    """Parse a relation; None if tokens have no relation sign.

    Args:
        tokens: All of what is between commas.
        side: Reads what is between the signs.
        level: How deep it is nested.
    """
    places = [i for i, token in indexed_top(tokens) if token.text in SIGNS]
    if not places:
        return None
    signs = [tokens[i].text for i in places]
    starts, ends = [0, *(i + 1 for i in places)], [*places, len(tokens)]
    sides = [tokens[start:end] for start, end in zip(starts, ends, strict=True)]
    if len(signs) == 1 and not sides[0] and signs[0] in ("=", r"\approx"):
        value = side(sides[1], level + 1)
        return value if signs[0] == "=" else Approximation(value)
    if not all(sides):
        raise Unreadable("a relation with nothing on one side")
    if r"\in" in signs:
        return membership(sides, signs, side, level)
    if set(signs) <= {"=", r"\approx"}:
        return equation(sides, signs, side, level)
    return inequality([parse(one) for one in sides], signs)


def membership(
    sides: Sequence[Sequence[Token]], signs: Sequence[str], read_side: Read, level: int
) -> Value:
    r"""Parse x \in S as the set."""
    name = name_of(sides[0])
    if len(signs) != 1 or name is None:
        raise Unreadable("what is in the set?")
    value = read_side(sides[1], level + 1)
    if isinstance(value, Tuple):
        return RealSet(pieces_of(value), name)
    if isinstance(value, RealSet):
        return RealSet(value.pieces, name)
    if not isinstance(value, (Collection, NumberSet)):
        raise Unreadable("no set")
    return value


def equation(
    sides: Sequence[Sequence[Token]], signs: Sequence[str], read_side: Read, level: int
) -> Value:
    """Parse a named value, a function, an equation, or a chain of equal sides."""
    names = [name_of(one) for one in sides]
    parameters = parameters_of(sides[0]) if len(sides) == 2 else None
    if parameters is not None:
        return function(function_name(sides[0]), parameters, sides[1], read_side, level)
    swapped = names[0] is None and names[-1] is not None and len(sides) == 2
    if swapped and not any(map(is_text, sides[-1])):
        sides, names = sides[::-1], names[::-1]
    if names[0] is not None:
        values = [read_side(one, level + 1) for one in sides[1:]]
        for i in range(1, len(values)):
            check_equal(values[i - 1], values[i], sides[i + 1], signs[i])
        value = values[0] if r"\approx" in signs[1:] else values[-1]
        if isinstance(value, Expression) and name_symbols(sides[0]) & symbols_of(value.node):
            return relation("=", parse(sides[0]), value.node)
        return Named(names[0], value)
    values = [read_side(one, level + 1) for one in sides]
    nodes = [value.node for value in values if isinstance(value, Expression)]
    if len(nodes) == len(values) == 2 and signs == ["="] and any(map(symbols_of, nodes)):
        return relation("=", *nodes)
    for i in range(1, len(values)):
        check_equal(values[i - 1], values[i], sides[i], signs[i - 1])
    return values[-1] if isinstance(values[-1], Quantity) else values[0]


def check_equal(left: Value, right: Value, tokens: Sequence[Token], sign: str) -> None:
    """Raise Unreadable unless two sides of a chain are equal, or the right one rounds the left."""
    if isinstance(left, Quantity) and isinstance(right, Quantity) and left.unit == right.unit:
        nodes, tokens = [left.node, right.node], tokens[1:]
    elif isinstance(left, Expression) and isinstance(right, Quantity):  # the last has the unit
        nodes = [left.node, right.node]
    else:
        nodes = [plain_node(value) for value in (left, right)]
    if sign == r"\approx" and not same_expression(*nodes):
        text = tokens[0].text if len(tokens) == 1 else ""
        decimals = len(text.partition(".")[2])
        gap = call("absolute", difference(*nodes))
        if not text or symbols_of(gap) or order(gap, number(Fraction(1, 2 * 10**decimals))) > 0:
            raise Unreadable("no rounding")
    elif sign == "=" and not same_expression(*nodes):
        raise Unreadable("two values")


def plain_node(value: Value) -> Node:
    """Return the expression of a number or percentage."""
    if isinstance(value, Expression):
        return value.node
    if isinstance(value, Percentage):
        return quotient(value.node, number(100))
    raise Unreadable("a chain of what is no number")


def function(
    name: str, parameters: tuple[str, ...], tokens: Sequence[Token], read_side: Read, level: int
) -> Value:
    """Build the function that f(x) = ... defines."""
    value = read_side(tokens, level + 1)
    if isinstance(value, Expression):
        return Function(parameters, value.node, name)
    return Named("f", value)


def relation(sign: str, left: Node, right: Node) -> Relation:
    """Build an equation or inequality, unless it always holds or has no variable."""
    gap = difference(left, right)
    if not symbols_of(gap) or same_expression(left, right):
        raise Unreadable("says nothing")
    return Relation(sign, gap)


def are_inequalities(parts: Sequence[Sequence[Token]]) -> bool:
    """Check that all parts are relations and at least one is an inequality."""
    signs = [{token.text for token in part} & (INEQUALITIES | {"="}) for part in parts]
    return all(signs) and any(found != {"="} for found in signs)


def inequality(nodes: list[Node], signs: list[str]) -> Value:
    """Solve an inequality to a set of real numbers; keep it if it is not linear in one variable."""
    if all(sign in (">", r"\ge") for sign in signs):
        nodes, signs = nodes[::-1], [FLIPPED[sign] for sign in signs[::-1]]
    if signs == [r"\ne"]:
        found = solved(nodes[0], r"\ne", nodes[1]) or solved(nodes[1], r"\ne", nodes[0])
        return found or relation(r"\ne", *nodes)
    if not all(sign in ("<", r"\le") for sign in signs):
        raise Unreadable("signs in both directions")
    if len(nodes) == 2:
        found = solved(nodes[0], signs[0], nodes[1]) or solved(
            nodes[1], FLIPPED[signs[0]], nodes[0]
        )
        return found or relation(signs[0], *nodes)
    ends = nodes[0], nodes[-1]
    if len(nodes) == 3 and all(map(is_real_number, ends)) and symbols_of(nodes[1]):
        return between(nodes[1], piece(*ends, *(sign == r"\le" for sign in signs)))
    if any(not symbols_of(one) and not is_real_number(one) for one in nodes):
        raise Unreadable("not real")
    return Chain(tuple(nodes), tuple(signs))


def solved(left: Node, sign: str, right: Node) -> RealSet | None:
    """Solve an inequality that is linear in one variable; None for others."""
    if left.op == "call" and left.args[0] == "absolute" and is_real_number(right):
        return between(left, half_line(sign, right))
    if is_infinite(right):
        return None
    gap = left if right == ZERO else difference(left, right)
    line = linear(gap)
    if line is None:
        return None
    slope, at_zero, name = line
    bound = fold_rational(quotient(negate(at_zero), slope))
    return RealSet(half_line(sign if sign_at(slope, {}) > 0 else FLIPPED[sign], bound), name)


def between(node: Node, pieces: Pieces) -> RealSet:
    r"""Solve `node` \in `pieces` for its variable."""
    if node.op == "call" and node.args[0] == "absolute":
        upper = intersection(pieces, piece(ZERO, INFINITY, True, False))
        lower = [(negate(p.high), negate(p.low), p.high_closed, p.low_closed) for p in upper]
        node, pieces = node.args[1], union(upper, *(piece(*flip(*one)) for one in lower))
    line = linear(node)
    if line is None:
        return RealSet(pieces, key(node))
    slope, at_zero, name = line
    if slope == ONE and at_zero == ZERO:
        return RealSet(pieces, name)
    moved = []
    for one in pieces:
        ends = [solve_linear(end, at_zero, slope) for end in (one.low, one.high)]
        closed = [one.low_closed, one.high_closed]
        if sign_at(slope, {}) < 0:
            ends, closed = ends[::-1], closed[::-1]
        moved.append(piece(ends[0], ends[1], closed[0], closed[1]))
    return RealSet(union(*moved), name)


def flip(
    low: Node, high: Node, low_closed: bool, high_closed: bool
) -> tuple[Node, Node, bool, bool]:
    """Normalise the signs of infinite ends."""
    ends = [INFINITY if end == negate(MINUS_INFINITY) else end for end in (low, high)]
    return ends[0], ends[1], low_closed, high_closed


def solve_linear(end: Node, at_zero: Node, slope: Node) -> Node:
    """Solve slope * x + at_zero = end."""
    if is_infinite(end):
        return end if sign_at(slope, {}) > 0 else MINUS_INFINITY if end == INFINITY else INFINITY
    return fold_rational(quotient(difference(end, at_zero), slope))


def linear(node: Node) -> tuple[Node, Node, str] | None:
    """Decompose a x + b into (a, b, name of x); None if it is not linear."""
    if node.op == "symbol":
        return ONE, ZERO, node.args[0]
    names = symbols_of(node)
    if len(names) != 1:
        return None
    (name,) = names
    at_zero = fold_rational(substitute(node, {name: ZERO}))
    slope = fold_rational(difference(substitute(node, {name: ONE}), at_zero))
    line = Node("sum", (Node("product", (slope, symbol(name))), at_zero))
    if not same_expression(node, line) or not sign_at(slope, {}):
        return None
    return slope, at_zero, name


def fold_rational(node: Node) -> Node:
    """Fold a rational number into one node."""
    if is_rational(node) and not symbols_of(node):
        try:
            value = evaluate(node, {})
        except ArithmeticError:
            return node
        return number(value) if isinstance(value, Fraction) else node
    return node


def joined(values: Sequence[Value], joiner: str) -> Value:
    """Combine inequalities joined by "and" or "or" into one set."""
    sets, names = [], set()
    for value in values:
        if isinstance(value, Named) and isinstance(value.value, Expression):
            names.add(value.name)
            sets.append(point(value.value.node))
        elif isinstance(value, RealSet):
            names.add(value.name)
            sets.append(value.pieces)
        else:
            raise Unreadable("no sets of one variable")
    if len(names) != 1:
        raise Unreadable("several variables")
    pieces = sets[0]
    for other in sets[1:]:
        pieces = union(pieces, other) if joiner == "or" else intersection(pieces, other)
    return RealSet(pieces, names.pop())


def pieces_of(value: Value) -> Pieces:
    """Convert a value to a set of real numbers."""
    if isinstance(value, RealSet):
        return value.pieces
    if isinstance(value, Collection):
        nodes = [item.node for item in value.items if isinstance(item, Expression)]
        if len(nodes) == len(value.items):
            return union(*map(point, nodes)) if nodes else ()
    if isinstance(value, Tuple) and len(value.items) == 2 and value.brackets[0] in "([":
        ends = [item.node for item in value.items if isinstance(item, Expression)]
        if len(ends) == 2:
            closed = value.brackets[0] == "[", value.brackets[1] == "]"
            found = piece(ends[0], ends[1], *closed)
            if found and not any(
                is_infinite(end) and shut for end, shut in zip(ends, closed, strict=True)
            ):
                return found
    raise Unreadable("no set of real numbers")


def read_builder(left: Sequence[Token], condition: Value, level: int) -> Value:
    r"""Evaluate set-builder notation: {x | x > 4}, {x \in R : ...}, {2k : k = 1, 2}."""
    marks = [i for i, token in enumerate(left) if token.text == r"\in"]
    if marks:
        if [token.text for token in left[marks[0] + 1 :]] != [r"\mathbb{R}"]:
            raise Unreadable("not all real numbers")
        left = left[: marks[0]]
    node = parse(left)
    if isinstance(condition, RealSet) and node == symbol(condition.name):
        return RealSet(condition.pieces)
    if isinstance(condition, Collection) and len(symbols_of(node)) == 1:
        (name,) = symbols_of(node)
        nodes = [item.node for item in condition.items if isinstance(item, Expression)]
        if len(nodes) == len(condition.items):
            return Collection(tuple(Expression(substitute(node, {name: one})) for one in nodes))
    raise Unreadable("what is in the set?")


def linear_in(node: Node, name: str) -> Node | None:
    """Return the coefficient of a variable that occurs linearly; None otherwise."""
    at_zero = substitute(node, {name: ZERO})
    slope = fold_rational(difference(substitute(node, {name: ONE}), at_zero))
    others = {other: number(i) for i, other in enumerate(sorted(symbols_of(slope)), start=2)}
    slope = fold_rational(substitute(slope, others))
    line = Node("sum", (Node("product", (slope, symbol(name))), at_zero))
    return slope if same_expression(node, line) else None
