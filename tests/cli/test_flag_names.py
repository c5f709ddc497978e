"""One set of flags: a flag of one name means the same, and has the same type, in every command."""

import ast
import inspect
import re
import textwrap
from collections import defaultdict
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest

pytest.importorskip("tyro")

from edgewise.cli import main
from edgewise.cli.main import COMMANDS
from edgewise.cli.parse import names_of

SUITES = [(None, None), ("sec", None), ("soar", None), (None, "plan.json")]  # of `compare`
CLAUSE = re.compile(
    r"[;:]|\.(?:\s|$)|, by default"
)  # where what a flag means ends, and details begin
TURNS = "what TRL and verl can do"
MEANS_OTHER = {  # flags with several meanings, and why
    "agent": "who answers, who learns, and whose model is trained, measured or written",
    "algorithm": TURNS,
    "curricula": "`list` shows them, `compare` takes names",
    "num_problems": "a trainer's batch, problems of each level where they are asked, and in all in `play`",
    "num_steps": "a game of SOAR has outer steps",
    "output": "each says what it writes, a folder or a file",
    "plan": "`compare` reads one, `preflight` and `soar` only make one",
    "processes": "`preflight` plans for those of torchrun",
    "recipe": "of verl a YAML file, of `pretrain` what a model is made of",
    "resume": "TRL and verl go on in --output, with the same flags, as torchrun starts them again",
}
OTHER_TYPE = {  # and with several types, and why
    "algorithm": TURNS,
    "curricula": MEANS_OTHER["curricula"],
    "engine": TURNS,
    "layout": "lm-eval asks what it is given, and trains nothing",
    "plan": MEANS_OTHER["plan"],
    "resume": MEANS_OTHER["resume"],
}


