"""Rows of a user's own data: what each becomes, and what is left out, with place and reason."""

import gzip
import json

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("flint")

from edgewise.envs.math.answers import read_options
from edgewise.envs.math.problem_file import Problem, ProblemFile, load_problems


@pytest.fixture
def make(tmp_path):
    def made(rows, **options):
        path = tmp_path / "mine.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ProblemFile(data=str(path), **options)

    return made


def rows(count, **fields):
    return [{"question": f"Number {i}?", "answer": str(i), **fields} for i in range(count)]


BAD = {  # the row, or the text of its line, and the reason
    "cut": ('{"question": "What?", "answer": ', "is not JSON: Expecting value"),
    "deep": ('{"question": ' + "[" * 100_000, "is nested too deeply"),
    "list": ("[1, 2]", "must be an object with columns, got list"),
    "no question": ({"answer": "1"}, "`question_column` must name a column, got 'question'"),
    "null question": ({"question": None, "answer": "1"}, "question must be a text, got null"),
    "number": ({"question": 7, "answer": "1"}, "question must be a text, got 7"),
    "empty": ({"question": " \n", "answer": "1"}, "the question must not be empty"),
    "large": ({"question": "?" * 100_001, "answer": "1"}, "must have at most 100,000 characters"),
    "half": ({"question": "a\ud800b", "answer": "1"}, "has half a character, or no UTF-8, at character 2"),
    "no answer": ({"question": "a", "gold": "1"}, "the columns are question, gold"),
    "null": ({"question": "a", "answer": None}, "answer must be a text, a number or a list of one, got null"),
    "dict": ({"question": "a", "answer": {"value": 1}}, 'list of one, got {"value": 1}'),
    "two": ({"question": "a", "answer": ["1", "2"]}, 'list of one, got ["1", "2"]'),
    "none": ({"question": "a", "answer": []}, "list of one, got []"),
    "null in it": ({"question": "a", "answer": [None]}, "list of one, got null"),
    "nested": ({"question": "a", "answer": [["1"]]}, 'list of one, got ["1"]'),
    "true": ({"question": "a", "answer": True}, "list of one, got true"),
    "nan": ({"question": "a", "answer": float("nan")}, "the answer must be finite, got nan"),
    "blank": ({"question": "a", "answer": " "}, "the answer must not be empty"),
    "half gold": ({"question": "a", "answer": "\udcff"}, "the answer has half a character"),
    "long gold": ({"question": "a", "answer": "1" * 2_001}, "must have at most 2,000 characters"),
}  # fmt: skip
GOOD = [{"question": "First?", "answer": "1"}, {"question": "Last?", "answer": ["2"]}]


def lines_with(bad):
    return [bad if isinstance(bad, str) else json.dumps(bad), *map(json.dumps, GOOD)]


@pytest.mark.parametrize("kind", ["expression", "number", "text"])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_left_out_with_its_place_and_the_reason_or_refused(tmp_path, name, kind):
    bad, reason = BAD[name]
    path = tmp_path / "mine.jsonl"
    lines = lines_with(bad)
    path.write_text("\n".join([lines[1], "", lines[0], lines[2]]))
    task = ProblemFile(str(path), kind=kind)
    with pytest.warns(
        UserWarning, match=r"mine.jsonl: 1 of 3 rows are no problems; .*mine.jsonl:3: "
    ):
        problems, _, left_out = load_problems(task)
    assert [(problem.text, problem.answer) for problem in problems] == [
        ("First?", "1"),
        ("Last?", "2"),
    ]
    assert [row.place for row in task.left_out] == [f"{path}:3"] and reason in left_out[0].reason
    with pytest.raises(ValueError, match=r"mine.jsonl:3: ") as caught:
        ProblemFile(str(path), kind=kind, strict=True).rows("train", level=1)
    assert reason in str(caught.value)
    path.write_text("\n".join(lines[:1] * 3))
    with pytest.raises(ValueError, match=r"mine.jsonl: 3 of 3 rows are no problems; .*jsonl:1: "):
        ProblemFile(str(path), kind=kind, held_out=0).rows("train", level=1)


