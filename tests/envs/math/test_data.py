"""Mathematical data sets: the rows, the prompts, what is left out, and the gold answers."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import pytest

pytest.importorskip("flint")

import edgewise
from edgewise.envs.math import data
from edgewise.envs.math.data import DATASETS
from edgewise.envs.math.files import Problem
from edgewise.envs.math.problem_file import ProblemFile
from edgewise.grading import grade
from edgewise.pool import Pool
from edgewise.rows import read_rows

BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("EDGEWISE_DATA", BESIDE))
real = pytest.mark.skipif(not (DATA / "math").is_dir(), reason="the data are not at hand")


def test_the_prompts_are_those_of_the_papers():
    env = gym.make("MATH-v0", preset="e2h").unwrapped
    assert env.prompt(Problem("What is {1}?", "1")) == (
        "Solve the following math problem\nWhat is {1}?\n\n Show your work in <think> </think> tags. "
        r"And return the final answer in \boxed{}, wrapped in <answer> </answer> tags, for example "
        r"<answer>\boxed{500}</answer>."
    )
    env = gym.make("AQuA-v0", preset="e2h").unwrapped
    assert env.prompt(Problem("Which?", "A")) == (
        "Solve the following math problem and choose an answer from the given options\nWhich?\n\n "
        "Show your work in <think> </think> tags. And return the final answer in <answer> </answer> "
        "tags, for example <answer> C </answer>."
    )


def test_an_answer_counts_in_the_format_of_its_preset():
    env = gym.make("MATH-v0", preset="e2h").unwrapped
    texts = [
        r"<think>a</think> <answer>\boxed{1/2}</answer>",
        "<think>a</think> <answer>0.5</answer>",
        r"\boxed{1/2}",
        "<think>a</think> <answer>2</answer>",
    ]
    problems = [Problem("?", r"\frac{1}{2}")] * 4
    outcomes = env.score(problems, [()] * 4, texts)
    assert [outcome.reward for outcome in outcomes] == [1.0, 1.0, 0.0, 0.1]


NOTE = """
def run(gold, answer):
    with open({path!r}, "a") as file:
        file.write(answer + "\\n")
    return True
