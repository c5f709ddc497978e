"""Logic puzzles of a file: the clues are read out of sentences, solved, and tables compared."""

import gzip
import json
import os
import re
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.contract import attacks, levels_of
from edgewise.envs.zebra.file import ZebraFile, ZebraLogic
from edgewise.envs.zebra.problem import Clue
from edgewise.envs.zebra.sentences import read_puzzle
from edgewise.envs.zebra.table import read_cells
from edgewise.envs.zebra.task import Zebra
from edgewise.errors import DataError

SEC_DATA = Path(__file__).parents[3].parent / "shared/data/sec/zebra_test_half.jsonl.gz"
# Of our own writing, in the layout of ZebraLogic; one value of pets, and one name, occur twice.
TEXT = """There are 4 houses, numbered 1 to 4 from left to right, as seen from the street.
 - Each person has a unique name: `Eric`, `Alice`, `Peter`, `Arnold`
 - Each mother is accompanied by their child: `Bella`, `Alice`, `Fred`, `Timothy`
 - Each person has a unique type of pet: `dog`, `cat`, `fish`, `bird`
 - The people keep unique animals: `horse`, `cat`, `dog`, `rabbit`
 - Each person has a unique birthday month: `jan`, `april`, `sept`, `feb`
 - People own unique car models: `ford f150`, `tesla model 3`, `honda civic`, `bmw 3 series`

## Clues:
1. Alice is the person's child is named Alice.
2. There is one house between Eric and the person whose birthday is in September.
3. The person who owns a dog is directly left of the dog owner.
4. There are two houses between Peter and The person who is the mother of Timothy.
5. The person who owns a Ford F-150 is not in the third house.
6. The cat lover and the person who has a cat are next to each other.
7. The person who keeps horses is somewhere to the right of the person who owns a BMW 3 Series.
8. Arnold is in the second house.
9. The person with an aquarium of fish is not Eric.
"""
SOLUTION = [
    ["1", "Peter", "Bella", "dog", "cat", "jan", "bmw 3 series"],
    ["2", "Arnold", "Fred", "cat", "dog", "feb", "ford f150"],
    ["3", "Eric", "Timothy", "bird", "horse", "april", "tesla model 3"],
    ["4", "Alice", "Alice", "fish", "rabbit", "sept", "honda civic"],
]
HEADER = ["House", "Name", "Children", "Pet", "Animal", "Birthday", "CarModel"]
ROW = {"id": "1", "size": "4*6", "puzzle": TEXT, "solution": {"header": HEADER, "rows": SOLUTION}}
SMALL = """There are 3 houses.
 - Each person has a unique name: `Eric`, `Bob`, `Carol`
 - Each person has a favorite drink: `tea`, `root beer`, `boba tea`

## Clues:
1. Eric is directly left of the boba tea drinker.
2. The root beer lover is not in the third house.
3. Carol is the tea drinker.
4. The tea drinker is somewhere to the left of Eric.
"""
TABLE = [["Carol", "tea"], ["Eric", "root beer"], ["Bob", "boba tea"]]
MASKED = {
    "id": "2",
    "size": "3*2",
    "puzzle": SMALL,
    "solution": {"header": ["House", "Name", "Drink"], "rows": [["___"] * 3] * 3},
}


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return str(path)


def small():
    return ZebraLogic().read_row(MASKED)


def test_every_sentence_becomes_the_clue_it_states():
    item = {(v, a): 4 * a + k for a, row in enumerate(read_puzzle(TEXT).attributes) for k, v in enumerate(row.values)}  # fmt: skip
    assert read_puzzle(TEXT).clues() == (
        Clue("same", item["Alice", 0], item["Alice", 1]),
        Clue("one_between", item["Eric", 0], item["sept", 4]),
        Clue("directly_left", item["dog", 2], item["dog", 3]),
        Clue("two_between", item["Peter", 0], item["Timothy", 1]),
        Clue("not_at", item["ford f150", 5], 24 + 2),
        Clue("next", item["cat", 3], item["cat", 2]),
        Clue("left", item["bmw 3 series", 5], item["horse", 3]),
        Clue("at", item["Arnold", 0], 24 + 1),
        Clue("not_same", item["fish", 2], item["Eric", 0]),
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "Alice and Bob",  # no relation
        "The child is in the first house",
        "The person who has a pet is Eric",
        "The person who owns a dog or cat is Eric",  # two values
        "The person with the dog is Eric",  # of pets or of animals
        "Zoe is in the first house",
        "Eric is in the fifth house",
        "Eric is in the house",
        "There is one house between Eric",
        "There are three houses between Eric and Peter",
        "Eric is directly left of Peter and Arnold",
        "Eric or Peter is in the first house",
        "The person named Eric or Peter is in the first house",
        "is is is",
        " is ",
        "_",
    ],
)
def test_a_sentence_that_says_something_else_is_not_guessed(sentence):
    with pytest.raises(ValueError, match=r"^the clue .* has (no|\d+) reading"):
        read_puzzle(TEXT).clue(sentence)