def mutated(rng):
    """Return a row with fields of any type, as JSON, perhaps cut."""
    values = [
        None, True, 0, -1, 3, 10**30, 2.5, float("nan"), float("inf"), "", " ", "B", "c)", "0", "9", "x", "\ud800",
        [], [None], ["A"], ["A", "B"], {}, {"A": 1}, {"A": None, "b": "y"}, [["A"]], "[1, 2]", "nil",
    ]  # fmt: skip
    columns = ("question", "answer", "level", "difficulty", "subject", "options")
    row = {
        "question": f"Number {rng.integers(1000)}?",
        "answer": "B",
        "level": 1,
        "difficulty": rng.random(),
    }
    row |= {"subject": "sets", "options": ["one", "two"]}
    for column in rng.choice(columns, size=rng.integers(3), replace=False).tolist():
        row[column] = values[rng.integers(len(values))]
    text = json.dumps(row)
    return text[: rng.integers(len(text))] if rng.random() < 0.1 else text


@pytest.mark.parametrize(
    "leveled", [{"level_column": "level"}, {"difficulty_column": "difficulty"}]
)
def test_of_any_rows_only_whole_problems_are_posed_and_none_is_lost(tmp_path, leveled):
    rng = np.random.default_rng(0)
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(mutated(rng) for _ in range(2_000)))
    named = {"subject_column": "subject", "options_column": "options"}
    task = ProblemFile(str(path), kind="choice", num_levels=9, **named, **leveled)
    with pytest.warns(UserWarning, match=r"mine.jsonl: [\d,]+ of [\d,]+ rows are no problems"):
        problems, _, left_out = load_problems(task)
    assert len(problems) > 200 and len(left_out) > 100
    assert len({place for place, _ in left_out}) == len(left_out)
    for problem in problems:
        assert problem.answer in read_options(problem.text)
        assert 1 <= problem.level <= 9 and "None" not in repr(problem)
        assert (
            problem.subject in ("sets", "", "x", "A", "B", "c)", "[1, 2]", "nil")
            or problem.subject.lstrip("-").replace(".", "").isdigit()
        )
        problem.text.encode()


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        (7, "7"), (2.0, "2.0"), (1e-7, "0.0000001"), (1e16, "10000000000000000"), (["7"], "7"), ([7], "7"),
        (" 7 ", "7"), ("None", "None"), (10**40, str(10**40)),
    ],
)  # fmt: skip
def test_numbers_and_lists_of_one_become_text(make, gold, text):
    assert load_problems(make([{"question": "a", "answer": gold}])).problems[0].answer == text


@pytest.mark.parametrize(
    ("gold", "options", "letter"),
    [
        (1, ["one", "two"], "B"),
        ("1", ["one", "two"], "B"),
        ("b", ["one", "two"], "B"),
        ("(B)", ["one", "two"], "B"),
        ("B) two", ["one", "two"], "B"),
        (["B"], {"A": "one", "B": "two"}, "B"),
        (0, {"a": "one", "b": "two"}, "A"),
        ("B", '["one", "two"]', "B"),
        ("B", {"A": 1, "B": 2.5, "C": None}, "B"),
        (2, ["one", "two"], None),
        (-1, ["one", "two"], None),
        ("2", ["one", "two"], None),
        ("C", ["one", "two"], None),
        ("C", {"A": 1, "B": 2, "C": None}, None),
        ("A or B", ["one", "two"], None),
        (True, ["one", "two"], None),
        (1, ["one", None], None),
        (1, [], None),
        (0, ["x"] * 27, None),
        (0, {"text": ["one"], "label": ["A"]}, None),
        (0, "one, two", None),
        (0, None, None),
    ],
)
def test_a_choice_is_a_letter_or_a_place_among_its_options(make, gold, options, letter):
    bad = {"question": "Which?", "answer": gold, "choices": options}
    good = {"question": "What?", "answer": "A", "choices": ["this"]}
    task = make([good, bad], options_column="choices", kind="choice")
    if letter is None:
        with pytest.warns(UserWarning, match="1 of 2 rows are no problems; .*mine.jsonl:2: "):
            assert len(load_problems(task).problems) == 1
    else:
        assert load_problems(task).problems[1].answer == letter


