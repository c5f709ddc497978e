"""Problems of the user's own: columns, kinds of answers, levels, arms, splits, and what is refused."""

import gzip
import json
import sys
import warnings
from collections import Counter
from pathlib import Path

import gymnasium as gym
import pytest

pytest.importorskip("flint")

import edgewise
from edgewise.envs.math.problem_file import Problem, ProblemFile, load_problems
from edgewise.registration import DIVISIONS, register_division


@pytest.fixture
def make(tmp_path):
    def made(rows, **options):
        path = tmp_path / "mine.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ProblemFile(data=str(path), **options)

    return made


def rows(count, **fields):
    return [{"question": f"Number {i}?", "answer": str(i), **fields} for i in range(count)]


def test_the_columns_have_the_names_that_are_given(make):
    row = {"text": "Which?", "truth": {"value": [7]}, "topic": "sets", "stage": "Level 2"}
    task = make(
        [row],
        question_column="text",
        answer_column="truth.value.0",
        subject_column="topic",
        level_column="stage",
        num_levels=3,
    )
    assert load_problems(task).problems == (Problem("Which?", "7", 2, "sets"),)
    env = gym.make(
        "ProblemSet-v0", data=task.data, question_column="text", answer_column="truth.value.0"
    )
    env.unwrapped.task.rows("train", level=1)  # any of them can be named there


@pytest.mark.parametrize(
    ("kind", "gold", "right", "wrong"),
    [
        (
            "number",
            "1,200",
            ["1200", "1200.0", r"\boxed{1200}"],
            ["1201", "1200 + 0", "", "2400/2x"],
        ),
        ("number", "1/2", ["0.5", r"\frac{1}{2}"], ["0.51", "1 / 0"]),
        ("expression", "x/2", [r"\frac{x}{2}", "0.5x"], ["x", "2"]),
        ("text", "New  Delhi", ["new delhi", " New Delhi "], ["Delhi", "New Delhi or Rome", ""]),
        ("choice", "B", ["b", "(B)", "B)"], ["A", "A B", "not B"]),
    ],
)
def test_each_kind_of_answer_is_compared_in_its_way(kind, gold, right, wrong):
    task, problem = ProblemFile(kind=kind), Problem("?", gold)
    assert task.verify_many([problem] * len(right), right) == [True] * len(right)
    assert task.verify_many([problem] * len(wrong), wrong) == [False] * len(wrong)


def test_options_stand_below_the_question(make):
    row = {"question": "Which?", "answer": 1, "choices": ["one", "two"]}
    task = make([row], options_column="choices", kind="choice")
    problem = load_problems(task).problems[0]
    assert (problem.text, problem.answer) == ("Which?\nA) one\nB) two", "B")
    assert task.num_answers(problem) == 2
    assert r"letter of the right option in \boxed{}" in task.prompt(
        problem, task.presets["sec"].template
    )


def test_levels_are_quantiles_of_the_difficulty_with_as_many_problems_each(make):
    data = [{**row, "rate": (7 * i) % 40} for i, row in enumerate(rows(40))]
    for column, first in (("rate", range(10)), ("-rate", range(30, 40))):
        found = load_problems(make(data, difficulty_column=column, num_levels=4)).problems
        easiest = {int(problem.answer) * 7 % 40 for problem in found if problem.level == 1}
        assert [sum(p.level == level for p in found) for level in (1, 2, 3, 4)] in (
            [10, 10, 10, 10],
            [9, 10, 10, 11],
            [11, 10, 10, 9],
        )
        assert easiest <= {*first, 10, 30} and len(easiest) >= 9


def test_problems_of_unknown_difficulty_are_left_out(make):
    data = [{**row, "rate": None if i == 3 else i} for i, row in enumerate(rows(9))]
    task = make(data, difficulty_column="rate", num_levels=2)
    with pytest.warns(UserWarning, match="1 of 9 rows are no problems"):
        found = load_problems(task).problems
    assert "3" not in {problem.answer for problem in found} and len(found) == 8


def test_every_problem_is_in_one_split_and_equal_texts_are_one_problem(make):
    task = make([*rows(200), *rows(200)])
    splits = [task.rows(split, level=1) for split in ("train", "validation", "test")]
    assert sum(map(len, splits)) == len({p.text for split in splits for p in split}) == 200
    assert len(splits[0]) > 140 and len(splits[1]) > 5 and len(splits[2]) > 5
    everything = make(rows(200), held_out=0)
    assert len(everything.rows("train", level=1)) == 200


