"""Zebra puzzles: one solution each, no clue to spare, and the problems of SEC."""

import gzip
import hashlib
import itertools
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.zebra.problem import KINDS, Clue, Problem, holds
from edgewise.envs.zebra.solver import grids
from edgewise.envs.zebra.task import Zebra
from edgewise.task import Unsolvable

TASK = Zebra()
PRESETS = Zebra.presets
SEC_DATA = Path(__file__).parents[3].parent / "shared/data/sec/zebra_test_half.jsonl.gz"
NAMES = ("name", ("bob", "alice", "carol"))
DRINKS = ("drink", ("tea", "boba tea", "milk"))
CLUES = (Clue("directly_left", 0, 1), Clue("left", 4, 3), Clue("same", 1, 3), Clue("at", 5, 8))
PROBLEM = Problem((NAMES, DRINKS), CLUES, (1, 0))  # bob alice carol, boba tea, tea, milk
TABLE = Problem((NAMES, DRINKS), CLUES, None)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@cache
def drawn(preset, level, seed):
    rng = np.random.default_rng([seed, level])
    return TASK.draw(rng, seed, "test", **PRESETS[preset].levels[level])


def problems(preset, level, count=20):
    return [drawn(preset, level, seed) for seed in range(count)]


def every_grid(num_houses, num_attributes):
    """All grids, houses as the last attribute."""
    orders = list(itertools.permutations(range(num_houses)))
    for rows in itertools.product(orders, repeat=num_attributes):
        yield [place for row in (*rows, range(num_houses)) for place in row]


def fits(problem, clues):
    n, m = problem.num_houses, len(problem.attributes)
    return sum(all(holds(clue, grid) for clue in clues) for grid in every_grid(n, m))


@pytest.mark.parametrize(
    "answer",
    ["boba tea", " Boba  Tea ", "BOBA TEA.", "The answer is boba tea", r"\text{boba tea}", '"boba tea"',
     "**Boba tea**", "final answer: the boba tea"],
)  # fmt: skip
def test_every_form_of_the_right_value_counts(answer):
    assert TASK.verify(PROBLEM, answer)


@pytest.mark.parametrize(
    "answer",
    ["tea", "boba", "boba teas", "bobatea", "bob", "boba tea or milk", "boba tea, tea, milk", "milk",
     "tea or the answer is boba tea", "not boba tea", "boba_tea", "the answer is", "2"],
)  # fmt: skip
def test_near_misses_do_not(answer):
    assert not TASK.verify(PROBLEM, answer)


@pytest.mark.parametrize(
    "answer",
    ["bob, boba tea; alice, tea; carol, milk", "Bob,Boba tea\nAlice,Tea\nCarol,Milk",
     "House 1: bob, boba tea; House 2: alice, tea; House 3: carol, milk;", "1. bob|boba tea;alice|tea;carol|milk"],
)  # fmt: skip
def test_every_form_of_the_table_counts(answer):
    assert TASK.verify(TABLE, answer)


@pytest.mark.parametrize(
    "answer",
    ["bob, boba tea; alice, tea", "boba tea, bob; tea, alice; milk, carol", "bob, tea; alice, boba tea; carol, milk",
     "bob, boba tea, alice, tea, carol, milk", "House 2: bob, boba tea; House 1: alice, tea; carol, milk"],
)  # fmt: skip
def test_other_tables_do_not(answer):
    assert not TASK.verify(TABLE, answer)


@pytest.mark.parametrize(
    "answer", ["", ";" * 1999, "1:" * 900, "1:\n" * 600, ",|;" * 600, "²: bob", "\ud800;\0;|"]
)
def test_any_text_is_a_wrong_table(answer):
    assert Zebra(partial_credit=True).credit(TABLE, answer) == 0
    assert not TASK.verify(TABLE, answer)


def test_cells_are_credited_by_option_only():
    answer = "bob, boba tea; carol, tea; alice, milk"  # two of six are wrong
    assert Zebra(partial_credit=True).credit(TABLE, answer) == pytest.approx(4 / 6)
    assert Zebra(partial_credit=True).credit(TABLE, "bob, boba tea") == 0
    assert TASK.credit(TABLE, answer) == 0
    env = gym.make("Zebra-v0", preset="table", partial_credit=True).unwrapped
    outcome = env.score([TABLE], [()], [rf"\boxed{{{answer}}}"])[0]
    assert (outcome.reward, outcome.correct) == (pytest.approx(4 / 6), False)