@given(st.text(max_size=300))
@settings(max_examples=50, deadline=None)
def test_no_text_breaks_the_reader(text):
    for whole in (text, f"{TEXT}10. {text}", TEXT.replace("Eric", text, 1)):
        try:
            read_puzzle(whole).clues()
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize(("num_houses", "num_attributes"), [(2, 2), (3, 4), (4, 6), (5, 5), (6, 6)])
def test_our_puzzles_in_their_words_are_read_back_clue_by_clue(num_houses, num_attributes):
    task = Zebra()
    params = {"num_houses": num_houses, "num_attributes": num_attributes, "kinds": "zebralogic"}
    for seed in range(10):
        rng = np.random.default_rng([seed, num_houses])
        problem = task.generate(rng, task.draft(rng, **params), **params)
        puzzle = read_puzzle(task.prompt(problem, "{sec_listing}\n\n{sec_clues}"))
        assert [row.values for row in puzzle.attributes] == [row for _, row in problem.attributes]
        assert puzzle.clues() == problem.clues


def test_a_solution_that_is_given_is_the_gold_answer():
    task = ZebraLogic()
    problem = task.read_row(ROW)
    right = {f"House {k}": dict(zip(HEADER[1:], row, strict=True)) for k, *row in SOLUTION}
    assert task.verify(problem, json.dumps(right))
    assert task.verify(problem, task.solve(problem))
    right["House 1"]["Name"], right["House 2"]["Name"] = "Arnold", "Peter"
    assert not task.verify(problem, json.dumps(right))
    assert ZebraLogic(partial_credit=True).credit(problem, json.dumps(right)) == pytest.approx(
        22 / 24
    )
    assert task.credit(problem, json.dumps(right)) == 0
    assert task.level_of(problem) == 3  # 24 ** 6 tables


def test_a_masked_solution_is_found_and_another_form_of_the_text_is_the_same_problem():
    problem = small()
    assert problem.solution == (("Name", ("Carol", "Eric", "Bob")), ("Drink", ("tea", "root beer", "boba tea")))  # fmt: skip
    assert r"\boxed{" in ZebraLogic().demonstrate(problem)
    other = ZebraLogic().read_row({**MASKED, "puzzle": SMALL.replace("\n", "\r\n").upper()})
    assert ZebraLogic().canonical(other) == ZebraLogic().canonical(problem)


def test_clues_that_cannot_be_read_do_no_harm_where_the_solution_is_given():
    text = SMALL.replace("Carol is the tea drinker", "Carol likes it hot")
    rows = [[str(k), *cells] for k, cells in enumerate(TABLE, start=1)]
    known = {
        **MASKED,
        "puzzle": text,
        "solution": {"header": ["House", "Name", "Drink"], "rows": rows},
    }
    problem = ZebraLogic().read_row(known)
    assert ZebraLogic().verify(problem, ZebraLogic().solve(problem))


@pytest.mark.parametrize(
    ("size", "level"),
    [((2, 6), 1), ((3, 3), 1), ((4, 2), 1), ((3, 4), 2), ((4, 4), 2), ((6, 2), 2), ((4, 5), 3), ((5, 4), 3),
     ((6, 3), 3), ((5, 5), 4), ((6, 4), 4), ((6, 6), 4)],
)  # fmt: skip
def test_the_groups_are_those_of_the_paper(size, level):
    num_houses, num_attributes = size
    values = tuple(
        (str(a), tuple(f"{a}{v}" for v in range(num_houses))) for a in range(num_attributes)
    )
    problem = small().__class__(values, (), None, text="-")
    assert ZebraLogic().level_of(problem) == level


def forms(table):
    """One table in all forms that count."""
    houses = {f"House {k}": {"Name": a, "Drink": b} for k, (a, b) in enumerate(table, start=1)}
    lines = [f"{a} | {b}" for a, b in table]
    numbered = [f"| {k} | {a} | {b} |" for k, (a, b) in enumerate(table, start=1)]
    return {
        "json": json.dumps(houses),
        "indented": json.dumps(houses, indent=4),
        "fenced": f"```json\n{json.dumps(houses)}\n```",
        "solution": json.dumps({"reasoning": "Easy.", "solution": houses}),
        "upper": json.dumps(houses).upper(),
        "turned": json.dumps({key: dict(reversed(houses[key].items())) for key in reversed(houses)}),
        "bars": "\n".join(lines),
        "commas": "\n".join(f"{a}, {b}" for a, b in table),
        "semicolons": "; ".join(f"{a}, {b}" for a, b in table),
        "markdown": "\n".join(["| House | Name | Drink |", "|---|:---|---:|", *numbered]),
        "named": "\n".join(["Name,Drink", *(f"House {k}: {a}, {b}" for k, (a, b) in enumerate(table, 1))]),
        "houses": "\n".join(f"House {k}, {a}, {b}" for k, (a, b) in enumerate(table, 1)),
    }  # fmt: skip


