"""How the world of blocks is written and read: in words, in PDDL and in a compact notation.

The words are those of PlanBench: "the red block is on top of the blue block", "put down the red
block". In the compact notation ``A>B`` says that A is on B, ``A>_`` that it is on the table and
``A^`` that it is held; an action is the fact that it makes true, a tower is ``C>B>A``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from string import ascii_uppercase

from edgewise.envs.blocksworld.plan import HAND, NOTHING, TABLE, Fact, Move, State, is_clear

NOTATIONS = ("words", "pddl", "compact")
VERBS = {"pick-up": 1, "put-down": 1, "stack": 2, "unstack": 2}  # with the count of blocks
PHRASES = {
    "pick-up": "pick up the {} block",
    "put-down": "put down the {} block",
    "stack": "stack the {} block on top of the {} block",
    "unstack": "unstack the {} block from on top of the {} block",
}
FILLERS = frozenset(["the", "block", "from", "on", "top", "of", "and", "then", "-", "*"])
RESERVED = FILLERS | VERBS.keys() | {TABLE, HAND, "_"}  # not the name of a block

NUMBERING = re.compile(r"^[ \t]*(?:step[ \t]*)?\d+[ \t]*[.):]", re.MULTILINE)
WORD = re.compile(r"[^\s(),;.:]+")
WORDS_FACT = re.compile(
    r"the (\w+) block is (?:on top of the (\w+) block|on the (table)|clear)"
    r"|hand is holding the (\w+) block|hand is empty"
)
PDDL_FACT = re.compile(
    r"\((?:on ([\w-]+) ([\w-]+)|ontable ([\w-]+)|holding ([\w-]+)|clear ([\w-]+)|handempty)\)"
)
CONNECTIVE = re.compile(r"\((?:not|or|imply|forall|exists)\b")
COMPACT = re.compile(r"([\w>^ -]+) -> ([\w>^,-]+)(?: |$)")

COLORS = "red blue green yellow orange purple pink brown gray cyan magenta emerald"
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma "
    "tau upsilon phi chi psi omega"
)
NAMES = {
    "colors": tuple(COLORS.split()),
    "greek": tuple(GREEK.split()),
    "letters": tuple(ascii_uppercase),
    "ordinals": ("1st", "2nd", "3rd", *(f"{n}th" for n in range(4, 21))),
}
RULES = """\
I am playing with a set of blocks where I need to arrange the blocks into stacks. Here are the \
actions I can do

Pick up a block
Unstack a block from on top of another block
Put down a block
Stack a block on top of another block

I have the following restrictions on my actions:
I can only pick up or unstack one block at a time.
I can only pick up or unstack a block if my hand is empty.
I can only pick up a block if the block is on the table and the block is clear.
A block is clear if the block has no other blocks on top of it and if the block is not picked up.
I can only unstack a block from on top of another block if the block I am unstacking was really on \
top of the other block.
I can only unstack a block from on top of another block if the block I am unstacking is clear.
Once I pick up or unstack a block, I am holding the block.
I can only put down a block that I am holding.
I can only stack a block on top of another block if I am holding the block being stacked.
I can only stack a block on top of another block if the block onto which I am stacking the block is \
clear.
Once I put down or stack a block, my hand becomes empty.
"""
E2H_PROMPT = f"""{RULES}
Here is the format of the actions:
pick up the [block_name] block
unstack the [block_name] block from on top of the [another_block_name] block
put down the [block_name] block
stack the [block_name] block on top of the [another_block_name] block

[Problem]
Here is the initial state of the blocks: {{init}}
Here is the goal state of the blocks: {{goal}}. Show your work in <think> </think> tags. After that, \
provide the final answer in <answer> </answer> tags, for example:
<answer>
unstack the cyan block from on top of the emerald block
put down the cyan block
</answer>
""".replace("\n", "\n ").removesuffix(" ")
PLANBENCH_PROMPT = f"""{RULES}
As initial conditions I have that, {{init}}.
My goal is to have that {{goal}}.

