"""What is wrong with a plan: which action is not possible and why, or which fact of the goal is not so."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.envs.blocksworld.plan import HAND, TABLE, Fact, Move, State, carry_out, is_reached

NO_PLAN = "It is no plan."


def explain_plan(start: State, goal: Sequence[Fact], plan: Sequence[Move] | None) -> str:
    """Return what is wrong with a plan, "" if nothing is.

    Args:
        start: Names in lower case; it is not changed.
        goal: The same.
        plan: None if no plan was read.
    """
    if plan is None:
        return NO_PLAN
    state = dict(start)
    for number, move in enumerate(plan, start=1):
        if not carry_out(state, move):
            return f"Action {number} is not possible: {obstacle(state, move)}."
    unmet = next((fact for fact in goal if not is_reached(state, [fact])), None)
    if unmet is None:
        return ""
    block, place = unmet
    where = {TABLE: "on the table", HAND: "in the hand"}.get(place, f"on {place}")
    return f"At the end {block} is not {where}."


def obstacle(state: State, move: Move) -> str:
    """Return why a move that is not legal is not; blocks are named only if they exist."""
    block, origin, place = move
    if block not in state:
        return "there is no such block"
    if block in state.values():
        return f"{block} is not clear"
    if place == HAND and HAND in state.values():
        return "the hand is not empty"
    if state[block] != origin and (origin or state[block] == HAND):
        return f"{block} is elsewhere"
    if place not in state:
        return "there is no such block"
    return f"{place} is not clear"