def test_what_is_in_a_known_test_set_is_not_trained_on(make, data):
    held = json.loads((data / "minerva_math" / "test.jsonl").read_text().splitlines()[0])
    task = make([{"question": held["problem"], "answer": "1"}, *rows(3)], held_out=0)
    assert [problem.answer for problem in task.rows("train", level=1)] == ["0", "1", "2"]


def parity(problem):
    return ["even", "odd"][int(problem.answer) % 2]


@pytest.fixture
def halves():
    """A division that is registered for one test."""
    before = dict(DIVISIONS)
    yield register_division("halves", parity)
    DIVISIONS.clear()
    DIVISIONS.update(before)


@pytest.mark.parametrize("arms", [parity, "halves"])
def test_arms_are_the_labels_of_a_function_and_have_names(make, halves, arms):
    env = gym.make("ProblemSet-v0", data=make(rows(100)).data, arms=arms).unwrapped
    assert [arm["params"]["part"] for arm in env.arms] == ["even", "odd"]
    for arm in env.arms:
        _, info = env.reset(seed=0, options=arm)
        assert parity(env.problem) == arm["params"]["part"]
        assert edgewise.pose(info["problem"]).problem == env.problem


def test_a_division_that_was_not_registered_is_not_imported(make, tmp_path, monkeypatch, halves):
    (tmp_path / "stranger.py").write_text("def parity(problem):\n    return 'odd'\n")
    monkeypatch.syspath_prepend(tmp_path)
    data, says = make(rows(100)).data, r"register_division\('stranger:parity', function\) first"
    arm = {"level": 1, "params": {"function": "stranger:parity", "part": "odd"}}
    with pytest.raises(ValueError, match=says):
        gym.make("ProblemSet-v0", data=data, arms=[arm])
    with pytest.raises(ValueError, match=r"`arms` must be None or a list.*register_division"):
        gym.make("ProblemSet-v0", data=data, arms="stranger:parity")
    with pytest.raises(ValueError, match="must be of no other division, got 'halves'"):
        register_division("halves", lambda problem: "odd")
    assert "stranger" not in sys.modules


def test_subjects_are_arms(make):
    data = [{**row, "topic": f"topic {i % 3}"} for i, row in enumerate(rows(60))]
    path = make(data).data
    env = gym.make("ProblemSet-v0", data=path, subject_column="topic", arms="subject").unwrapped
    assert [arm["params"] for arm in env.arms] == [{"subject": f"topic {i}"} for i in range(3)]


def test_a_column_says_the_split_and_named_values_the_level(make):
    parts = ["train", "dev", "test", "Train", "test"]
    tiers = ["hard", "easy", "easy", "easy", "hard"]
    data = [
        {**row, "part": part, "tier": tier}
        for row, part, tier in zip(rows(5), parts, tiers, strict=True)
    ]
    data.append({**rows(1)[0], "part": "test", "tier": "easy"})  # the text of a training row
    task = make(data, split_column="part", level_column="tier", level_values=["easy", "hard"])
    found = {
        (split, level): [problem.answer for problem in task.rows(split, level=level)]
        for split in ("train", "validation", "test")
        for level in (1, 2)
    }
    assert found == {
        ("train", 1): ["3"], ("train", 2): [], ("validation", 1): ["1"], ("validation", 2): [],
        ("test", 1): ["2", "0"], ("test", 2): ["4"],
    }  # fmt: skip
    assert len(task.presets["sec"].levels) == 2


def test_a_split_or_level_that_is_none_leaves_the_row_out(make):
    data = [{**row, "part": "test", "tier": "easy"} for row in rows(3)]
    data[1]["part"], data[2]["tier"] = "exam", "odd"
    options = {"split_column": "part", "level_column": "tier", "level_values": ("easy",)}
    task = make(data, **options)
    with pytest.warns(UserWarning, match="2 of 3 rows are no problems"):
        assert len(task.rows("test", level=1)) == 1
    assert [place.rpartition(":")[2] for place, _ in task.left_out] == ["2", "3"]
    assert "the split must be one of train" in task.left_out[0].reason
    assert "the level must be one of easy, got 'odd'" in task.left_out[1].reason
    with pytest.raises(ValueError, match="`level_column` must name the column of `level_values`"):
        make(data, level_values=("easy",))


