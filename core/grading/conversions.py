"""Equality of two typed values: within a type, or by a documented conversion between types.

Each is a line of the table in docs/grading.md, with an example and a counter-example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from edgewise.grading.equality import (
    EQUALITIES,
    as_equation,
    same_in_any_order,
    same_in_order,
    same_relation,
)
from edgewise.grading.expressions import is_real_number, order, same_expression, sign_at
from edgewise.grading.relations import linear_in, pieces_of
from edgewise.grading.tree import Node, call, number, quotient, substitute, symbol, symbols_of
from edgewise.grading.values import (
    Approximation,
    Collection,
    Expression,
    Function,
    Letter,
    Matrix,
    Named,
    Numeral,
    Percentage,
    Quantity,
    Ratio,
    RealSet,
    Record,
    Relation,
    Tuple,
    Value,
    Words,
)
from edgewise.grading.vocabulary import LETTER_UNITS, THINGS

HUNDRED, PI = number(100), Node("constant", ("pi",))
LEAST_PERCENTAGE = number(2)  # from here on, a bare number that stands for one is per cent


def same(gold: Value, answer: Value) -> bool:
    """Compare two typed values."""
    if type(gold) is not type(answer):
        return convert(gold, answer)
    compare = EQUALITIES.get(type(gold))
    return gold == answer if compare is None else compare(gold, answer, same)


def convert(gold: Value, answer: Value) -> bool:
    """Compare values of different types by a documented conversion."""
    if isinstance(gold, Record) and gold.in_brackets:
        return same(Tuple("()", gold.values), answer)
    if isinstance(answer, Record) and answer.in_brackets:
        return same(gold, Tuple("()", answer.values))
    rule = RULES.get((type(gold), type(answer)))
    if rule is not None:
        return rule(gold, answer)
    if isinstance(gold, Approximation):
        return same(gold.value, answer)
    if isinstance(gold, Named):
        return same(gold.value, answer)
    if isinstance(answer, Named):
        return not isinstance(gold, (Letter, Words)) and value_of_named(gold, answer)
    if isinstance(gold, Collection) and len(gold.items) == 1:
        return same(gold.items[0], answer)
    if isinstance(answer, Collection) and len(answer.items) == 1:
        return same(gold, answer.items[0])
    return False


def value_of_named(gold: Value, answer: Named) -> bool:
    """Return whether a named value, x = 3, equals a gold value that does not contain x."""
    if isinstance(gold, Expression) and answer.name in symbols_of(gold.node):
        return False
    return same(gold, answer.value)


def number_for_percentage(gold: Percentage, answer: Expression) -> bool:
    """Accept the ratio for a percentage, and from 2 on also the number of per cent."""
    if not is_real_number(answer.node):
        return False
    if order(call("absolute", answer.node), LEAST_PERCENTAGE) < 0:
        return same_expression(quotient(gold.node, HUNDRED), answer.node)
    return same_expression(gold.node, answer.node) or same_expression(
        quotient(gold.node, HUNDRED), answer.node
    )


def percentage_for_number(gold: Expression, answer: Percentage) -> bool:
    """Accept a percentage of the same value as the number."""
    return same_expression(gold.node, quotient(answer.node, HUNDRED))


def number_for_quantity(gold: Quantity, answer: Expression) -> bool:
    """Accept a number without its unit, with its unit as a letter, or in radians."""
    if same_expression(gold.node, answer.node):
        return True
    if gold.unit == (("deg", 1),):
        return same_expression(call("degrees", gold.node), answer.node)
    return is_times_unit(answer.node, gold)


def quantity_for_number(gold: Expression, answer: Quantity) -> bool:
    """Accept a number with a known unit other than radians, or with a common counted thing."""
    if symbols_of(gold.node):
        return is_times_unit(gold.node, answer)
    if answer.unit == (("rad", 1),) or not (answer.is_known or answer.unit[0][0] in THINGS):
        return False
    return same_expression(gold.node, answer.node)


def is_times_unit(node: Node, quantity: Quantity) -> bool:
    """Check whether an expression is the quantity with its unit read as a variable: 17 m."""
    unit = quantity.unit[0][0]
    if len(quantity.unit) != 1 or unit not in LETTER_UNITS or unit not in symbols_of(node):
        return False
    powered = Node("power", (symbol(unit), number(quantity.unit[0][1])))
    return same_expression(node, Node("product", (quantity.node, powered)))


def number_for_numeral(gold: Numeral, answer: Expression) -> bool:
    """Accept the same digits without the base."""
    if answer.node.op != "number" or not gold.digits.lstrip("-").replace(".", "", 1).isdigit():
        return False
    return bool(Fraction(gold.digits) == answer.node.args[0])


def number_for_ratio(gold: Ratio, answer: Expression) -> bool:
    """Accept the quotient for a ratio of two parts."""
    return len(gold.nodes) == 2 and same_expression(quotient(*gold.nodes), answer.node)


def function_body(gold: Value, answer: Value) -> bool:
    """Compare a function with its defining expression, in the same variables."""
    sides = [
        Expression(side.node) if isinstance(side, Function)
        else side.value if isinstance(side, Named) else side
        for side in (gold, answer)
    ]  # fmt: skip
    return same(sides[0], sides[1])


def as_equations(gold: Value, answer: Value) -> bool:
    """Compare x = ... with an equation."""
    left, right = as_equation(gold), as_equation(answer)
    return left is not None and right is not None and same_relation(left, right, same)


def solution_for_equation(gold: Relation, answer: Expression) -> bool:
    """Accept the solution of an equation for a variable that is linear in it."""
    if gold.sign != "=":
        return False
    for name in sorted(symbols_of(gold.node) - symbols_of(answer.node)):
        if symbols_of(gold.node) - {name} != symbols_of(answer.node):
            continue
        slope = linear_in(gold.node, name)
        if slope is not None and sign_at(slope, {}):
            return same_expression(substitute(gold.node, {name: answer.node}), number(0))
    return False


def same_pieces(gold: Value, answer: Value) -> bool:
    """Compare an interval, an inequality and a set as sets of real numbers."""
    try:
        expected, provided = RealSet(pieces_of(gold)), RealSet(pieces_of(answer))
    except ValueError:
        return False
    return same(expected, provided)


def column_and_vector(gold: Value, answer: Value) -> bool:
    """Compare a column matrix with a tuple in round brackets."""
    column, vector = (gold, answer) if isinstance(gold, Matrix) else (answer, gold)
    assert isinstance(column, Matrix) and isinstance(vector, Tuple)
    if column.columns != 1 or vector.brackets != "()":
        return False
    return same_in_order([Expression(node) for node in column.nodes], vector.items, same)


def record_for_tuple(gold: Tuple, answer: Record) -> bool:
    """Accept named values for a tuple, in order."""
    return gold.brackets == "()" and same_in_order(gold.items, answer.values, same)


def values_of_record(gold: Record, answer: Any) -> bool:
    """Accept unnamed values for named ones, in order."""
    if isinstance(answer, Tuple) and answer.brackets != "()":
        return False
    if isinstance(answer, Collection) and not all(x.startswith(answer.name) for x in gold.names):
        return False
    return same_in_order(gold.values, answer.items, same)


def record_for_collection(gold: Collection, answer: Record) -> bool:
    """Accept named values for a list, in any order: x_1, x_2 for a list of x."""
    if not all(name.startswith(gold.name) for name in answer.names):
        return False
    return same_in_any_order(gold.items, answer.values, same)


RULES: Mapping[tuple[type, type], Callable[[Any, Any], bool]] = {
    (Percentage, Expression): number_for_percentage,
    (Expression, Percentage): percentage_for_number,
    (Quantity, Expression): number_for_quantity,
    (Expression, Quantity): quantity_for_number,
    (Numeral, Expression): number_for_numeral,
    (Ratio, Expression): number_for_ratio,
    (Function, Expression): function_body,
    (Expression, Function): function_body,
    (Function, Named): function_body,
    (Named, Function): function_body,
    (Relation, Named): as_equations,
    (Named, Relation): as_equations,
    (Relation, Expression): solution_for_equation,
    (RealSet, Tuple): same_pieces,
    (Tuple, RealSet): same_pieces,
    (RealSet, Collection): same_pieces,
    (Collection, RealSet): same_pieces,
    (Matrix, Tuple): column_and_vector,
    (Tuple, Matrix): column_and_vector,
    (Tuple, Record): record_for_tuple,
    (Record, Tuple): values_of_record,
    (Record, Collection): values_of_record,
    (Collection, Record): record_for_collection,
}
