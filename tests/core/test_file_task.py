"""Tasks over files: which rows are posed, in which split and level, and what of the others is told."""

import gzip
import json
import warnings

import gymnasium as gym
import pytest

from edgewise.envs.countdown.file import CountdownFile
from edgewise.errors import DataError
from edgewise.row_file import place_of, split_of_place


def rows(count, **columns):
    """Sums of two numbers, each other than the others, with further columns."""
    return [{"nums": [k, 100 + k], "target": 100 + 2 * k, **columns} for k in range(1, count + 1)]


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def counts(task):
    levels = task.presets["sec"].levels
    return {
        split: [len(task.rows(split, level=level)) for level in levels]
        for split in ("train", "validation", "test")
    }


def posed(task):
    levels = task.presets["sec"].levels
    return {
        problem.numbers[0]: (split, level)
        for split in ("train", "validation", "test")
        for level in levels
        for problem in task.rows(split, level=level)
    }


def test_problems_are_told_apart_by_content_where_nothing_says_their_split(tmp_path):
    found = counts(CountdownFile(data=write(tmp_path / "mine.jsonl", rows(300))))
    assert sum(map(sum, found.values())) == 300
    assert all(50 < found[split][0] < 110 for split in ("validation", "test"))  # 27 % each


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"), ("sums-test.jsonl", "test"), ("dev_1.jsonl", "validation"),
        ("test-00000-of-00001.jsonl", "test"), ("VALID.jsonl", "validation"),
        ("contest.jsonl", None), ("train_and_test.jsonl", None), ("testament.jsonl", None),
    ],
)  # fmt: skip
def test_the_name_of_a_file_says_its_split_only_where_it_is_plain(tmp_path, name, split):
    folder = tmp_path / "train"  # which is no part of the name
    folder.mkdir()
    found = counts(CountdownFile(data=write(folder / name, rows(100))))
    assert split_of_place(f"{folder / name}:3") == split
    assert split is None or found[split] == [100]
    assert split is not None or min(map(sum, found.values())) > 0


def test_a_column_says_the_split_against_the_name_of_the_file(tmp_path):
    own = [
        {**row, "part": part}
        for row, part in zip(rows(8), ["train", "Train", "dev", "val", "test", "TEST", "training", ""], strict=True)
    ]  # fmt: skip
    path = write(tmp_path / "test.jsonl", own)
    with pytest.warns(UserWarning, match="1 of 8 rows are no problems"):
        task = CountdownFile(data=path, split_column="part")
        assert counts(task) == {"train": [3], "validation": [2], "test": [2]}
    assert task.left_out[0].place == f"{path}:8"
    assert task.left_out[0].reason.startswith("the split must be one of train, ")


def test_a_problem_in_two_splits_is_not_trained_on(tmp_path):
    write(tmp_path / "sums_train.jsonl", [*rows(10), *rows(10)])
    turned = [{"nums": row["nums"][::-1], "target": row["target"]} for row in rows(3)]
    write(tmp_path / "sums_test.jsonl", turned)
    write(tmp_path / "other_test.jsonl", rows(7))
    (tmp_path / "README.md").write_text("no rows")
    assert counts(CountdownFile(data=str(tmp_path / "sums_*"))) == {
        "train": [7], "validation": [0], "test": [3],
    }  # fmt: skip
    found = counts(CountdownFile(data=str(tmp_path)))
    assert (found["train"], found["test"]) == ([3], [7])


def test_levels_are_numbers_or_the_places_of_named_values(tmp_path):
    column = ["trivial", "easy", "hard", "hard ", "very hard"]
    own = [{**row, "tier": tier} for row, tier in zip(rows(5), column, strict=True)]
    path = write(tmp_path / "train.jsonl", own)
    with pytest.warns(UserWarning, match="1 of 5 rows"):
        task = CountdownFile(
            data=path, level_column="tier", level_values=["trivial", "easy", "hard"]
        )
        assert counts(task)["train"] == [1, 1, 2]
    assert "must be one of trivial, easy, hard, got 'very hard'" in task.left_out[0].reason
    steps = [{**row, "steps": step} for row, step in zip(rows(5), [1, 8, 2, 8, 1], strict=True)]
    path = write(tmp_path / "steps_train.jsonl", steps)
    assert posed(CountdownFile(data=path, level_column="steps", level_values=(1, 2, 8))) == {
        k: ("train", level) for k, level in enumerate([1, 3, 2, 3, 1], start=1)
    }
    assert hash(task) == hash(CountdownFile(data=task.data, level_column="tier", level_values=("trivial", "easy", "hard")))  # fmt: skip


