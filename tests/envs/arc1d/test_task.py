import collections
import gzip
import hashlib
import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from edgewise.envs.arc1d.families import FAMILIES, fitting
from edgewise.envs.arc1d.task import ARC1D, Problem
from edgewise.task import Unsolvable

SIZES = (10, 20, 30, 40)
PROBLEM = Problem(
    (
        ("0888888801", "0088888881"),
        ("0001333330", "0001333330"),
        ("7777777100", "7777777100"),
    ),
    "9990000100",
    "0000999100",
)
RULES = [
    ("move", (2,), "0011300", "0000113"),
    ("move", (-1,), "0110000", "1100000"),
    ("move", (1,), "0000011", None),
    ("rotate", (2,), "0110023", "2301100"),
    ("rotate", (-1,), "4500006", "5000064"),
    ("gravity", ("left",), "0102030", "1230000"),
    ("gravity", ("right",), "0102030", "0000123"),
    ("step", ("left",), "0120300", "1203000"),
    ("step", ("right",), "0012003", "0001203"),
    ("step", ("right",), "1020022", "0102022"),
    ("count", ("left",), "0507030", "1110000"),
    ("count", ("right",), "0507030", "0000111"),
    ("part", ("2", "1"), "0120210", "2200011"),
    ("part", ("1", "2"), "0130210", None),
    ("sort_cells", ("left",), "0120210", "2211000"),
    ("sort_cells", ("right",), "0120210", "0001122"),
    ("move_by_length", (), "0330000", "0003300"),
    ("move_by_length", (), "0000330", None),
    ("touch", ("1",), "0400001", "0000041"),
    ("touch", ("1",), "1000440", "1440000"),
    ("approach", ("2", 2), "0440002", "0004402"),
    ("approach", ("2", 3), "0200055", "0255000"),
    ("stretch_over", ("2",), "0200550", "0555550"),
    ("stretch", ("2",), "0550020", "0555520"),
    ("mirror", ("2",), "0044200", "0000244"),
    ("mirror", ("2",), "0440200", None),
    ("mirror", ("2",), "0002044", "4402000"),
    ("reverse", (), "0043330", "0033340"),
    ("reverse", (), "0043030", None),
    ("fill", (), "0400040", "0444440"),
    ("fill", (), "0400050", None),
    ("fill_pairs", (), "4040404", "4440444"),
    ("hollow", (), "0444440", "0400040"),
    ("denoise", (), "4044404", "0044400"),
    ("denoise", (), "4404404", None),
    ("clean", (), "0454544", "0444444"),
    ("copy", (), "33300300", "33303330"),
    ("copy", (), "33300400", None),
    ("copy_in_colours", (), "33300400", "33304440"),
    ("repeat", (), "12312300", "12312312"),
    ("sort_blocks", (), "0222022020", "2022022200"),
    ("paint_longest", ("1",), "0220222", "0220111"),
    ("rank", ("1", "2"), "0330333", "0220111"),
    ("recolour", ("5",), "0120340", "0550550"),
    ("palette", (), "4705505500", "4704407700"),
    ("halve", ("8",), "2222022200", "8822082200"),
    ("echo", (), "0000501100", "5505501100"),
    ("echo", (), "0110700000", "0110770770"),
    ("spill", (), "0043330", "4443330"),
    ("spill", (), "0033340", "0033344"),
    ("flood", (), "5003040", "5333440"),
    ("flood", (), "0300405", "0333445"),
    ("flood", (), "5003005", None),
    ("mark", (), "0044007", "0344307"),
    ("parity", ("4", "6"), "0220222", "0660444"),
    ("length", ("4", "5", "6"), "2022022", "4055055"),
    ("length", ("4", "5", "6"), "2222022", None),
]


@pytest.mark.parametrize(("family", "params", "grid", "output"), RULES)
def test_what_a_rule_makes_of_a_grid(family, params, grid, output):
    assert FAMILIES[family].rule(grid, *params) == output


def test_every_family_is_worked_by_hand_above():
    assert {family for family, *_ in RULES} == set(FAMILIES) and len(FAMILIES) >= 25