def test_a_problem_without_a_solution_is_searched():
    for problem in problems("any", 2):
        bare = Problem(problem.attributes, problem.clues, problem.question)
        assert (TASK.solve(bare), TASK.split_of(bare)) == (TASK.solve(problem), "test")
        assert TASK.verify(bare, TASK.solve(problem))


@pytest.mark.parametrize("clues", [(), CLUES[:2], (*CLUES, Clue("at", 0, 8))])
def test_clues_that_allow_no_grid_or_several_have_no_answer(clues):
    problem = Problem((NAMES, DRINKS), clues, (0, 0))
    with pytest.raises(Unsolvable, match="must allow one grid"):
        TASK.solve(problem)
    assert not TASK.verify(problem, "bob")


def test_the_search_ends():
    values = tuple((str(a), tuple(f"{a}{v}" for v in range(12))) for a in range(12))
    with pytest.raises(Unsolvable, match="at most"):
        TASK.solve(Problem(values, (), (0, 0)))


def test_values_may_have_any_case():
    problem = Problem(
        (("name", ("Bob", "Alice")), ("drink", ("Tea", "Milk"))),
        (Clue("at", 0, 4), Clue("at", 2, 4)),
        None,
    )
    assert TASK.verify(problem, TASK.solve(problem))
    assert TASK.verify(problem, "bob, tea; alice, milk")


@pytest.mark.parametrize(
    "clue", [Clue("eats", 0, 1), Clue("same", 0, 9), Clue("same", -1, 1), Clue("between", 0, 1)]
)
def test_clues_about_nothing_raise(clue):
    with pytest.raises(ValueError, match="must be"):
        Problem((NAMES, DRINKS), (clue,), (0, 0))