@pytest.mark.parametrize("form", forms(TABLE))
def test_every_form_of_the_right_table_counts_and_of_a_wrong_one_does_not(form):
    task, problem = ZebraLogic(), small()
    assert task.verify(problem, forms(TABLE)[form])
    swapped = [["Eric", "tea"], ["Carol", "root beer"], ["Bob", "boba tea"]]
    for wrong in (
        swapped,
        TABLE[::-1],
        TABLE[:2],
        [*TABLE, TABLE[0]],
        [*TABLE[:2], ["Bob", "tea"]],
    ):
        assert not task.verify(problem, forms(wrong)[form])


HOUSES = json.dumps({f"House {k}": {"Name": a, "Drink": b} for k, (a, b) in enumerate(TABLE, 1)})


@pytest.mark.parametrize(
    "answer",
    [
        "", "{", "[]", "null", "{}", '{"solution": {}}', "[" * 9_999, '{"a":' * 3_000,
        HOUSES + HOUSES,
        HOUSES + " or not",
        HOUSES.replace('"Name": "Carol"', '"Name": "Eric", "Name": "Carol"'),  # a key twice
        HOUSES.replace('"Name": "Carol"', '"name": "Eric", "Name": "Carol"'),
        HOUSES.replace('"Carol"', '["Carol"]'),
        HOUSES.replace('"Carol"', "1" * 5_000),
        HOUSES.replace('"Carol"', "NaN"),
        HOUSES.replace("House 3", "House 4"),
        HOUSES.replace('"House 1"', '"House 0": {}, "House 1"'),
        HOUSES.replace("'", ""). replace('"', "'"),  # no JSON
        f"__import__('os') or {HOUSES}",
        json.dumps(TABLE),
        "2 | Carol | tea\n1 | Eric | root beer\n3 | Bob | boba tea",
        "Carol | tea | Eric | root beer | Bob | boba tea",
        "Carol, tea or milk; Eric, root beer; Bob, boba tea",
        "Carol, tea; Eric, root beer; Bob, boba tea; Bob, boba tea",
        "\ud800|\0", "|" * 5_000, ";" * 9_999, "---|---\n" * 1_000,
        "```" + " " * 9_900, "```" + " \n" * 4_900 + "```", "```json", "``````", f"```{HOUSES}```" * 2,
    ],
    ids=lambda text: text[:40].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_anything_else_is_a_wrong_table(answer):
    assert not ZebraLogic().verify(small(), answer)
    partly = 5 / 6 if " or milk" in answer else 0  # the other cells of a table of this shape
    assert ZebraLogic(partial_credit=True).credit(small(), answer) == pytest.approx(partly)


@given(st.text(max_size=200) | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(json.dumps))  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_no_answer_raises(answer):
    cells = read_cells(answer, ["Name", "Drink"], 3)
    assert cells is None or [len(row) for row in cells] == [2, 2, 2]


def test_hostile_answers_are_wrong_and_harmless(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not list(attacks.hostile(levels_of("ZebraLogic-v0")[0], 30))
    assert not list(tmp_path.iterdir())


def changed(**parts):
    return {**MASKED, **parts}


def solution(**parts):
    return changed(solution={**MASKED["solution"], **parts})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (changed(puzzle=SMALL.replace("Carol is the", "Carol likes the")), "the clue 'Carol likes the tea drinker.' has no reading"),
        (changed(puzzle=SMALL.replace("lover is not in", "lover is in")), "`clues` must allow one grid, got 0 or more"),
        (changed(puzzle=re.sub("4. .*", "", SMALL)), "`clues` must allow one grid, got 2 or more"),
        (changed(puzzle=SMALL.replace("`, `boba tea`", "`")), "must list 3 different values"),
        (changed(puzzle=SMALL.replace("`boba tea`", "`tea`")), "must list 3 different values"),
        (changed(puzzle=SMALL.replace("3. ", "5. ")), "the clues must be numbered from 1 on"),
        (changed(puzzle="Who lives where?"), "the puzzle must list 1 to 12 attributes"),
        (changed(puzzle=SMALL.partition("##")[0]), "the puzzle must have 1 to 200 numbered clues"),
        (changed(puzzle=7), "`puzzle` must be a text"),
        (changed(puzzle=SMALL * 200), "`puzzle` must have at most 20,000 characters"),
        (changed(size="2*3"), "`size` must be '3*2'"),
        (changed(size=None), "`size` must be '3*2'"),
        (changed(solution="___"), "`solution` must have `header` and `rows`"),
        ({"puzzle": SMALL, "size": "3*2"}, "must have a column 'solution', got puzzle, size"),
        (solution(header=["House", "Name"]), "`header` must be 3 texts"),
        (solution(header=["House", "Name", "Name"]), "`header` must be House and 2 names that differ"),
        (solution(rows=[["___"] * 3] * 2), "`rows` must be 3"),
        (solution(rows=[["1", "Carol", "tea"]] * 3), "`rows` must begin with the houses from 1 to 3"),
        (solution(rows=[[str(k), "Carol", "tea"] for k in (1, 2, 3)]), "the solution must have each value of Name once"),
        (solution(rows=[["1", "Ca;rol", "tea"]] * 3), "a row must have no comma, semicolon or bar"),
        (solution(rows=[["1", ["Carol"], None]] * 3), "a row must be 3 texts"),
        ('{"puzzle": ', "is not JSON"),
        ("[1]", "must be an object with columns"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_puzzle_is_left_out_with_its_place(tmp_path, row, reason):
    path = write(tmp_path / "own.jsonl", ROW, MASKED, row)
    with pytest.warns(UserWarning, match="1 of 3 rows are no problems"):
        task = gym.make("ZebraLogic-v0", data=path, split="test").unwrapped.task
        left_out = task.left_out
    assert [place for place, _ in left_out] == [f"{path}:3"]
    assert reason in left_out[0].reason
    with pytest.raises(DataError, match=re.escape(f"{path}:3: ")):
        _ = ZebraLogic(data=path, strict=True).left_out


def test_the_name_of_the_file_says_the_split(tmp_path):
    path = write(tmp_path / "test-00000-of-00001.json", json.dumps([ROW, MASKED]))
    env = gym.make("ZebraLogic-v0", data=path, split="test", levels=(1,))
    prompt, _ = env.reset(seed=0)
    assert prompt.startswith(SMALL.strip()) and '"House 1":{"Name":"...","Drink":"..."}' in prompt
    assert env.step(f"<answer>{HOUSES}</answer>")[1] == 1
    task = env.unwrapped.task
    assert [len(task.rows("test", level=level)) for level in (1, 2, 3, 4)] == [1, 0, 1, 0]
    assert not any(task.rows(split, level=1) for split in ("train", "validation"))


SEC_TEXT = """There are 2 houses.
 - Each person has a unique name: bob, alice
 - Each person has a favorite drink: tea, milk

1. Bob is directly left of the tea drinker.

What is Name of the person who lives in House 1? Put it in \\boxed{}."""


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"problem": SEC_TEXT, "answer": "alice"}, 'the clues must allow "alice" only, got another'),
        ({"problem": SEC_TEXT.replace("1. Bob is directly left of", "1. Bob is"), "answer": "bob"}, "must allow one grid"),
        ({"problem": SEC_TEXT.replace("Name of", "Cat of"), "answer": "bob"}, "must be about one cell"),
        ({"problem": SEC_TEXT.replace("House 1", "House 3"), "answer": "bob"}, "must be about one cell"),
        ({"problem": SEC_TEXT.rpartition("\n")[0], "answer": "bob"}, "the last line must ask"),
        ({"problem": SEC_TEXT}, "must have a column 'answer'"),
    ],
)  # fmt: skip
def test_a_row_of_sec_whose_answer_is_not_what_its_clues_say_is_left_out(tmp_path, row, reason):
    good = {"problem": SEC_TEXT, "answer": "bob", "difficulty": 1}
    path = write(tmp_path / "own.jsonl", good, {**row, "difficulty": 1})
    with pytest.warns(UserWarning, match="1 of 2 rows"):
        left_out = ZebraFile(data=path).left_out
    assert [place for place, _ in left_out] == [f"{path}:2"]
    assert reason in left_out[0].reason


@pytest.mark.skipif(not SEC_DATA.exists(), reason=f"{SEC_DATA} is absent")
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_every_row_of_sec_is_posed_as_it_is_and_solved(step):
    with gzip.open(SEC_DATA, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    options = {"data": str(SEC_DATA), "level_column": "difficulty", "num_levels": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make("ZebraFile-v0", split="test", **options).unwrapped
        found = {env.prompt(p): p for n in env.levels for p in env.task.rows("test", level=n)}
    assert [len(env.task.rows("test", level=level)) for level in env.levels] == [100] * 4
    for place, row in enumerate(rows):
        problem = found[row["problem"]]
        if place % step:
            continue
        assert env.task.verify(problem, row["answer"]) and env.task.solve(problem) == row["answer"]


def test_no_data_are_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEWISE_DATA", os.fspath(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"pass `data`.*EDGEWISE_DATA.*zebralogic\.jsonl"):
        gym.make("ZebraLogic-v0").reset(seed=0)