@pytest.mark.parametrize(
    "answer",
    [
        "0 0 0 0 9 9 9 1 0 0",
        "0000999100",
        " 0, 0,0,0, 9,9,9, 1,0,0 ",
        "[0, 0, 0, 0, 9, 9, 9, 1, 0, 0]",
        "[[0,0,0,0,9,9,9,1,0,0]]",
        "0\n0\n0\n0\n9\n9\n9\n1\n0\n0",
        r"0\ 0\ 0\ 0\ 9\ 9\ 9\ 1\ 0\ 0",
        r"\text{0 0 0 0 9 9 9 1 0 0}",
    ],
)
def test_every_form_of_the_grid_counts(answer):
    assert ARC1D().verify(PROBLEM, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "0 0 0 0 9 9 9 1 0",
        "0 0 0 0 9 9 9 1 0 0 0",
        "0 0 0 0 99 9 1 0 0",
        "0 0 0 0 9 9 9 1 0.0",
        "-0 0 0 0 9 9 9 1 0 0",
        "the grid is 0 0 0 0 9 9 9 1 0 0",
        "0 0 0 0 9 9 9 1 0 0 or 9 9 9 0 0 0 0 1 0 0",
        "٠٠٠٠٩٩٩١٠٠",
    ],
)
def test_near_misses_do_not(answer):
    assert not ARC1D().verify(PROBLEM, answer)


def test_prompt_of_the_paper():
    preset = ARC1D.presets["sec"]
    assert preset.frame.text(ARC1D().prompt(PROBLEM, preset.template)) == (
        "A conversation between User and Assistant. The user asks a question, and the Assistant "
        "solves it. The assistant first thinks about the reasoning process in the mind and then "
        "provides the user with the answer.\nUser: Find the common rule that maps an input grid "
        "to an output grid, given the examples below.\n\n"
        "Example 1:\nInput:  0 8 8 8 8 8 8 8 0 1\nOutput: 0 0 8 8 8 8 8 8 8 1\n\n"
        "Example 2:\nInput:  0 0 0 1 3 3 3 3 3 0\nOutput: 0 0 0 1 3 3 3 3 3 0\n\n"
        "Example 3:\nInput:  7 7 7 7 7 7 7 1 0 0\nOutput: 7 7 7 7 7 7 7 1 0 0\n\n"
        "Below is a test input grid. Predict the corresponding output grid by applying the rule "
        "you found. Describe how you derived the rule and your overall reasoning process in "
        "detail before you submit your answer. Your final answer must be placed in \\boxed{} and "
        "should be just the test output grid itself.\n\nInput:\n9 9 9 0 0 0 0 1 0 0\nAssistant: "
        "Let me solve this step by step."
    )


def test_the_seedling_reads_one_line():
    template = ARC1D.presets["seedling"].template
    problem = Problem((("0110", "0011"), ("4000", "0400"), ("2200", "0220")), "5550", "0555")
    assert ARC1D().prompt(problem, template) == (
        "0110>0011 4000>0400 2200>0220 5550> in \\boxed{}: "
    )


def test_a_missing_solution_is_searched():
    assert ARC1D().solve(PROBLEM) == "0 0 0 0 9 9 9 1 0 0"
    assert ARC1D().demonstrate(PROBLEM) == "touch 1,\\boxed{0000999100}"


def test_examples_of_no_rule_are_unsolvable():
    examples = (("1230000", "0000321"), ("1000000", "1234567"), ("0000001", "7654321"))
    with pytest.raises(Unsolvable, match="fit no known rule"):
        ARC1D().solve(Problem(examples, "1100000", ""))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_drawn_alone(name):
    for split in ("train", "validation", "test"):
        for size in (8, *SIZES):
            problem = ARC1D().generate(
                np.random.default_rng(size), split, size=size, families=[name]
            )
            assert problem.solution.split()[0] == name and len(problem.grid) == size


def test_families_are_arms():
    env = gym.make("ARC1D-v0", levels=(1,), arms="family").unwrapped
    for arm, name in zip(env.arms, FAMILIES, strict=True):
        env.reset(seed=0, options=arm)
        assert env.problem.solution.split()[0] == name


def test_families_that_are_not_there_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"`families` must be one of .*did you mean 'gravity'"):
        ARC1D().generate(rng, size=10, families=["gravitie"])
    with pytest.raises(ValueError, match="`families` must not be empty"):
        ARC1D().generate(rng, size=10, families=[])
    with pytest.raises(ValueError, match="`size` must be at least 5, got 4"):
        ARC1D().generate(rng, size=4)


def all_rules(examples):
    for family in FAMILIES.values():
        open_ended = family.name in ("parity", "length")
        colours = {(colour,) for colour in "123456789"}
        params = {
            "touch": colours,
            "stretch": colours,
            "stretch_over": colours,
            "mirror": colours,
            "approach": {(dot, steps) for (dot,) in colours for steps in range(1, 5)},
            "paint_longest": colours,
            "recolour": colours,
            "halve": colours,
        }.get(family.name, family.candidates(examples) if open_ended else family.params)
        yield from ((family.rule, values) for values in params)