Give the plan, one action a line, in <answer> </answer> tags, for example:
<answer>
unstack the cyan block from on top of the emerald block
put down the cyan block
</answer>
"""
PDDL_PROMPT = """\
(define (domain blocksworld-4ops)
  (:requirements :strips)
  (:predicates (clear ?x) (ontable ?x) (handempty) (holding ?x) (on ?x ?y))
  (:action pick-up
    :parameters (?x)
    :precondition (and (clear ?x) (ontable ?x) (handempty))
    :effect (and (holding ?x) (not (clear ?x)) (not (ontable ?x)) (not (handempty))))
  (:action put-down
    :parameters (?x)
    :precondition (holding ?x)
    :effect (and (clear ?x) (handempty) (ontable ?x) (not (holding ?x))))
  (:action stack
    :parameters (?x ?y)
    :precondition (and (clear ?y) (holding ?x))
    :effect (and (handempty) (clear ?x) (on ?x ?y) (not (clear ?y)) (not (holding ?x))))
  (:action unstack
    :parameters (?x ?y)
    :precondition (and (on ?x ?y) (clear ?x) (handempty))
    :effect (and (holding ?x) (clear ?y) (not (on ?x ?y)) (not (clear ?x)) (not (handempty)))))

(define (problem blocks)
  (:domain blocksworld-4ops)
  (:objects {blocks})
  (:init {init})
  (:goal (and {goal})))