@pytest.mark.parametrize("value", [0, 4, -1, 1.5, True, None, "", [1], {"a": 1}, "1" * 9_999, "²"])
def test_a_level_that_is_none_leaves_the_row_out(tmp_path, value):
    path = write(tmp_path / "train.jsonl", [*rows(2, level=3), {**rows(3)[2], "level": value}])
    with pytest.warns(UserWarning, match="1 of 3 rows"):
        task = CountdownFile(data=path, level_column="level", num_levels=3)
        assert counts(task)["train"] == [0, 0, 2]
    assert task.left_out[0].reason.startswith("the level must be one of 1, 2, 3, got ")
    with pytest.raises(ValueError, match="the level must be one of"):
        place_of(value, (1, 2, 3))


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "json", "json.gz"])
def test_every_format_is_read(tmp_path, ending):
    plain = ending.removesuffix(".gz")
    text = json.dumps(rows(4)) if plain == "json" else "\n".join(map(json.dumps, rows(4)))
    data = text.encode()
    path = tmp_path / f"train.{ending}"
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    assert counts(CountdownFile(data=str(path)))["train"] == [4]


def test_parquet_is_read(tmp_path):
    pytest.importorskip("datasets")
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(rows(4)), tmp_path / "train.parquet")
    assert counts(CountdownFile(data=str(tmp_path / "train.parquet")))["train"] == [4]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"nums": [1, 2]}, "must have a column 'target', got nums"),
        ({"target": 3}, "must have a column 'nums', got target"),
        ({"nums": "1, 2", "target": 3}, '`nums` must be 1 to 12 numbers, got "1, 2"'),
        ({"nums": [], "target": 3}, "`nums` must be 1 to 12 numbers"),
        ({"nums": [1] * 13, "target": 3}, "`nums` must be 1 to 12 numbers"),
        ({"nums": [1, "2"], "target": 3}, 'a number must be whole, from 0 to 1,000,000,000, got "2"'),
        ({"nums": [1, True], "target": 3}, "a number must be whole"),
        ({"nums": [1, 2.0], "target": 3}, "a number must be whole"),
        ({"nums": [1, -2], "target": 3}, "a number must be whole"),
        ({"nums": [1, 10**40], "target": 3}, "a number must be whole"),
        ({"nums": [1, 2], "target": None}, "a number must be whole"),
        ({"nums": None, "target": 3}, "`nums` must be 1 to 12 numbers, got null"),
        ([1, 2, 3], "must be an object with columns"),
    ],
)  # fmt: skip
def test_a_bad_row_is_left_out_or_refused_with_its_place(tmp_path, row, reason):
    path = write(tmp_path / "train.jsonl", [*rows(2), row])
    with pytest.warns(UserWarning, match="1 of 3 rows are no problems"):
        assert counts(CountdownFile(data=path))["train"] == [2]
    assert CountdownFile(data=path).left_out[0].place == f"{path}:3"
    assert reason in CountdownFile(data=path).left_out[0].reason
    with pytest.raises(DataError, match=r"train\.jsonl:3: "):
        _ = CountdownFile(data=path, strict=True).left_out