def drawn(size, count, **params):
    rng = np.random.default_rng(size)
    return [ARC1D().generate(rng, size=size, **params) for _ in range(count)]


@pytest.mark.parametrize(
    ("size", "families"), [(5, ("move", "gravity")), (8, tuple(FAMILIES)), (10, None), (30, None)]
)
def test_the_examples_determine_the_answer(size, families):
    for problem in drawn(size, 60, families=families):
        pairs = [*problem.examples, (problem.grid, problem.answer)]
        assert len({grid for grid, _ in pairs}) == 4
        assert all(grid != output for grid, output in pairs)
        answers = {
            rule(problem.grid, *params)
            for rule, params in all_rules(problem.examples)
            if all(rule(grid, *params) == output for grid, output in problem.examples)
        }
        assert answers - {None} == {problem.answer}


def test_two_rules_that_fit_are_noticed():
    examples = (("0330000", "0003300"), ("4400000", "0044000"), ("0055000", "0000550"))
    found = {str(rule) for rule in fitting(examples)}
    assert found == {"move 2", "rotate 2", "move_by_length"}


def test_the_last_grid_decides_the_split_and_the_order_of_examples_does_not_matter():
    task, problem = ARC1D(), drawn(10, 1)[0]
    turned = replace(problem, examples=problem.examples[::-1])
    assert task.canonical(turned) == task.canonical(problem)
    assert task.split_of(replace(problem, examples=PROBLEM.examples)) == task.split_of(problem)


def test_levels_get_harder_in_cells_and_in_rules_to_tell_apart():
    for preset in ARC1D.presets.values():
        measure = [
            level["size"] * sum(len(FAMILIES[name].params) for name in level.get("families", ()))
            or level["size"]
            for level in preset.levels.values()
        ]
        assert measure == sorted(set(measure))


def test_copying_what_the_prompt_shows_seldom_helps():
    for size in (5, 10):
        families = ("move", "gravity", "reverse", "recolour") if size == 5 else None
        problems = drawn(size, 1000, families=families)
        answers = collections.Counter(problem.answer for problem in problems)
        assert answers.most_common(1)[0][1] < 50
        assert all(problem.answer != problem.grid for problem in problems)
        for i in range(3):
            assert sum(problem.answer == problem.examples[i][1] for problem in problems) < 50


def test_the_test_set_is_frozen():
    env = gym.make("ARC1D-v0", split="test").unwrapped
    posed = [env.pose({"level": 2, "params": {}, "problem_seed": seed})[0] for seed in range(200)]
    text = "\n".join(map(env.task.canonical, posed))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "561403f40c42ddde"


def test_rows_are_read_packed_or_plain_from_a_file_or_a_folder(data, tmp_path):
    plain = data / "arc_1d" / "rows.jsonl"
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt") as packed:
        packed.write(plain.read_text())
    prompts = {
        gym.make("ARC1D-Dataset-v0", data=source).reset(seed=0)[0]
        for source in (str(plain), str(tmp_path), None)
    }
    assert len(prompts) == 1


def test_missing_rows_are_named_with_the_remedy(tmp_path, monkeypatch):
    env = gym.make("ARC1D-Dataset-v0", data=str(tmp_path / "rows.jsonl"))
    with pytest.raises(FileNotFoundError, match=r"ARC1D-Dataset-v0 needs .*rows\.jsonl has none"):
        env.reset(seed=0)
    monkeypatch.delenv("EDGEWISE_DATA")
    with pytest.raises(FileNotFoundError, match="set EDGEWISE_DATA to a folder"):
        gym.make("ARC1D-Dataset-v0").reset(seed=0)


def test_grids_of_two_rows_are_refused(tmp_path):
    pair = {"input": [[1, 0], [0, 0]], "output": [[0, 1], [0, 0]]}
    (tmp_path / "rows.jsonl").write_text(json.dumps({"train": [pair] * 3, "test": [pair]}))
    with pytest.raises(ValueError, match="a grid must be a list of one row"):
        gym.make("ARC1D-Dataset-v0", data=str(tmp_path)).reset(seed=0)


def test_rows_have_no_families():
    with pytest.raises(ValueError, match="`arms` must be None or a list"):
        gym.make("ARC1D-Dataset-v0", arms="family")
