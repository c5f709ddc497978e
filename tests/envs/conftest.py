"""Rows for the environments that read data, in the layouts of their releases."""

import json

import numpy as np
import pytest

from edgewise.envs.arc1d.task import ARC1D
from edgewise.envs.blocksworld.task import Blocksworld
from edgewise.envs.blocksworld.text import write_facts, write_state
from edgewise.envs.countdown.task import SEC_LEVEL, Countdown
from edgewise.envs.zebra.task import Zebra

SIZES = (10, 20, 30, 50)  # one of each level of ARC1D-Dataset-v0
FAMILIES = ("move", "fill", "hollow", "reverse", "denoise", "copy_in_colours")


def row(problem):
    pairs = [
        {"input": [list(map(int, grid))], "output": [list(map(int, output))]}
        for grid, output in (*problem.examples, (problem.grid, problem.answer))
    ]
    return {"train": pairs[:3], "test": pairs[3:]}


SUBJECTS = (
    "Prealgebra", "Algebra", "Number Theory", "Counting & Probability", "Geometry",
    "Intermediate Algebra", "Precalculus",
)  # fmt: skip


def sum_rows(split, num_levels, subjects, **fields):
    """Sums to find, of our own writing, with the fields of all layouts."""
    rng = np.random.default_rng(len(split))
    for i in range(60 * num_levels):
        left, right = (3001 + rng.integers(3000, size=2)).tolist()
        yield {
            "problem": f"A {split} shelf holds ${left}$ red and ${right}$ blue marbles. How many?",
            "answer": str(left + right),
            "answer_text": f"${left + right}$",
            "level": i % num_levels + 1,
            "n_steps": i % num_levels + 2,
            "subject": subjects[i // num_levels % len(subjects)],
            "multiple_choice_only": i == 0,
            "in_qwen_amc23_40": i % 2 == 0,
            **fields,
        }


def choice_rows(split):
    for i, row in enumerate(sum_rows(split, 1, [""])):
        letters = dict(zip("ABCDE", (str(7000 + 11 * j + i) for j in range(5)), strict=True))
        yield {**row, "options": letters, "answer": "ABCDE"[i * i % 7 % 5]}


def write(folder, name, rows):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def write_math(folder):
    for name in ("math/train", "math/test", "math/math500"):
        write(folder, name, sum_rows(name, 5, SUBJECTS))
    for name in ("gsm8k/train", "gsm8k/test"):
        write(folder, name, sum_rows(name, 4, SUBJECTS))
    for name in ("aime24/aime24", "aime25/aime25", "amc/amc22_23", "minerva_math/test"):
        write(folder, name, sum_rows(name, 1, SUBJECTS))
    for name in ("aqua_rat/dev", "aqua_rat/test"):
        write(folder, name, choice_rows(name))
    write(
        folder,
        "problems",
        ({**row, "question": row["problem"]} for row in sum_rows("own", 1, [""])),
    )
    write(folder, "olympiadbench/oe_to_maths_en_comp", sum_rows("olympiad", 1, ["Geometry"]))
    write(folder, "harp/harp_mcq_500", sum_rows("harp", 4, ["geometry"]))


def write_tasks(folder):
    """Problems that our generators draw, as rows of files."""
    rng = np.random.default_rng(1)
    sums = (Countdown().generate(rng, **SEC_LEVEL, num_numbers=4) for _ in range(80))
    write(folder, "countdown", ({"nums": list(p.numbers), "target": p.target} for p in sums))
    grids = (ARC1D().generate(rng, size=10, families=FAMILIES) for _ in range(60))
    write(folder, "arc1d", map(sec_grid, grids))
    blocks = [Blocksworld().generate(rng, num_actions=n, min_blocks=4) for n in (4, 6) * 40]
    write(
        folder,
        "blocksworld",
        (
            {"init": write_state(dict(p.start), "words"), "goal": write_facts(p.goal, "words")}
            for p in blocks
        ),
    )
    write(folder, "zebra", (sec_puzzle(Zebra(), rng) for _ in range(40)))
    sizes = ((3, 3), (4, 4), (4, 5), (5, 5))
    puzzles = [zebralogic_puzzle(Zebra(), rng, *size) for size in sizes for _ in range(30)]
    write(folder, "zebralogic", puzzles)


def sec_grid(problem):
    pairs = [[list(map(int, grid)) for grid in pair] for pair in problem.examples]
    cells, answer = (list(map(int, grid)) for grid in (problem.grid, problem.answer))
    return {"examples": pairs, "input": cells, "answer": answer}


def sec_puzzle(task, rng):
    """A puzzle in the layout of SEC."""
    params = task.presets["sec"].levels[1]
    problem = task.generate(rng, task.draft(rng, **params), **params)
    prompt = task.prompt(problem, task.presets["sec"].template)
    return {"problem": prompt, "answer": task.solve(problem)}


def zebralogic_puzzle(task, rng, num_houses, num_attributes):
    """A puzzle in the layout of ZebraLogic, its solution masked, in words of SEC's data."""
    params = {"num_houses": num_houses, "num_attributes": num_attributes, "question": "table"}
    params["kinds"] = "zebralogic"
    problem = task.generate(rng, task.draft(rng, **params), **params)
    listed = task.prompt(problem, "{sec_listing}\n\n## Clues:\n{sec_clues}\n")
    names = [name.capitalize() for name, _ in problem.attributes]
    return {
        "id": "ours",
        "size": f"{num_houses}*{num_attributes}",
        "puzzle": f"There are {num_houses} houses in a row.\n{listed}",
        "solution": {
            "header": ["House", *names],
            "rows": [["___"] * (num_attributes + 1)] * num_houses,
        },
    }


@pytest.fixture(scope="session", autouse=True)
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "arc_1d").mkdir()
    rng = np.random.default_rng(0)
    rows = [
        row(ARC1D().generate(rng, size=size, families=FAMILIES))
        for size in SIZES
        for _ in range(300)
    ]
    (folder / "arc_1d" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_math(folder)
    write_tasks(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWISE_DATA", str(folder))
        yield folder
