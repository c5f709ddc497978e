"""The world of blocks itself: states, legal moves, and the shortest plan.

The four actions are those of the blocksworld-4ops domain of PlanBench (Valmeekam et al., 2023,
arXiv 2206.10498). Where blocks are is all that a state says: what is clear follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from edgewise.task import Unsolvable

Item = TypeVar("Item")

TABLE, HAND = "table", "hand"  # where a block can be if it is not on another
NOTHING = ""
MAX_DEAD = 20_000  # states that lead nowhere

State = dict[str, str]  # what each block is on
Fact = tuple[str, str]  # a block, or nothing, and what it is on
Move = tuple[str, str, str]  # a block, what it is on (nothing: whatever it is), and where it goes
NO_PLAN = "It is no plan."


def carry_out(state: State, move: Move) -> bool:
    """Carry out `move` in place; if it is not legal, change nothing and return False."""
    block, origin, place = move
    places = state.values()
    here = state.get(block)
    if here is None or block in places or (here != origin and (origin or here == HAND)):
        return False
    if place != TABLE and (place in places or place == block):
        return False
    if place not in (TABLE, HAND) and place not in state:
        return False
    state[block] = place
    return True


def is_clear(state: State, block: str) -> bool:
    """Return whether nothing is on `block` and it is not held."""
    return state.get(block, HAND) != HAND and block not in state.values()


def is_reached(state: State, goal: Iterable[Fact]) -> bool:
    """Return whether all facts of `goal` hold."""
    return all(state.get(block) == place for block, place in goal)


def is_state(state: State) -> bool:
    """Return whether every block is on the table, or on one that stands there, or is held alone."""
    above = {place: block for block, place in state.items() if place != TABLE}
    num_placed = int(HAND in above)
    for block, place in state.items():
        base = block if place == TABLE else NOTHING
        while base:
            num_placed += 1
            base = above.get(base, NOTHING)
    return num_placed == len(state)


def shortest_plan(start: State, goal: Sequence[Fact]) -> list[Move]:
    """Return a plan with as few actions as any.

    The blocks that must move are known from the start: those with an unmet fact, and all that
    stand on one that moves or that must be clear. Each goes to its place at once when that is
    ready, which no other plan can better, or to the table, if it has none; where none can, some
    block has to wait on the table. How many wait is what is searched, fewest first.

    Raises:
        Unsolvable: If facts of the goal exclude each other, or the search takes too long.
    """
    if is_reached(start, goal):
        return []
    check_goal(start, goal)
    targets = {block: place for block, place in goal if place != HAND}
    todo = blocks_to_move(start, goal)
    plan, dead = None, set[tuple[int, tuple[str, ...]]]()
    for num_waiting in range(len(todo) + 1):
        plan = search(start, todo, targets, num_waiting, dead)
        if plan is not None:
            break
    assert plan is not None  # with all blocks on the table, each goes to its place
    for block, place in goal:
        if place == HAND:
            plan.append((block, TABLE if block in todo else start[block], HAND))
    return plan


def check_goal(state: State, goal: Sequence[Fact]) -> None:
    """Raise Unsolvable if facts of `goal` exclude each other."""
    below = dict(goal)
    above = {place: block for block, place in goal if place != TABLE}
    loose = set(below)
    for _ in goal:  # what remains when towers are taken off from the table up is a circle
        loose -= {block for block in loose if below[block] not in loose}
    known = set(state) >= below.keys() | above.keys() - {HAND}
    unique = len(goal) == len(below) == len(above) + sum(place == TABLE for _, place in goal)
    if loose or not known or not unique or above.get(HAND) in above:
        raise Unsolvable(f"`goal` must have facts that can all hold, got {goal}")


def blocks_to_move(state: State, goal: Sequence[Fact]) -> list[str]:
    """Return the blocks that every plan puts down somewhere."""
    above = {place: block for block, place in state.items() if place not in (TABLE, HAND)}
    todo = {block for block, place in state.items() if place == HAND}
    for block, place in goal:
        if state[block] != place:
            todo.update([block] if place != HAND else [])
            for base in (block, place):
                while base in above:
                    base = above[base]
                    todo.add(base)
    return [block for block in state if block in todo]


def search(
    start: State,
    todo: Sequence[str],
    targets: dict[str, str],
    num_waiting: int,
    dead: set[tuple[int, tuple[str, ...]]],
) -> list[Move] | None:
    """Return a plan in which at most `num_waiting` of `todo` wait on the table; None if none."""
    state, left = dict(start), list(todo)
    plan: list[Move] = []
    waiting = settle(state, left, targets, plan)
    if not left:
        return plan
    key = (num_waiting, tuple(state.values()))
    if num_waiting == 0 or key in dead:
        return None
    for block in waiting:
        steps: list[Move] = []
        after = dict(state)
        put(after, block, TABLE, steps)
        rest = search(after, left, targets, num_waiting - 1, dead)
        if rest is not None:
            return plan + steps + rest
    dead.add(key)
    if len(dead) > MAX_DEAD:
        raise Unsolvable(f"`goal` was not reached within {MAX_DEAD} dead ends")
    return None


def settle(state: State, left: list[str], targets: dict[str, str], plan: list[Move]) -> list[str]:
    """Move what can go to its final place, in place, and return what could wait on the table."""
    moved = True
    while moved:
        moved, waiting, places = False, list[str](), set(state.values())
        for block in left:
            if block in places or (HAND in places and state[block] != HAND):
                continue
            place = targets.get(block, TABLE)
            if place == TABLE or (place not in left and place not in places):
                put(state, block, place, plan)
                left.remove(block)
                moved = True
                break
            if state[block] != TABLE:
                waiting.append(block)
    return waiting


def put(state: State, block: str, place: str, plan: list[Move]) -> None:
    """Take `block`, unless it is held, and put it on `place`."""
    if state[block] != HAND:
        plan.append((block, state[block], HAND))
    plan.append((block, HAND, place))
    state[block] = place


def uniforms(rng: np.random.Generator) -> Iterator[float]:
    """Draw numbers in [0, 1) without end, many at a time."""
    while True:
        yield from rng.random(128).tolist()


def choose(draws: Iterator[float], items: Sequence[Item]) -> Item:
    """Draw one of `items`."""
    return items[int(next(draws) * len(items))]


def clear_blocks(state: State) -> list[str]:
    """Return the blocks on which nothing is."""
    places = set(state.values())
    return [block for block in state if block not in places]


def draw_stacks(draws: Iterator[float], blocks: Sequence[str]) -> State:
    """Put each block on the table or, half of the time, on a clear block."""
    state: State = {}
    for block in blocks:
        stacked = bool(state) and next(draws) < 0.5
        state[block] = choose(draws, clear_blocks(state)) if stacked else TABLE
    return state


def draw_goal(
    draws: Iterator[float], placed: State, start: State, num_actions: int
) -> tuple[Fact, ...] | None:
    """Walk from `start` through states that differ, and return where the moved blocks are then.

    None if the walk cannot go on, or if a block that moved is back where it was `placed`, before
    one was taken into the hand.
    """
    state = dict(start)
    seen = {tuple(state.values())}
    moved: set[str] = set()
    for _ in range(num_actions):
        kinds = steps_from(state, seen)
        if not kinds:
            return None
        block, place = choose(draws, choose(draws, kinds))
        state[block] = place
        moved.add(block)
        seen.add(tuple(state.values()))
    if any(state[block] == placed[block] for block in moved):
        return None
    goal = [fact for fact in state.items() if start[fact[0]] != fact[1]]
    return tuple(sorted(goal, key=lambda fact: {HAND: 0, TABLE: 2}.get(fact[1], 1)))


def steps_from(state: State, seen: set[tuple[str, ...]]) -> list[list[Fact]]:
    """Return the actions of each kind that do not lead back to a state in `seen`."""
    clear = clear_blocks(state)
    held = [block for block in clear if state[block] == HAND]
    if held:
        kinds = [[(held[0], TABLE)], [(held[0], block) for block in clear if block != held[0]]]
    else:
        kinds = [
            [(block, HAND) for block in clear if state[block] == TABLE],
            [(block, HAND) for block in clear if state[block] != TABLE],
        ]
    fresh = [[fact for fact in kind if after(state, fact) not in seen] for kind in kinds]
    return [kind for kind in fresh if kind]


def after(state: State, fact: Fact) -> tuple[str, ...]:
    """Return the places of all blocks once `fact` holds."""
    block, place = fact
    return tuple([place if other == block else here for other, here in state.items()])


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