"""


def test_what_is_anticipated_is_judged_once(tmp_path, monkeypatch):
    notes = tmp_path / "notes"
    (tmp_path / "noted.py").write_text(NOTE.format(path=str(notes)))
    monkeypatch.syspath_prepend(tmp_path)
    problem = Problem("?", "3^{50000}")  # of a size that is left to a worker
    texts = [
        r"<think>a</think> <answer>\boxed{9^{25000}}</answer>",
        "<think>a</think> <answer>3^{50000}</answer>",
    ]
    with Pool("noted:run", num_workers=1, seconds=60.0) as pool:
        monkeypatch.setattr(grade, "shared_pool", lambda: pool)
        env = gym.make("MATH-v0", preset="e2h").unwrapped
        mixed = gym.make("Mixture-v0", envs=["AQuA-v0", "MATH-v0"]).unwrapped
        numbers = ProblemFile(kind="number")
        assert env.anticipates and mixed.anticipates
        assert not gym.make("AQuA-v0").unwrapped.anticipates
        for text in [*texts, "no answer"]:
            env.anticipate(problem, text)
        mixed.anticipate((1, problem), r"\boxed{27^{16667}/3}")
        numbers.anticipate(problem, "3*3^{49999}")
        for _ in range(12_000):  # two minutes, on a slow machine
            if notes.exists() and notes.read_text().count("\n") == 2:
                break
            time.sleep(0.01)
        outcomes = env.score([problem] * 2, [()] * 2, texts)
        assert all(outcome.correct for outcome in outcomes)
    assert notes.read_text().split() == ["9^{25000}", "27^{16667}/3"]


def test_subjects_are_arms():
    env = gym.make("MATH-v0", levels=(1, 2), arms="subject").unwrapped
    assert len(env.arms) == 14
    _, info = env.reset(seed=0, options=env.arms[8])
    assert info["level"] == 2 and env.problem.subject == "Algebra"
    assert edgewise.pose(info["problem"]).problem == env.problem
    with pytest.raises(ValueError, match=r"`subject` must be one of Prealgebra.*'Algebar'"):
        gym.make("MATH-v0", arms=[{"level": 1, "params": {"subject": "Algebar"}}])
    with pytest.raises(
        ValueError, match=r"must be None or a list, a function, or the name .* for GSM8K"
    ):
        gym.make("GSM8K-v0", arms="subject")


def test_every_row_is_drawn_before_one_comes_again():
    env = gym.make("AIME24-v0").unwrapped
    size = env.task.num_rows("test", level=1)
    seeds = [env.reset(seed=0 if i == 0 else None)[1]["problem_seed"] for i in range(size)]
    assert sorted(seeds) == list(range(size))


def test_training_rows_of_a_test_set_are_left_out(tmp_path):
    row = {"answer": "4", "level": 1, "subject": "Algebra"}
    for name, texts in {
        "math/train": ["What is $2+2$?", "What is 3+1?", "what is  $ 2+2 $ ?"],
        "math/test": ["Else?"],
        "minerva_math/test": ["What is 2 + 2?"],
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        lines = [json.dumps({**row, "problem": text}) for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    env = gym.make("MATH-v0", data=str(tmp_path), levels=(1,)).unwrapped
    assert [problem.text for problem in env.task.rows("train", level=1)] == ["What is 3+1?"]


def test_rows_without_a_level_or_an_answer_are_left_out():
    row = {"problem": "?", "answer": "1", "level": 3, "subject": "Algebra"}
    assert data.MATH.read_row(row) == Problem("?", "1", 3, "Algebra")
    assert data.MATH.read_row({**row, "level": None}) is None
    assert data.MATH.read_row({**row, "answer": " "}) is None


@pytest.mark.parametrize("answer", ["C", "c", "(C)", " C) ", r"\boxed{C}"])
def test_the_letter_of_an_option_is_right(answer):
    assert data.AQuA().verify(Problem("?", "C"), answer)


@pytest.mark.parametrize("answer", ["", "D", "A C", "not C", "ABCDE", "C" * 1000])
def test_anything_but_the_letter_is_wrong(answer):
    assert not data.AQuA().verify(Problem("?", "C"), answer)


def write_rows(folder, name, texts):
    """A file of MATH's layout, with a time of its own whatever the clock's grain."""
    rows = [{"id": t, "problem": t, "answer": "1", "level": 1, "subject": "Algebra"} for t in texts]
    path = folder / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))


def texts_of(folder, split="train", env_id="MATH-v0", **options):
    env = gym.make(env_id, data=str(folder), **options).unwrapped
    return [problem.text for problem in env.task.rows(split, level=1)]


def test_a_file_that_changes_is_read_anew(tmp_path, monkeypatch):
    """Those for training also where a test set changes or a file is added, whose problems they leave out."""
    write_rows(tmp_path, "math/train", ["one", "two", "three"])
    write_rows(tmp_path, "math/test", ["four"])
    assert texts_of(tmp_path) == ["one", "two", "three"]
    write_rows(tmp_path, "math/train", ["one", "two", "three", "five"])
    assert texts_of(tmp_path) == ["one", "two", "three", "five"]
    write_rows(tmp_path, "math/test", ["four", "two"])
    assert texts_of(tmp_path) == ["one", "three", "five"]
    assert texts_of(tmp_path, "test") == ["four", "two"]
    write_rows(tmp_path, "math/math500", ["five", "six"])  # a set that was not there
    assert texts_of(tmp_path) == ["one", "three"]
    (tmp_path / "own.jsonl").write_text(
        "\n".join(json.dumps({"question": q, "answer": "1"}) for q in ("six", "two", "seven"))
    )
    monkeypatch.setenv("EDGEWISE_DATA", str(tmp_path))
    own = gym.make("ProblemSet-v0", data=str(tmp_path / "own.jsonl")).unwrapped
    assert [one.text for one in own.task.rows("train", level=1)] == ["seven"]
    write_rows(tmp_path, "math/math500", ["five"])
    assert [one.text for one in own.task.rows("train", level=1)] == ["six", "seven"]


def test_the_ids_of_a_partition_are_read_anew(tmp_path):
    write_rows(tmp_path, "math/train", ["one", "two"])
    write_rows(tmp_path, "math/test", ["four"])
    ids = tmp_path / "sec" / "math_train_ids.jsonl"
    ids.parent.mkdir()
    ids.write_text('{"math_id": "one"}\n')
    assert texts_of(tmp_path, partition="sec") == ["one"]
    ids.write_text('{"math_id": "one"}\n{"math_id": "four"}\n')
    assert texts_of(tmp_path, partition="sec") == ["one", "four"]


def test_files_may_be_in_gzip(tmp_path):
    (tmp_path / "aime24").mkdir()
    with gzip.open(tmp_path / "aime24" / "aime24.jsonl.gz", "wt") as file:
        file.write(json.dumps({"problem": "?", "answer": "7"}))
    assert gym.make("AIME24-v0", data=str(tmp_path)).reset(seed=0)[0].startswith("?")


def test_a_missing_file_says_which_and_what_to_do(tmp_path, monkeypatch):
    message = r"GSM8K-v0 needs gsm8k/train.jsonl or .jsonl.gz, and .* has none: pass `data`, or set"
    with pytest.raises(FileNotFoundError, match=message):
        gym.make("GSM8K-v0", data=str(tmp_path)).reset(seed=0)


def test_without_the_extra_making_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("edgewise.registration.find_spec", lambda module: None)
    with pytest.raises(ImportError, match=r"flint is needed here: pip install 'edgewise\[math\]'"):
        gym.make("MATH-v0")


def test_no_engine_is_imported_in_the_process_that_asks():
    code = (
        "import sys; from edgewise.grading import equivalent; "
        "print(equivalent('x+1', '1+x'), {'sympy', 'math_verify'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"


def test_a_gold_answer_without_a_reading_is_named(tmp_path):
    (tmp_path / "aime24").mkdir()
    rows = [{"problem": "?", "answer": "7"}, {"problem": "Which?", "answer": "7?8"}]
    (tmp_path / "aime24" / "aime24.jsonl").write_text("\n".join(map(json.dumps, rows)))
    env = gym.make("AIME24-v0", data=str(tmp_path))
    infos = [env.reset(options={"problem_seed": seed})[1] for seed in (0, 1)]
    assert "graded_by" not in infos[0] and infos[1]["graded_by"] == "text"
    assert [env.step(rf"\boxed{{{text}}}")[4]["correct"] for text in ["7?8"]] == [True]
    envs = gym.make_vec("AIME24-v0", num_envs=2, data=str(tmp_path))
    _, infos = envs.reset(options={"groups": [{"problem_seed": 0}, {"problem_seed": 1}]})
    assert infos["_graded_by"].tolist() == [False, True] and infos["graded_by"][1] == "text"


def test_partitions_say_what_stays_clean_and_an_overlap_raises(tmp_path):
    for name, places in {"train": range(4), "test": range(4, 60), "math500": range(4, 20)}.items():
        rows = [
            {"id": str(i), "problem": f"{i}?", "answer": "1", "level": 1, "subject": "Algebra"}
            for i in places
        ]
        write(tmp_path, f"math/{name}", rows)
    write(
        tmp_path, "sec/math_train_ids", [{"math_id": str(i)} for i in [*range(4), *range(20, 60)]]
    )
    options = {"data": str(tmp_path), "levels": (1,)}
    everything = gym.make("MATH-v0", split="test", **options)
    half = gym.make("MATH500-v0", split="test", **options)
    made = {name: gym.make("MATH-v0", partition=name, **options) for name in data.PARTITIONS}
    sizes = {name: env.unwrapped.task.num_rows("train", level=1) for name, env in made.items()}
    assert sizes["official"] == 4 and sizes["sec"] == 44 and 10 < sizes["soar"] < 46
    for name, env in made.items():
        task = env.unwrapped.task
        for other, evaluated in (("MATH-v0", everything), ("MATH500-v0", half)):
            if other in task.clean:
                edgewise.check_clean(env, evaluated)
            else:
                with pytest.raises(ValueError, match="`evaluated` must share no problem with"):
                    edgewise.check_clean(env, evaluated)
        edgewise.check_clean(env, gym.make("MATH-v0", partition=name, split="test", **options))
    with pytest.raises(ValueError, match="`partition` must be one of official, sec, soar"):
        gym.make("MATH-v0", partition="soa")


def write(folder, name, rows):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.slow
@real
def test_the_real_partitions_have_the_sizes_of_their_papers():
    sizes = {}
    for name in data.PARTITIONS:
        task = data.MATH(str(DATA), partition=name)
        sizes[name] = [
            sum(len(task.rows(split, level=level)) for level in range(1, 6))
            for split in ("train", "test")
        ]
    assert sizes["official"][1] == 5_000 and 7_450 <= sizes["official"][0] <= 7_498
    assert (
        sizes["sec"][1] == 500 and 11_450 <= sizes["sec"][0] <= 11_499
    )  # less what others test on
    assert sum(sizes["soar"]) <= 5_000 and min(sizes["soar"]) > 2_400


@pytest.mark.slow
@real
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("kind", [data.MATH, data.GSM8K], ids=lambda kind: kind.name)
def test_gold_solutions_of_the_real_data_are_right(kind, split):
    rows = [row for _, row, _ in read_rows(data.find_file(DATA, kind.files[split]))]
    rows = [row for row in rows if kind.read_row(row) is not None]
    texts = [row["solution"] for row in rows]
    if kind is data.GSM8K:  # they end in words
        texts = [rf"{row['solution']} \boxed{{{row['answer']}}}" for row in rows]
    env = gym.make(kind.name, split=split, data=str(DATA)).unwrapped
    outcomes = env.score(list(map(kind.read_row, rows)), [()] * len(rows), texts)
    wrong = {
        str(row["id"]) for row, outcome in zip(rows, outcomes, strict=True) if not outcome.correct
    }
    assert wrong == set()


@pytest.mark.slow
@real
@pytest.mark.parametrize(
    "kind",
    [kind for kind in DATASETS if data.find_file(DATA, kind.files["test"])],
    ids=lambda kind: kind.name,
)
def test_gold_answers_of_the_real_data_are_right(kind):
    env = gym.make(kind.name, split="test", data=str(DATA)).unwrapped
    problems = [row for level in env.preset.levels for row in env.task.rows("test", level=level)]
    texts = [rf"\boxed{{{env.task.solve(problem)}}}" for problem in problems]
    outcomes = env.score(problems, [()] * len(problems), texts)
    wrong = [p for p, outcome in zip(problems, outcomes, strict=True) if not outcome.correct]
    assert len(wrong) <= 0.002 * len(problems), wrong


@pytest.mark.slow
@real
def test_the_real_data_has_its_published_sizes():
    sizes = {
        kind.name: sum(
            len(kind(str(DATA)).rows("test", level=level)) for level in kind.presets["sec"].levels
        )
        for kind in DATASETS
        if data.find_file(DATA, kind.files["test"])
    }
    assert sizes["MATH-v0"] >= 4_990 and sizes["GSM8K-v0"] >= 1_315
    assert (sizes["MATH500-v0"], sizes["AMC-v0"], sizes["AMC23-v0"]) == (500, 83, 40)
    assert (sizes["AIME24-v0"], sizes["MinervaMath-v0"]) == (30, 272)


@pytest.mark.parametrize(
    ("kind", "file", "bad", "message"),
    [
        (data.MATH500, "math/math500", '{"problem": "a", ', "2: is not JSON: "),
        (data.MATH500, "math/math500", {"problem": "a"}, "2: must have a column 'level', got problem"),
        (data.MATH500, "math/math500", {"level": 1, "answer": None}, "2: must be in the layout"),
        (data.MATH500, "math/math500", {"level": "1", "answer": "1", "problem": "a", "subject": "b"}, "the level must"),
        (data.AIME24, "aime24/aime24", {"problem": None, "answer": "1"}, "the question must be a text, got null"),
        (data.AIME24, "aime24/aime24", {"problem": "a", "answer": None}, "the answer must be a text, got null"),
        (data.AIME24, "aime24/aime24", {"problem": "a", "answer": 7}, "the answer must be a text, got 7"),
        (data.AIME24, "aime24/aime24", {"problem": "a\ud800", "answer": "1"}, "half a character, or no UTF-8"),
        (data.AQuA, "aqua_rat/test", {"problem": "a", "answer": "A", "options": None}, "must be in the layout"),
        (data.AQuA, "aqua_rat/test", [1], "2: must be an object with columns, got list"),
        (data.GSM8K, "gsm8k/test", {"problem": "a", "answer": "1", "n_steps": None}, "must be in the layout"),
    ],
)  # fmt: skip
def test_a_bad_row_of_a_known_data_set_is_refused_with_its_place(
    tmp_path, kind, file, bad, message
):
    good = {
        "problem": "One?", "answer": "1", "level": 1, "subject": "Algebra", "n_steps": 2, "options": {"A": "1"},
    }  # fmt: skip
    write(tmp_path, file, [])
    path = tmp_path / f"{file}.jsonl"
    text = bad if isinstance(bad, str) else json.dumps(bad)
    path.write_text(f"\ufeff{json.dumps(good)}\r\n{text}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        kind(str(tmp_path)).rows("test", level=1)
    assert str(caught.value).startswith(f"{path}:2: ")
    path.write_text(f"\ufeff{json.dumps(good)}\r\n\r\n", encoding="utf-8")
    assert len(kind(str(tmp_path)).rows("test", level=1)) == 1
