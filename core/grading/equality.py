"""Equality within one type: an equivalence relation each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgewise.grading.expressions import are_proportional, same_expression
from edgewise.grading.tree import (
    Node,
    difference,
    has_infinity,
    substitute,
    symbol,
    symbols_of,
    walk,
)
from edgewise.grading.values import (
    Approximation,
    Chain,
    Collection,
    Expression,
    Function,
    Matrix,
    Named,
    Percentage,
    Piecewise,
    Quantity,
    Ratio,
    RealSet,
    Record,
    Relation,
    Tuple,
    Value,
    Words,
)

Same = Callable[[Value, Value], bool]  # whether two values are equal, of any types

INTEGERS = frozenset("klmnt")  # names of any integer, in a family of values
WORD_LIST = re.compile(r" , (?:and )?| and ")


def same_expressions(gold: Expression, answer: Expression, same: Same) -> bool:
    """Compare two expressions; in a family over an integer, the integer may have another name."""
    names = symbols_of(gold.node), symbols_of(answer.node)
    if names[0] == names[1] or len(names[0]) != 1 or len(names[1]) != 1:
        return same_expression(gold.node, answer.node)
    (name,), (other,) = names
    if not {name, other} <= INTEGERS or not all(is_family(x.node) for x in (gold, answer)):
        return same_expression(gold.node, answer.node)
    return same_expression(gold.node, substitute(answer.node, {other: symbol(name)}))


def is_family(node: Node) -> bool:
    r"""Check for \pi or degrees, as in the general solution of a trigonometric equation."""
    return any(
        part.args[0] in ("pi", "degrees") for part in walk(node) if part.op in ("constant", "call")
    )


def same_quantity(gold: Quantity, answer: Quantity, same: Same) -> bool:
    """Compare number and unit."""
    return gold.unit == answer.unit and same_expression(gold.node, answer.node)


def same_ratio(gold: Ratio, answer: Ratio, same: Same) -> bool:
    """Check whether two ratios of the same length are proportional."""
    if len(gold.nodes) != len(answer.nodes):
        return False
    return all(
        same_expression(
            Node("product", (gold.nodes[0], answer.nodes[i])),
            Node("product", (answer.nodes[0], gold.nodes[i])),
        )
        for i in range(1, len(gold.nodes))
    )


def same_named(gold: Named, answer: Named, same: Same) -> bool:
    """Compare the values of the same name, or two equations."""
    if gold.name == answer.name:
        return same(gold.value, answer.value)
    left, right = as_equation(gold), as_equation(answer)
    return left is not None and right is not None and same_relation(left, right, same)


def as_equation(value: Value) -> Relation | None:
    """Convert x = ... to an equation; None if its value is not an expression."""
    if isinstance(value, Relation):
        return value if value.sign == "=" else None
    if isinstance(value, Named) and isinstance(value.value, Expression):
        return Relation("=", difference(symbol(value.name), value.value.node))
    return None


def same_record(gold: Record, answer: Record, same: Same) -> bool:
    """Compare named values by name."""
    others = dict(zip(answer.names, answer.values, strict=True))
    return others.keys() == set(gold.names) and all(
        same(value, others[name]) for name, value in zip(gold.names, gold.values, strict=True)
    )


def same_function(gold: Function, answer: Function, same: Same) -> bool:
    """Compare two functions up to the names of the function and its arguments."""
    if len(gold.parameters) != len(answer.parameters):
        return False
    free = symbols_of(gold.node) - set(gold.parameters)
    if free & set(answer.parameters) or free != symbols_of(answer.node) - set(answer.parameters):
        return False
    renamed = {
        old: symbol(new) for old, new in zip(answer.parameters, gold.parameters, strict=True)
    }
    return same_expression(gold.node, substitute(answer.node, renamed))


def same_relation(gold: Relation, answer: Relation, same: Same) -> bool:
    """Compare two equations or inequalities up to a constant factor."""
    if gold.sign != answer.sign or has_infinity(gold.node) or has_infinity(answer.node):
        return False
    if symbols_of(gold.node) != symbols_of(answer.node):
        return False
    return are_proportional(gold.node, answer.node, positive=gold.sign in ("<", r"\le"))


def same_chain(gold: Chain, answer: Chain, same: Same) -> bool:
    """Compare two chains of inequalities term by term."""
    return gold.signs == answer.signs and all(map(same_expression, gold.nodes, answer.nodes))


def same_tuple(gold: Tuple, answer: Tuple, same: Same) -> bool:
    """Compare two tuples in order, brackets included."""
    return gold.brackets == answer.brackets and same_in_order(gold.items, answer.items, same)


def same_in_order(golds: Sequence[Value], answers: Sequence[Value], same: Same) -> bool:
    """Compare two sequences element by element."""
    return len(golds) == len(answers) and all(map(same, golds, answers))


def same_set(gold: RealSet, answer: RealSet, same: Same) -> bool:
    """Compare two sets of real numbers, and their variables if both name one."""
    if gold.name and answer.name and gold.name != answer.name:
        return False
    return len(gold.pieces) == len(answer.pieces) and all(
        (one.low_closed, one.high_closed) == (other.low_closed, other.high_closed)
        and same_expression(one.low, other.low)
        and same_expression(one.high, other.high)
        for one, other in zip(gold.pieces, answer.pieces, strict=True)
    )


def same_collection(gold: Collection, answer: Collection, same: Same) -> bool:
    """Compare two lists as multisets, and their variables if both name one."""
    if gold.name and answer.name and gold.name != answer.name:
        return False
    return same_in_any_order(gold.items, answer.items, same)


def same_in_any_order(golds: Sequence[Value], answers: Sequence[Value], same: Same) -> bool:
    """Match two sequences one to one."""
    if len(golds) != len(answers):
        return False
    left = list(answers)
    for gold in golds:
        match = next((i for i, answer in enumerate(left) if same(gold, answer)), None)
        if match is None:
            return False
        del left[match]
    return True


def same_matrix(gold: Matrix, answer: Matrix, same: Same) -> bool:
    """Compare the shapes and entries of two matrices."""
    return (
        gold.columns == answer.columns
        and len(gold.nodes) == len(answer.nodes)
        and all(map(same_expression, gold.nodes, answer.nodes))
    )


def same_cases(gold: Piecewise, answer: Piecewise, same: Same) -> bool:
    """Match the cases of two piecewise functions, in any order."""
    left = list(answer.cases)
    for value, condition in gold.cases:
        match = next(
            (i for i, case in enumerate(left) if same(value, case[0]) and same(condition, case[1])),
            None,
        )
        if match is None:
            return False
        del left[match]
    return not left


def same_words(gold: Words, answer: Words, same: Same) -> bool:
    """Compare two texts word by word; the names in a list may be in any order."""
    parts = [sorted(WORD_LIST.split(words.text)) for words in (gold, answer)]
    return parts[0] == parts[1]


EQUALITIES: Mapping[type, Callable[[Any, Any, Same], bool]] = {
    Expression: same_expressions,
    Percentage: lambda gold, answer, same: same_expression(gold.node, answer.node),
    Quantity: same_quantity,
    Ratio: same_ratio,
    Approximation: lambda gold, answer, same: same(gold.value, answer.value),
    Named: same_named,
    Record: same_record,
    Function: same_function,
    Relation: same_relation,
    Chain: same_chain,
    Tuple: same_tuple,
    RealSet: same_set,
    Collection: same_collection,
    Matrix: same_matrix,
    Piecewise: same_cases,
    Words: same_words,
}