TIERS = ("trivial", "easy", "medium", "hard")
PUBLIC = Path(__file__).parents[4] / "shared" / "data"
E2H = {
    "split_column": "split",
    "level_column": "tier",
    "level_values": TIERS,
    "question_column": "problem",
}
needs_public = pytest.mark.skipif(
    not (PUBLIC / "e2h").is_dir(), reason="the public data is not there"
)


def oracle(task):
    """How many rows of each split and level there are; their gold answers are right."""
    counts = {}
    for split in ("train", "validation", "test"):
        for level in range(1, 5):
            problems = task.rows(split, level=level)
            answers = list(map(task.solve, problems))
            assert all(task.verify_many(problems, answers))
            counts[split, level] = len(problems)
    return counts


@needs_public
def test_the_tiers_of_e2h_are_levels_of_aqua():
    path = str(PUBLIC / "e2h" / "aqua_levels.jsonl.gz")
    task = ProblemFile(path, kind="choice", options_column="options", **E2H)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = oracle(task)
    with gzip.open(path, "rt") as lines:
        given = Counter((row["split"], row["tier"]) for row in map(json.loads, lines))
    for (split, level), count in counts.items():
        assert count <= given[split, TIERS[level - 1]] <= count + 300  # equal texts are one problem
    assert sum(counts.values()) > 4_900


@needs_public
def test_the_tiers_of_e2h_are_levels_of_gsm8k(tmp_path):
    known = {}
    for split in ("train", "test"):
        with gzip.open(PUBLIC / "gsm8k" / f"{split}.jsonl.gz", "rt") as lines:
            known.update((row["id"], row) for row in map(json.loads, lines))
    with gzip.open(PUBLIC / "e2h" / "gsm8k_levels.jsonl.gz", "rt") as lines:
        tiers = [json.loads(line) for line in lines]
    joined = [{**known[row["gsm8k_id"]], **row} for row in tiers]
    (tmp_path / "gsm8k.jsonl").write_text("\n".join(map(json.dumps, joined)))
    counts = oracle(ProblemFile(str(tmp_path / "gsm8k.jsonl"), kind="number", **E2H))
    given = Counter((row["split"], row["tier"]) for row in tiers)
    assert counts == {(s, n): given[s, TIERS[n - 1]] for s, n in counts}
    assert sum(counts.values()) == 8_792


def test_files_may_be_in_gzip_or_parquet(tmp_path):
    with gzip.open(tmp_path / "mine.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows(3)))
    assert len(load_problems(ProblemFile(str(tmp_path / "mine.jsonl.gz"))).problems) == 3
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    table = arrow.Table.from_pylist([{"question": "?", "answer": [{"value": "3"}]}])
    parquet.write_table(table, tmp_path / "mine.parquet")
    task = ProblemFile(str(tmp_path / "mine.parquet"), answer_column="answer.0.value")
    assert load_problems(task).problems[0].answer == "3"


def test_a_missing_file_says_what_to_do(tmp_path):
    env = gym.make("ProblemSet-v0", data=str(tmp_path / "none.jsonl"))
    with pytest.raises(
        FileNotFoundError, match=r"none.jsonl is none: pass `data`, its path or 'hub:"
    ):
        env.reset(seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "deepscalar"}, "did you mean 'deepscaler'"),
        ({"kind": "numbr"}, "did you mean 'number'"),
        ({"num_levels": 0}, "`num_levels` must be at least 1 and at most 1000, got 0"),
        ({"held_out": 60}, r"`held_out` must be in \[0, 50\], got 60"),
        (
            {"level_column": "a", "difficulty_column": "b"},
            "`level_column` must be empty with `diff",
        ),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make("ProblemSet-v0", **options)


def test_levels_need_a_column_and_room(make):
    with pytest.raises(ValueError, match="`difficulty_column` must name a column for 2 levels"):
        load_problems(make(rows(3), num_levels=2))
    with pytest.raises(ValueError, match=r"`num_levels` must be less than 2: .* level 1 has none"):
        load_problems(make(rows(3, rate=0.5), difficulty_column="rate", num_levels=2))
    with pytest.raises(ValueError, match="`num_levels` must be at least 5, the largest 'stage'"):
        load_problems(make(rows(3, stage=5), level_column="stage", num_levels=2))