def test_a_file_without_a_problem_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"3 of 3 rows are no problems; .*a\.jsonl:1: must have"):
        counts(CountdownFile(data=write(tmp_path / "a.jsonl", [{"x": 1}] * 3)))
    with pytest.raises(DataError, match="must have a row, got none"):
        counts(CountdownFile(data=write(tmp_path / "b.jsonl", [])))
    with pytest.raises(FileNotFoundError, match=r"no\*such is none: pass `data`"):
        counts(CountdownFile(data=str(tmp_path / "no*such")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level_values": ("easy",)}, "`level_column` must name the column of `level_values`"),
        ({"num_levels": 0}, "`num_levels` must be at least 1"),
        ({"num_levels": 10**9}, "`num_levels` must be at least 1 and at most 1000"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CountdownFile(**options)


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", rows(2))
    with pytest.raises(DataError, match="`level_column` must name a column, got 'grade'; the columns are nums, target"):  # fmt: skip
        counts(CountdownFile(data=path, level_column="grade"))


def test_answers_are_verified_by_the_task_itself_and_names_pose_again(tmp_path):
    path = write(
        tmp_path / "test.jsonl", [{"nums": [8, 73, 96], "target": 841, "solution": "73+(8*96)"}]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make("CountdownFile-v0", data=path, split="test")
        prompt, info = env.reset(seed=0)
    assert "[8, 73, 96]" in prompt and "841" in prompt
    assert (
        gym.make("CountdownFile-v0", data=path, split="test").reset(
            options={key: info[key] for key in ("level", "problem_seed")}
        )[0]
        == prompt
    )
    for answer, reward in (("8*96 + 73", 1), ("73+(8*96)", 1), ("841", 0.1), ("8*96+73+0", 0.1)):
        env.reset(seed=0)
        assert env.step(rf"\boxed{{{answer}}}")[1] == reward
    wrong = [{"nums": [8, 73, 96], "target": 841, "solution": "8 + 96"}]
    task = CountdownFile(data=write(tmp_path / "test_wrong.jsonl", wrong))
    (problem,) = task.rows("test", level=1)
    assert problem.solution is None and task.verify(problem, task.solve(problem))


@pytest.mark.parametrize(
    "command", ["train --num-steps 1", "profile --agent oracle", "eval --agent oracle"]
)
def test_a_file_without_rows_of_the_split_is_refused_in_one_line(command, tmp_path, capsys):
    pytest.importorskip("torch")
    from edgewise.cli import main

    name = "mine_test.jsonl" if "eval" not in command else "mine_train.jsonl"
    (tmp_path / name).write_text('{"nums": [8, 73, 96], "target": 841}\n')
    words = [*command.split(), "--env", "CountdownFile-v0", "--data", str(tmp_path / name)]
    assert main([*words, "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "must have problems" in told and told.count("\n") == 1


def puzzle(letter):
    """A row of each layout, which no other letter has."""
    number = ord(letter)
    grid = [[number % 10, 0, number // 10, *[0] * 9]]
    return {
        "CountdownFile-v0": {"nums": [number, 1], "target": number + 1},
        "ProblemSet-v0": {"question": f"What is {number} + 1?", "answer": str(number + 1)},
        "ARC1D-Dataset-v0": {
            "train": [{"input": grid, "output": grid}] * 3,
            "test": [{"input": grid, "output": grid}],
        },
    }


@pytest.mark.parametrize("env_id", puzzle("a"))
def test_a_file_that_changes_is_read_anew_in_the_same_process(tmp_path, env_id):
    if env_id == "ProblemSet-v0":
        pytest.importorskip("flint")
    path = tmp_path / "mine.jsonl"

    def shown():
        for split in ("train", "validation", "test"):
            for level in gym.make(env_id, data=str(path), split=split).unwrapped.preset.levels:
                try:
                    env = gym.make(env_id, data=str(path), split=split, levels=(level,))
                    return env.reset(seed=0)[0]
                except ValueError as error:
                    assert "must have problems" in str(error) or "`levels` must be" in str(error)
        raise AssertionError(path.read_text())

    seen = []
    for size, letter in enumerate("abc"):
        path.write_text(json.dumps(puzzle(letter)[env_id]) + "\n" * size)  # the clock may be coarse
        seen += [shown(), shown()]
    assert len(set(seen)) == 3 and seen[::2] == seen[1::2]


@pytest.mark.parametrize("sizes", [(5, 10), (10, 3), (3, 4, 2, 9)])
def test_a_file_whose_rows_become_more_or_fewer_is_posed_on(tmp_path, sizes):
    path = tmp_path / "train.jsonl"
    write(path, rows(sizes[0]))
    env = gym.make("CountdownFile-v0", data=str(path))
    env.reset(seed=0)
    for size in sizes:
        write(path, rows(size))
        shown = [env.reset()[0] for _ in range(2 * size)]
        assert len(set(shown)) == size  # as an epoch is among them


def test_levels_without_a_problem_are_not_posed_unless_they_are_asked_for(tmp_path):
    data = write(tmp_path / "train.jsonl", [*rows(3, stage=1), *rows(7, stage=3)[3:]])
    options = {"data": data, "level_column": "stage", "num_levels": 4}
    env = gym.make("CountdownFile-v0", **options).unwrapped
    assert env.levels == (1, 3)
    assert {env.reset(seed=seed)[1]["level"] for seed in range(20)} == {1, 3}
    envs = gym.make_vec("CountdownFile-v0", num_envs=2, group_size=1, **options)
    assert [arm["level"] for arm in envs.unwrapped.arms] == [1, 3]
    with pytest.raises(ValueError, match=r"must have problems in this split, got none of 2"):
        gym.make("CountdownFile-v0", levels=(2,), **options).reset(seed=0)
    with pytest.raises(ValueError, match="must have problems in this split"):
        gym.make("CountdownFile-v0", split="test", **options).reset(seed=0)
    gym.make("CountdownFile-v0", data=str(tmp_path / "none.jsonl"))  # told when one is drawn


@pytest.mark.parametrize(
    ("nums", "target", "possible"),
    [
        ([2, 2], 7, False), ([1, 2, 3, 4], 9_999, False), ([3, 3, 8, 8], 24, True),
        ([0, 0, 5], 5, True), ([1, 1, 1, 1], 4, True), ([1, 1, 1, 1], 5, False),
        ([1] * 5, 81, False), ([1] * 5, 7, False), ([7] * 6, 5_000, False), ([10] * 6, 10**6, True), ([9, 9, 9, 9, 9], 59_049, True),
        ([1] * 12, 10**6, False), ([7], 7, True), ([7], 8, False),
    ],
)  # fmt: skip
def test_numbers_that_cannot_make_the_target_are_left_out_with_their_line(
    tmp_path, nums, target, possible
):
    data = write(tmp_path / "train.jsonl", [*rows(1), {"nums": nums, "target": target}])
    if possible:
        assert counts(CountdownFile(data=data))["train"] == [2]
        return
    with pytest.warns(UserWarning, match=rf"train\.jsonl:2: `target` {target} cannot be made of"):
        assert counts(CountdownFile(data=data))["train"] == [1]
    with pytest.raises(DataError, match=r"train\.jsonl:2: `target`"):
        counts(CountdownFile(data=data, strict=True))