Solve the problem. Give the plan, one action a line, in <answer> </answer> tags, for example:
<answer>
(unstack b a)
(put-down b)
</answer>
"""


def write_plan(plan: Sequence[Move], notation: str) -> str:
    """Write one action a line, or with commas between in the compact notation."""
    return ("," if notation == "compact" else "\n").join(write_move(m, notation) for m in plan)


def write_move(move: Move, notation: str) -> str:
    """Write an action."""
    block, origin, place = move
    if notation == "compact":
        return write_compact((block, place))
    if place == HAND:
        verb, other = ("pick-up", "") if origin == TABLE else ("unstack", origin)
    else:
        verb, other = ("put-down", "") if place == TABLE else ("stack", place)
    if notation == "pddl":
        return f"({verb} {block} {other})" if other else f"({verb} {block})"
    return PHRASES[verb].format(block, other)


def read_plan(text: str) -> list[Move] | None:
    """Return the actions that `text` consists of, in any notation; None if there is more in it.

    Numbers and bullets before actions, parentheses, commas, line breaks and case do not matter.
    """
    text = text.lower().replace("pick up", "pick-up").replace("put down", "put-down")
    words = [word for word in WORD.findall(NUMBERING.sub("", text)) if word not in FILLERS]
    plan: list[Move] = []
    place = 0
    while place < len(words):
        verb = words[place]
        end = place + 1 + VERBS.get(verb, 0)
        names = words[place + 1 : end]
        move = read_action(verb, names) if end <= len(words) else None
        if move is None or not RESERVED.isdisjoint(names):
            return None
        plan.append(move)
        place = end
    return plan


def read_action(verb: str, names: Sequence[str]) -> Move | None:
    """Return the action of a verb and its blocks, or of one word in the compact notation."""
    if verb == "pick-up":
        return names[0], TABLE, HAND
    if verb == "unstack":
        return names[0], names[1], HAND
    if verb == "put-down":
        return names[0], HAND, TABLE
    if verb == "stack":
        return names[0], HAND, names[1]
    if verb.endswith("^"):
        return verb[:-1], NOTHING, HAND
    block, _, place = verb.partition(">")
    if not place or place in (TABLE, HAND):
        return None
    return block, HAND, TABLE if place == "_" else place


def write_state(state: State, notation: str) -> str:
    """Write all that holds in `state`."""
    if notation == "compact":
        return " ".join(towers(state))
    held = next((block for block, place in state.items() if place == HAND), NOTHING)
    clear = [(NOTHING, block) for block in state if is_clear(state, block)]
    placed = [(block, place) for block, place in state.items() if place != HAND]
    return write_facts([*clear, (held, HAND), *placed], notation)


def towers(state: State) -> list[str]:
    """Return the towers, each from its top to the table, and what is held."""
    below = {block: place for block, place in state.items() if place not in (TABLE, HAND)}
    texts: list[str] = []
    for block in state:
        if state[block] == HAND:
            texts.append(f"{block}^")
        elif is_clear(state, block):
            tower = [block]
            while tower[-1] in below:
                tower.append(below[tower[-1]])
            texts.append(">".join(tower))
    return texts


def write_facts(facts: Iterable[Fact], notation: str) -> str:
    """Write facts that all hold."""
    if notation == "compact":
        return ",".join(map(write_compact, facts))
    if notation == "pddl":
        return " ".join(map(write_pddl, facts))
    *first, last = map(write_words, facts)
    return f"{', '.join(first)} and {last}" if first else last


def write_words(fact: Fact) -> str:
    """Write a fact as PlanBench does."""
    block, place = fact
    if not block:
        return "the hand is empty" if place == HAND else f"the {place} block is clear"
    if place == HAND:
        return f"the hand is holding the {block} block"
    if place == TABLE:
        return f"the {block} block is on the table"
    return f"the {block} block is on top of the {place} block"


def write_pddl(fact: Fact) -> str:
    """Write a fact with the predicates of the domain."""
    block, place = fact
    if not block:
        return "(handempty)" if place == HAND else f"(clear {place})"
    if place == HAND:
        return f"(holding {block})"
    return f"(ontable {block})" if place == TABLE else f"(on {block} {place})"


def write_compact(fact: Fact) -> str:
    """Write where a block is."""
    block, place = fact
    return f"{block}^" if place == HAND else f"{block}>{'_' if place == TABLE else place}"


def read_problem(text: str) -> tuple[State, list[Fact], str] | None:
    """Return the start, the goal and the notation of a problem that `text` states; None if none."""
    start, goal = list[Fact](), list[Fact]()
    notation = "pddl" if "(:init" in text else "words" if " block is " in text else "compact"
    if notation == "compact":
        match = COMPACT.match(text)
        if match is not None:
            start = [fact for tower in match[1].split() for fact in read_tower(tower)]
            goal = [read_tower(fact)[0] for fact in match[2].split(",") if fact]
    else:
        before, _, after = " ".join(text.split()).rpartition("goal")
        if notation == "pddl" and CONNECTIVE.search(after):
            return None
        start, goal = read_facts(before, notation), read_facts(after, notation)
    placed = [fact for fact in start if fact[0]]
    return (dict(placed), goal, notation) if goal and len(dict(placed)) == len(placed) else None


def read_facts(text: str, notation: str) -> list[Fact]:
    """Return the facts in words or in PDDL; anything between them is passed over."""
    facts: list[Fact] = []
    for match in (PDDL_FACT if notation == "pddl" else WORDS_FACT).finditer(text):
        if notation == "pddl":
            block, place, on_table, held, clear = match.groups()
            block = block or on_table or held
            place = place or clear or (TABLE if on_table else HAND)
        else:
            block, place, on_table, held = match.groups()
            if block and not place and not on_table:
                block, place = None, block
            block, place = block or held, place or on_table or HAND
        facts.append((block or NOTHING, place))
    return facts


def read_tower(text: str) -> list[Fact]:
    """Return the facts of a tower, of which the first is that of its top, in compact notation."""
    if text.endswith("^"):
        return [(text[:-1], HAND)]
    blocks = text.removesuffix(">_").split(">")
    return list(pairwise([*blocks, TABLE]))
