"""Answers to Knights and Knaves: every way to write the claims, and none that claims more."""

import gzip
import itertools
import json
import os
from pathlib import Path

import pytest

from edgewise.envs.reasoning_gym.answers import is_assignment

BESIDE = Path(__file__).parents[4] / "shared" / "data"
PUBLIC = Path(os.environ.get("EDGEWISE_DATA", BESIDE))
if not (PUBLIC / "knights_knaves").is_dir():
    PUBLIC = BESIDE
HALF = PUBLIC / "knights_knaves" / "kk_test_half.jsonl.gz"
PEOPLE = (("Zoey", True), ("Abe", False), ("Riley", True))
LAYOUTS = {
    "sentence": lambda claims: f"{', '.join(claims[:-1])}, and {claims[-1]}.",
    "sentences": lambda claims: ". ".join(claims) + ".",
    "commas": ", ".join,
    "ands": " and ".join,
    "lines": "\n".join,
    "windows": "\r\n".join,
    "lines with full stops": lambda claims: ".\n".join(claims) + ".",
    "lines with commas": lambda claims: ",\nand ".join(claims),
    "apart": lambda claims: "\n\n  " + "  \n\n ".join(claims) + "\n",
    "semicolons": "; ".join,
    "numbers": lambda claims: "\n".join(f"({k}) {c}" for k, c in enumerate(claims, 1)),
    "numbers in a row": lambda claims: " ".join(f"({k}) {c}" for k, c in enumerate(claims, 1)),
    "numbers with points": lambda claims: "\n".join(f"{k}. {c}" for k, c in enumerate(claims, 1)),
    "numbers with brackets": lambda claims: ",\n".join(f"{k}) {c}" for k, c in enumerate(claims, 1)),
    "dashes": lambda claims: "\n".join(f"- {claim}" for claim in claims),
    "stars": lambda claims: "\n".join(f"* {claim}." for claim in claims),
    "bullets": lambda claims: "\n".join(f"  • {claim}" for claim in claims),
}  # fmt: skip
every_layout = pytest.mark.parametrize("write", LAYOUTS.values(), ids=LAYOUTS)


def claims(people):
    return [f"{name} is a {'knight' if truthful else 'knave'}" for name, truthful in people]


def made(people):
    *first, last = claims(people)
    return {"answer": f"{', '.join(first)}, and {last}."}


@every_layout
def test_the_claims_count_in_any_order_and_layout(write):
    for order in itertools.permutations(claims(PEOPLE)):
        assert is_assignment(made(PEOPLE), write(order))
        assert is_assignment(made(PEOPLE), write(order).upper())


@every_layout
@pytest.mark.parametrize(
    "people",
    [
        *(
            [(name, truthful ^ bool(flips >> k & 1)) for k, (name, truthful) in enumerate(PEOPLE)]
            for flips in range(1, 8)
        ),
        [*PEOPLE, ("Abe", True)],  # both claims about one person
        [PEOPLE[0], PEOPLE[1], ("Abe", True), PEOPLE[2]],
        [*PEOPLE, PEOPLE[0]],  # a person twice
        PEOPLE[:2],
        PEOPLE[1:],
        [*PEOPLE, ("Mia", True)],
        [*PEOPLE[:2], ("Mia", True)],
        [*PEOPLE[:2], ("Zoey", True)],
        [*PEOPLE[:2], ("1", True)],
    ],
)
def test_other_claims_do_not(write, people):
    assert not is_assignment(made(PEOPLE), write(claims(people)))


@pytest.mark.parametrize(
    "answer",
    ["", "\n", "1. ", "Zoey", "Zoey is a knight or Abe is a knave, Riley is a knight",
     "Zoey is a knight\nAbe is not a knave\nRiley is a knight",
     "Zoey is a knight\nI guess\nAbe is a knave\nRiley is a knight",
     "Zoey and Riley is a knight\nAbe is a knave",
     "Zoey is a knight\nAbe is a knave\nRiley is a knight\nor the other way round",
     "- - Zoey is a knight\n- Abe is a knave\n- Riley is a knight",
     "-1 Zoey is a knight\nAbe is a knave\nRiley is a knight",
     "Zoey is a knight Abe is a knave Riley is a knight",
     "\n" * 20_000, "- " * 10_000, "and " * 5_000, "(1) " * 5_000, "a is a b, " * 2_000],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_anything_else_is_wrong(answer):
    assert not is_assignment(made(PEOPLE), answer)


@pytest.mark.skipif(not HALF.is_file(), reason="the public data is not there")
@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_public_solutions_count_in_every_layout_and_turned_ones_in_none(step):
    with gzip.open(HALF, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) == 250
    for row in rows[::step]:
        people = list(zip(row["names"], row["solution"], strict=True))
        for write in LAYOUTS.values():
            assert is_assignment(made(people), write(claims(people)))
            for k, (name, truthful) in enumerate(people):
                turned = [*people[:k], (name, not truthful), *people[k + 1 :]]
                assert not is_assignment(made(people), write(claims(turned)))
                assert not is_assignment(made(people), write(claims([*people, turned[k]])))
                assert not is_assignment(made(people), write(claims(people[:k] + people[k + 1 :])))