@pytest.mark.parametrize(
    ("column", "value"),
    [(column, value) for column in ("level", "difficulty") for value in (None, "", "x", True, [], 1e999, float("nan"))]
    + [("level", value) for value in (0, -3, 1.5, "Level ?", "-3", 10**9, 10**400)]
    + [("difficulty", value) for value in ("inf", "nan", -float("inf"), 10**400)],
)  # fmt: skip
def test_what_is_no_level_or_difficulty_is_left_out(make, column, value):
    data = [{**row, column: i + 1} for i, row in enumerate(rows(4))] + [
        {"question": "Bad?", "answer": "0", column: value}
    ]
    task = make(data, num_levels=4, **{f"{column}_column": column})
    with pytest.warns(
        UserWarning, match=f"1 of 5 rows are no problems; .*jsonl:5: the {column} must"
    ):
        found = load_problems(task).problems
    assert [problem.level for problem in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("value", [3, "3", 3.0, "3.0", "Level 3", "grade 3 of 8"])
def test_a_level_may_stand_after_a_word(make, value):
    task = make(rows(1, stage=value), level_column="stage", num_levels=3)
    assert load_problems(task).problems[0].level == 3


@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv", "mine.csv.gz"])
def test_tables_are_read_with_every_column(tmp_path, name):
    separator = "\t" if "tsv" in name else ","
    lines = [
        ["Frage", "Antwort", "Stufe", "Thema"], ["What, now?", "7", "Level 2", "sets"],
        ["And\nthen?", "1/2", "1", ""], ["Cut?"], ["Empty?", "", "1", "sets"],
    ]  # fmt: skip
    text = "\ufeff" + "".join(
        separator.join('"' + cell + '"' if {",", "\n"} & set(cell) else cell for cell in line)
        + "\r\n"
        for line in lines
    )
    raw = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    env = gym.make(
        "ProblemSet-v0", data=str(tmp_path / name), question_column="Frage", answer_column="Antwort",
        level_column="Stufe", subject_column="Thema", num_levels=2,
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"2 of 4 rows are no problems; .*:5: must have 4 cells"):
        problems = load_problems(env.unwrapped.task).problems
    assert problems == (
        Problem("What, now?", "7", 2, "sets"),
        Problem("And\nthen?", "1/2", 1, ""),
    )
    assert env.unwrapped.task.left_out[1] == (
        f"{tmp_path / name}:6",
        "the answer must not be empty",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`question_column` must name a column, got 'question'; the columns are problem, gold, stage; did you mean 'problem'"),
        ({"question_column": "problm"}, "`question_column` must .* got 'problm'; .* did you mean 'problem'"),
        ({"question_column": "problem"}, "`answer_column` must .* got 'answer'; .* did you mean 'gold'"),
        ({"question_column": "problem", "answer_column": "gold.0"}, "`answer_column` must .* got 'gold.0'; .* 'gold'"),
        ({"question_column": "problem", "answer_column": "gold", "level_column": "stages"}, "`level_column` must .* 'stage'"),
        ({"question_column": "problem", "answer_column": "gold", "subject_column": "a"}, "`subject_column` must name"),
        ({"question_column": "problem", "answer_column": "gold", "options_column": "b"}, "`options_column` must name"),
        (
            {"question_column": "problem", "answer_column": "gold", "difficulty_column": "-c", "num_levels": 2},
            "`difficulty_column` must name a column, got 'c'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_column_names_the_keyword_that_renames_it(make, options, message):
    path = make([{"problem": "a", "gold": "1", "stage": 1}] * 3).data
    for strict in (False, True):
        env = gym.make("ProblemSet-v0", data=path, strict=strict, **options)
        with pytest.raises(ValueError, match=message) as caught:
            env.reset(seed=0)
        assert str(caught.value).startswith(path)


def test_a_damaged_or_empty_file_is_named(tmp_path):
    pytest.importorskip("datasets")
    for name, content in {
        "a.parquet": b"PAR1 no", "b.jsonl.gz": b"no", "c.csv": b"", "d.jsonl": b"\n\n", "e.json": b"[",
        "f.csv": "question,answer\nä,1\n".encode("utf-16"), "g.jsonl": b"\xff\xfe{\x00",
    }.items():  # fmt: skip
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=name):
            load_problems(ProblemFile(str(path)))


def test_options_may_stand_in_the_question(make):
    good = {"question": "Which?\nA) one\nB) two", "answer": "b"}
    task = make([good, {**good, "question": "What?\nA) one\nB) two", "answer": "C"}], kind="choice")
    with pytest.warns(
        UserWarning, match=r"mine.jsonl:2: the answer must be a letter among AB, got"
    ):
        problem = load_problems(task).problems[0]
    assert problem.answer == "B" and task.num_answers(problem) == 2
    assert task.verify_many([problem] * 3, ["B) two", "B) one", "C"]) == [True, False, False]