@pytest.mark.parametrize("params", [{"num_houses": 7}, {"num_attributes": 1}, {"kinds": "odd"}])
def test_parameters_out_of_range_raise(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        TASK.draft(np.random.default_rng(0), **{"num_houses": 3, "num_attributes": 3, **params})


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_allows_what_the_meaning_of_a_clue_allows(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(10):
        items = rng.permutation(12)[:3].tolist()  # of 4 houses and 2 attributes, houses included
        clues = [Clue(kind, *(items if kind == "between" else items[:2]))]
        clues += [Clue(other, *rng.permutation(8)[:2].tolist()) for other in ("same", "not_same")]
        expected = [g[:8] for g in every_grid(4, 2) if all(holds(clue, g) for clue in clues)]
        assert sorted(grids(clues, 4, 2, limit=1000)) == sorted(expected)


@pytest.mark.parametrize("preset", ["sec", "any", "zebralogic"])
def test_one_grid_by_brute_force_and_no_clue_to_spare(preset):
    for problem in problems(preset, 1, 10):
        assert fits(problem, problem.clues) == 1
        for place in range(len(problem.clues)):
            assert fits(problem, problem.clues[:place] + problem.clues[place + 1 :]) > 1


@pytest.mark.parametrize("preset", ["sec", "any", "zebralogic"])
@pytest.mark.parametrize("level", [2, 3, 4])
def test_one_grid_and_no_clue_to_spare(preset, level):
    for problem in problems(preset, level, 5):
        sizes = problem.num_houses, len(problem.attributes)
        assert len(grids(problem.clues, *sizes)) == 1
        for place in range(len(problem.clues)):
            rest = problem.clues[:place] + problem.clues[place + 1 :]
            assert len(grids(rest, *sizes)) == 2


@pytest.mark.parametrize("preset", ["any", "table", "seedling"])
def test_all_kinds_of_clues_occur(preset):
    seen = Counter(clue.kind for problem in problems(preset, 3, 60) for clue in problem.clues)
    assert set(seen) == set(KINDS[:8])  # as problems posed by name were made
    assert min(seen.values()) > sum(seen.values()) / 100


def test_zebralogic_has_its_kinds_of_clues_where_there_are_houses_enough():
    seen = {
        level: {clue.kind for problem in problems("zebralogic", level) for clue in problem.clues}
        for level in PRESETS["zebralogic"].levels
    }
    every = set(KINDS) - {"between", "not_same"}
    assert seen[1] <= every - {"one_between", "two_between"}
    assert seen[2] <= every - {"two_between"} and "one_between" in seen[2]
    assert seen[3] == seen[4] == seen[5] == every


@pytest.mark.parametrize("kind, places", [("one_between", (1, 3)), ("two_between", (1, 4))])
def test_houses_between_are_counted_in_both_directions_in_every_wording(kind, places):
    names, drinks = ("alice", "bob", "carol", "david"), ("milk", "tea", "water", "coffee")
    clue, turned = Clue(kind, 0, 5), Clue(kind, 5, 0)  # alice and tea
    one, two = (
        Problem((("name", names), ("drink", drinks)), (found,), None) for found in (clue, turned)
    )
    first, second = (place - 1 for place in places)
    for grid in (found[:8] for found in every_grid(4, 2)):
        apart = abs(grid[0] - grid[5])
        assert holds(clue, grid) == holds(turned, grid) == (apart == second - first)
    assert TASK.canonical(one) == TASK.canonical(two)
    other = "two_between" if kind == "one_between" else "one_between"
    assert TASK.canonical(one) != TASK.canonical(
        Problem(one.attributes, (Clue(other, 0, 5),), None)
    )
    count = {"one_between": "one house", "two_between": "two houses"}[kind]
    assert f"{count} stand" in TASK.prompt(one, "{clues}")
    verb = "is" if kind == "one_between" else "are"
    assert (
        TASK.prompt(one, "{sec_clues}")
        == f"1. There {verb} {count} between Alice and the tea drinker."
    )
    assert ("alice_tea", "alice__tea")[second - first - 2] in TASK.prompt(one, "{symbols}").split(
        "|"
    )[1:2]


def test_any_value_of_any_house_is_asked_for():
    asked = {problem.question for problem in problems("any", 1, 100)}
    assert asked == set(itertools.product(range(3), range(3)))
    assert len({TASK.solve(problem) for problem in problems("any", 1, 100)}) > 30


@pytest.mark.parametrize("preset", PRESETS)
def test_levels_get_harder(preset):
    ladder = PRESETS[preset].levels
    posed = {level: problems(preset, level) for level in ladder}
    clues = [np.mean([len(p.clues) for p in posed[level]]) for level in ladder]
    work = [np.mean([len(TASK.demonstrate(p)) for p in posed[level]]) for level in ladder]
    assert clues == sorted(set(clues))
    assert work == sorted(set(work))


def test_order_and_solution_are_no_part_of_a_problem():
    turned = (Clue("same", 3, 1), CLUES[3], CLUES[0], CLUES[1])
    assert TASK.canonical(Problem((NAMES, DRINKS), turned, (1, 0))) == TASK.canonical(PROBLEM)
    moved = [Clue(kind, (a + 3) % 6, (b + 3) % 6 if b < 6 else b) for kind, a, b, _ in CLUES]
    assert TASK.canonical(Problem((DRINKS, NAMES), tuple(moved), (0, 0))) == TASK.canonical(PROBLEM)
    assert TASK.canonical(TABLE) != TASK.canonical(PROBLEM)


def test_the_grid_decides_the_split_whatever_the_clues():
    draft = (("name", ("bob", "alice", "carol")), ("drink", ("boba tea", "tea", "milk")))
    assert TASK.split_of(PROBLEM) == TASK.split_of(TABLE)
    assert TASK.draft_key(draft) == TASK.draft_key(draft[::-1])


def test_the_trace_says_what_clues_leave():
    assert TASK.demonstrate(PROBLEM) == (
        "bob-alice bob:12,alice:23;boba tea<tea boba tea:12,tea:23;milk=3 milk:3,tea:2,boba tea:1;"
        r"\boxed{boba tea}"
    )


def test_compact_notation():
    prompt = TASK.prompt(PROBLEM, "{symbols}")
    assert (
        prompt
        == "bobalicecarol teaboba teamilk|bob-alice,boba tea<tea,alice=tea,milk=3|teaboba teamilk@1"
    )


def test_traces_of_the_seedling_fit_its_frame():
    preset = PRESETS["seedling"]
    for level in preset.levels:
        for problem in problems("seedling", level, 30):
            assert len(TASK.prompt(problem, preset.template)) <= preset.frame.max_prompt_tokens
            assert len(TASK.demonstrate(problem)) <= preset.frame.max_completion_tokens


def test_the_test_set_is_frozen():
    env = gym.make("Zebra-v0", split="test").unwrapped
    posed = [env.pose({"level": 2, "params": {}, "problem_seed": seed})[0] for seed in range(200)]
    text = "\n".join(map(env.task.canonical, posed))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "25109466420b15b1"


def find(phrase, attributes):
    """The item that a phrase of SEC names: the longest value whose stem begins a word of it."""
    is_child = re.search("child|mother", phrase) is not None
    return max(
        (len(value), a * len(values) + v)
        for a, (introduction, values) in enumerate(attributes)
        for v, value in enumerate(values)
        if ("mother" in introduction) == is_child
        and re.search(rf"\b{re.escape(value.rstrip('s'))}", phrase.lower())
    )[1]


def parse_clue(text, attributes):
    size = len(attributes) * len(attributes[0][1])
    for pattern, kind in (
        (r"(.*) is in the (\w+) house\.", "at"),
        (r"(.*) is directly left of (.*)\.", "directly_left"),
        (r"(.*) and (.*) are next to each other\.", "next"),
    ):
        if match := re.fullmatch(pattern, text):
            if kind == "at":
                return Clue("at", find(match[1], attributes), size + ORDINALS.index(match[2]))
            return Clue(kind, *[find(phrase, attributes) for phrase in match.groups()])
    one, two = re.sub("(child|who|color) is ", r"\1 ", text).split(" is ")
    return Clue("same", find(one, attributes), find(two, attributes))


def parse(text):
    """The problem of a prompt of SEC."""
    head, clues, _ = text.split("\n\n")
    listed = [line.split(": ") for line in head.split("\n - ")[1:]]
    attributes = [(introduction, tuple(values.split(", "))) for introduction, values in listed]
    stated = [line.split(". ", 1)[1] for line in clues.split("\n")]
    return Problem(
        tuple(attributes), tuple(parse_clue(text, attributes) for text in stated), (0, 0)
    )


@pytest.fixture(scope="module")
def sec_rows():
    if not SEC_DATA.exists():
        pytest.skip(f"{SEC_DATA} is absent")
    with gzip.open(SEC_DATA, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [{**row, "parsed": parse(row["problem"])} for row in rows]


def test_every_problem_of_sec_is_solved(sec_rows):
    parsed = [row["parsed"] for row in sec_rows]
    assert [TASK.solve(problem) for problem in parsed] == [row["answer"] for row in sec_rows]
    assert all(TASK.verify(p, row["answer"]) for p, row in zip(parsed, sec_rows, strict=True))


def test_our_prompts_are_those_of_sec(sec_rows):
    short = {  # the introductions name the attributes
        "unique name": "name", "flower": "flower", "mother": "child", "drink": "drink", "cigar": "cigar",
        "animals": "animal", "phone": "phone", "color": "color", "nationalities": "nationality",
        "lunch": "lunch", "smoothie": "smoothie",
    }  # fmt: skip
    for row in sec_rows:
        problem = row["parsed"]
        attributes = tuple(
            (next(name for word, name in short.items() if word in introduction), values)
            for introduction, values in problem.attributes
        )
        ours = Problem(attributes, problem.clues, problem.question)
        assert TASK.prompt(ours, PRESETS["sec"].template) == row["problem"]


@pytest.mark.parametrize(
    "level", [1, 4, *(pytest.param(level, marks=pytest.mark.slow) for level in (2, 3))]
)
def test_our_draws_are_like_those_of_sec(sec_rows, level):
    rows = [row for row in sec_rows if row["difficulty"] == level]
    theirs = [row["parsed"] for row in rows]
    ours = problems("sec", level, 100)
    lengths = [len(TASK.prompt(problem, PRESETS["sec"].template)) for problem in ours]
    for one, two in (
        ([len(p.clues) for p in theirs], [len(p.clues) for p in ours]),
        ([len(row["problem"]) for row in rows], lengths),
    ):
        assert abs(np.mean(one) - np.mean(two)) < 3 * np.hypot(np.std(one), np.std(two)) / 10
    shares = [Counter(c.kind for p in posed for c in p.clues) for posed in (theirs, ours)]
    for kind in ("at", "same", "directly_left", "next"):
        one, two = [share[kind] / share.total() for share in shares]
        assert abs(one - two) < 0.06