def base(hint):
    """A type without None, without what its numbers must be, and without the order of choices."""
    if get_origin(hint) is Annotated:
        return base(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return frozenset(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        (found,) = {base(part) for part in get_args(hint) if part is not NoneType}
        return found
    return (tuple, *map(base, get_args(hint))) if get_origin(hint) is tuple else hint


def helps(kind):
    """What each field says of itself; a class that declares one anew has the last word."""
    found = {}
    for owner in reversed(kind.__mro__):
        if is_dataclass(owner):
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body
            for one, two in pairwise(body):
                if isinstance(one, ast.AnnAssign) and isinstance(two, ast.Expr):
                    found[one.target.id] = " ".join(two.value.value.split())
    return found


def flags(kind):
    """Yield the name, the type and the help of every flag; of a part of the flags, without its name."""
    hints, texts = get_type_hints(kind, include_extras=True), helps(kind)
    for name in (item.name for item in fields(kind)):
        extras = get_args(hints[name])[1:] if get_origin(hints[name]) is Annotated else ()
        if is_dataclass(base(hints[name])):
            yield from flags(base(hints[name]))
        elif "Positional" not in str(extras):
            named = [extra.name for extra in extras if getattr(extra, "name", None)]
            yield (*named, name)[0].replace("-", "_"), base(hints[name]), texts[name]


def table():
    """For each flag, its types and what it means, each with the commands."""
    found = defaultdict(lambda: (defaultdict(set), defaultdict(set)))
    for command, (_, place) in COMMANDS.items():
        kind = resolve_name(place)
        for each in [kind] if isinstance(kind, type) else [kind(*chosen) for chosen in SUITES]:
            for name, form, text in flags(each):
                found[name][0][form].add(command)
                found[name][1][CLAUSE.split(text)[0]].add(command)
    return found


TABLE = table()


def test_there_are_many_flags():
    assert len(TABLE) > 150 and TABLE["seed"][0] == {int: TABLE["seed"][0][int]}
    assert {"train", "eval", "report"} <= TABLE["seed"][0][int]


def test_flags_of_one_name_mean_the_same():
    others = {name: dict(texts) for name, (_, texts) in TABLE.items() if len(texts) > 1}
    assert {name: others[name] for name in others.keys() - MEANS_OTHER} == {}
    assert MEANS_OTHER.keys() <= others.keys(), "an exception that is none any more"


def test_flags_of_one_name_have_the_same_type():
    others = {name: dict(forms) for name, (forms, _) in TABLE.items() if len(forms) > 1}
    assert {name: others[name] for name in others.keys() - OTHER_TYPE} == {}
    assert OTHER_TYPE.keys() <= others.keys(), "an exception that is none any more"


def test_flags_that_mean_the_same_have_one_name():
    names = defaultdict(set)
    for name, (_, texts) in TABLE.items():
        for text in texts:
            names[text].add(name)
    assert {text: found for text, found in names.items() if len(found) > 1} == {}


OLD = {  # published names, which are taken on
    "eval": ["--plan.num-problems 3", "--plan.split test", "--plan.seed 1", "--samples 2"],
    "profile": ["--plan.num-problems 3", "--plan.num-samples 2", "--plan.split test"],
    "compare": ["--seeds 2", "--arms 3", "--steps 4"],
    "soar": ["--preset seedling"],
    "trl": ["--model Qwen/Qwen2.5-1.5B-Instruct"],
    "export": ["--size 3"],
}
NEW = {
    "eval": "--num-problems 3 --split test --seed 1 --num-samples 2",
    "profile": "--num-problems 3 --num-samples 2 --split test",
    "compare": "--num-seeds 2 --num-arms 3 --num-steps 4",
    "soar": "--game seedling",
    "trl": "--agent hf:Qwen/Qwen2.5-1.5B-Instruct",
    "export": "--num-problems 3",
}


@pytest.mark.parametrize("command", OLD)
def test_old_names_are_taken_on(command):
    from edgewise.cli.parse import configure

    place = COMMANDS[command][1]
    old = configure(command, place, " ".join(OLD[command]).split())
    assert old == configure(command, place, NEW[command].split())


def kinds():
    """Each command with its flags, of `compare` those of each suite."""
    for command, (_, place) in COMMANDS.items():
        kind = resolve_name(place)
        for chosen in [(None, None)] if isinstance(kind, type) else SUITES:
            suite = f" --suite {chosen[0]}" if chosen[0] else ""
            yield command + suite, kind if isinstance(kind, type) else kind(*chosen)


RENAMED = [
    (command, old, new)
    for command, kind in kinds()
    for old, new in names_of(kind).items()
    if old != new
]


def test_the_old_names_are_known():
    found = {old for _, old, _ in RENAMED}
    assert found >= {word for words in OLD.values() for word in " ".join(words).split()[::2]}
    assert ("eval", "--samples", "--num-samples") in RENAMED


@pytest.mark.parametrize(("command", "old", "new"), RENAMED)
def test_a_flag_is_not_given_under_two_names(command, old, new, capsys):
    """Nor does a message name the old one, but for this."""
    for words in ([new, "3", old, "4"], [f"{old}=3", f"{new}=3"]):
        assert main([*command.split(), *words]) == 2
        told = capsys.readouterr().err
        assert told == f"edgewise: {new} must be given once, got it as {old} too, its old name\n"
    for words in ([f"{old}s", "3"], [old[:-1], "3"], [old], [old, ""], [f"{new}s", "3"]):
        assert main([*command.split(), *words]) == 2, words
        _, must, told = capsys.readouterr().err.partition(" must be")
        assert not re.search(rf"(did you mean|`){old}[?`]", must + told), words


def test_recipes_of_verl_have_its_flags():
    from edgewise.agents.integrations.verl_config import VerlConfig

    folder = Path(__file__).parents[2] / "recipes" / "verl"
    if not folder.is_dir():
        pytest.skip("the recipes are not here")
    assert all(VerlConfig.from_recipe(path) for path in folder.glob("*.yaml"))
