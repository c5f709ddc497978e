"""Problems of the user's own: columns, kinds of answers, levels, arms, splits, and what is refused."""

import gzip
import json

import gymnasium as gym
import pytest

pytest.importorskip("flint")

import edgewise
from edgewise.envs.problem_file import Problem, ProblemFile, read_problems


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
        [row], question="text", answer="truth.value.0", subject="topic", level="stage", num_levels=3
    )
    assert read_problems(task) == (Problem("Which?", "7", 2, "sets"),)
    with pytest.raises(ValueError, match=r"must have a column 'question', got text, truth, topic"):
        read_problems(make([row]))


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
    task = make([row], options="choices", kind="choice")
    problem = read_problems(task)[0]
    assert (problem.text, problem.answer) == ("Which?\nA) one\nB) two", "B")
    assert task.num_answers(problem) == 2
    assert r"letter of the right option in \boxed{}" in task.prompt(
        problem, task.presets["sec"].template
    )


def test_levels_are_quantiles_of_the_difficulty_with_as_many_problems_each(make):
    data = [{**row, "rate": (7 * i) % 40} for i, row in enumerate(rows(40))]
    for column, first in (("rate", range(10)), ("-rate", range(30, 40))):
        found = read_problems(make(data, difficulty=column, num_levels=4))
        easiest = {int(problem.answer) * 7 % 40 for problem in found if problem.level == 1}
        assert [sum(p.level == level for p in found) for level in (1, 2, 3, 4)] in (
            [10, 10, 10, 10],
            [9, 10, 10, 11],
            [11, 10, 10, 9],
        )
        assert easiest <= {*first, 10, 30} and len(easiest) >= 9


def test_problems_of_unknown_difficulty_are_left_out(make):
    data = [{**row, "rate": None if i == 3 else i} for i, row in enumerate(rows(9))]
    found = read_problems(make(data, difficulty="rate", num_levels=2))
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


def test_arms_are_the_labels_of_a_function_and_have_names(make, tmp_path, monkeypatch):
    (tmp_path / "user_labels.py").write_text(
        "def parity(problem):\n    return ['even', 'odd'][int(problem.answer) % 2]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = make(rows(100)).data
    env = gym.make("ProblemSet-v0", data=path, arms="user_labels:parity").unwrapped
    assert [arm["params"]["part"] for arm in env.arms] == ["even", "odd"]
    for arm in env.arms:
        _, info = env.reset(seed=0, options=arm)
        assert parity(env.problem) == arm["params"]["part"]
        assert edgewise.pose(info["problem"]).problem == env.problem


def test_subjects_are_arms(make):
    data = [{**row, "topic": f"topic {i % 3}"} for i, row in enumerate(rows(60))]
    path = make(data).data
    env = gym.make("ProblemSet-v0", data=path, subject="topic", arms="subject").unwrapped
    assert [arm["params"] for arm in env.arms] == [{"subject": f"topic {i}"} for i in range(3)]


def test_files_may_be_in_gzip_or_parquet(tmp_path):
    with gzip.open(tmp_path / "mine.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows(3)))
    assert len(read_problems(ProblemFile(str(tmp_path / "mine.jsonl.gz")))) == 3
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")
    table = arrow.Table.from_pylist([{"question": "?", "answer": [{"value": "3"}]}])
    parquet.write_table(table, tmp_path / "mine.parquet")
    task = ProblemFile(str(tmp_path / "mine.parquet"), answer="answer.0.value")
    assert read_problems(task)[0].answer == "3"


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
        ({"num_levels": 0}, "`num_levels` must be at least 1, got 0"),
        ({"held_out": 60}, r"`held_out` must be in \[0, 50\], got 60"),
        ({"level": "a", "difficulty": "b"}, "`level` must be empty with `difficulty`, got 'a'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make("ProblemSet-v0", **options)


def test_levels_need_a_column_and_room(make):
    with pytest.raises(ValueError, match="must name a column for 2 levels"):
        read_problems(make(rows(3), num_levels=2))
    with pytest.raises(ValueError, match=r"`num_levels` must be less than 2: .* level 1 has none"):
        read_problems(make(rows(3, rate=0.5), difficulty="rate", num_levels=2))
    with pytest.raises(ValueError, match="`num_levels` must be at least 5, the largest 'stage'"):
        read_problems(make(rows(3, stage=5), level="stage", num_levels=2))
