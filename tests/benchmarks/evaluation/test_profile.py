"""A profile has a line for each problem, goes on where it stopped, and makes levels."""

import json
from dataclasses import replace

import gymnasium as gym
import pytest

pytest.importorskip("torch")

from edgewise.agents.policies.load import load_policy
from edgewise.agents.policies.options import Sampling
from edgewise.agents.training.evaluation import asking
from edgewise.benchmarks.evaluation.profile import WIDTH, ProfilePlan, profile
from edgewise.cli import main

PLAN = ProfilePlan(num_problems=40, num_samples=2)
SAMPLING = Sampling(max_tokens=24, temperature=0.8)
SPLITS = ("train", "validation", "test")
OPTIONS = {"preset": "seedling", "levels": (1, 2)}


@pytest.fixture(scope="module")
def policy():
    return load_policy("seedling")


def measure(policy, path, plan=PLAN, **kwargs):
    kwargs = {"agent": "seedling", **OPTIONS, **kwargs}
    sampling = kwargs.pop("sampling", SAMPLING)
    options = {name: kwargs[name] for name in OPTIONS}
    batch = WIDTH * plan.num_samples
    asker = asking(policy, "Countdown-v0", sampling, split=plan.split, batch=batch, **options)
    return profile(asker, "Countdown-v0", plan, sampling, path, **kwargs)


class Stop(Exception):
    pass


def test_a_profile_that_was_stopped_goes_on_as_if_it_had_not_been(policy, tmp_path):
    def stop(done, total):
        assert total == 80
        if done > 40:
            raise Stop

    whole = measure(policy, tmp_path / "whole.jsonl")
    with pytest.raises(Stop):
        measure(policy, tmp_path / "stopped.jsonl", progress=stop)
    with (tmp_path / "stopped.jsonl").open("a") as file:
        file.write('{"problem": {"en')  # the process was killed while it wrote
    assert measure(policy, tmp_path / "stopped.jsonl") == whole
    texts = [(tmp_path / f"{name}.jsonl").read_text() for name in ("whole", "stopped")]
    assert texts[0] == texts[1] and len(texts[0].splitlines()) == 80
    rates = [record["pass_rate"] for record in whole]
    assert set(rates) <= {0.0, 0.5, 1.0} and sum(rates[:40]) > sum(rates[40:])  # level 1 is easier
    same = r"`output` must be new, or a profile with the same flags, got \S*whole.jsonl"
    for told, kwargs in {
        "with another num_samples": {"plan": replace(PLAN, num_samples=4)},
        "with another seed": {"plan": replace(PLAN, seed=1)},
        "with another agent": {"agent": "seedling:sums"},
        "with another temperature": {"sampling": replace(SAMPLING, temperature=1.0)},
        "with another max_tokens": {"sampling": replace(SAMPLING, max_tokens=25)},
        "with another problem": {"preset": "sec"},
        "of 80 problems, more than 40": {"levels": (1,)},
        "of 80 problems, more than 6": {"plan": replace(PLAN, num_problems=3)},
    }.items():
        with pytest.raises(ValueError, match=f"{same} {told}$"):
            measure(policy, tmp_path / "whole.jsonl", **kwargs)
    assert (tmp_path / "whole.jsonl").read_text() == texts[0]


def test_the_command_says_how_to_make_levels_of_it(tmp_path, capsys):
    pytest.importorskip("flint")
    path = tmp_path / "profile.jsonl"
    flags = ["--output", str(path), "--plan.num-problems", "16", "--plan.num-samples", "2"]
    assert main(["profile", "--levels", "2", "3", "--num-levels", "2", *flags]) == 0
    out = capsys.readouterr().out
    assert (
        "32 problems, mean pass rate" in out
        and 'difficulty_column="error_rate", num_levels=2' in out
    )
    records = [json.loads(line) for line in path.read_text().splitlines()]
    env = gym.make(
        "ProblemSet-v0", data=str(path), template="{problem}", difficulty_column="error_rate",
        num_levels=2, held_out=0, split="train", levels=(2,),
    )  # fmt: skip
    prompt, _ = env.reset(seed=0)
    hardest = {record["question"] for record in records if record["error_rate"] > 0}
    assert prompt in hardest
    assert main(["profile", "--output", str(path)]) == 2
    assert "must be new, or a profile with the same flags" in capsys.readouterr().err


def test_a_file_of_ones_own_is_profiled_with_its_keywords(tmp_path):
    pytest.importorskip("flint")
    rows = [f"What is {a} + {a}?,{2 * a},{1 + a % 2}" for a in range(40)]
    (tmp_path / "mine.csv").write_text("\n".join(["question,answer,grade", *rows]))
    options = json.dumps({"level_column": "grade", "num_levels": 2, "kind": "number"})
    where = ["--env", "ProblemSet-v0", "--data", str(tmp_path / "mine.csv")]
    path = tmp_path / "rates.jsonl"
    flags = [*where, "--env-options", options, "--agent", "constant:\\boxed{4}"]
    assert main(["profile", *flags, "--output", str(path)]) == 0
    records = [json.loads(line) for line in path.read_text().splitlines()]
    right = [record["answer"] for record in records if record["pass_rate"] == 1]
    assert {record["level"] for record in records} == {1, 2} and set(right) <= {"4"}
    env = gym.make("ProblemSet-v0", data=str(path), difficulty_column="error_rate", kind="number")
    assert sum(env.unwrapped.task.num_rows(s, level=1) for s in SPLITS) == len(records)


@pytest.mark.parametrize(("agent", "num_levels"), [("oracle", 1), ("simulated", 2)])
def test_the_line_that_it_prints_works_where_pass_rates_tie(agent, num_levels, tmp_path, capsys):
    pytest.importorskip("flint")
    path, levels = tmp_path / "profile.jsonl", ["--num-levels", "3"]
    flags = ["--env", "Arithmetic-v0", "--agent", agent, "--plan.num-samples", "1", *levels]
    assert main(["profile", *flags, "--plan.num-problems", "12", "--output", str(path)]) == 0
    out = capsys.readouterr().out
    assert "no 3 levels: too many problems are equally hard" in out
    line = next(line for line in out.splitlines() if line.startswith("gym.make"))
    env = eval(line, {"gym": gym})
    assert len(env.unwrapped.preset.levels) == num_levels and env.reset(seed=0)


def test_the_simulated_learner_is_profiled_and_goes_on(tmp_path, capsys):
    flags = ["--env", "Arithmetic-v0", "--agent", "simulated", "--num-levels", "3"]
    flags += ["--plan.num-problems", "50", "--plan.num-samples", "8"]
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert main(["profile", *flags, "--output", str(whole)]) == 0
    assert "levels of" in capsys.readouterr().out
    text = whole.read_text()
    cut.write_text(text[: len(text) // 2])  # it was killed in the middle of a line
    assert main(["profile", *flags, "--output", str(cut)]) == 0
    assert cut.read_text() == text
    rates = {}
    for record in map(json.loads, text.splitlines()):
        rates.setdefault(record["level"], []).append(record["pass_rate"])
    means = [sum(found) / len(found) for found in rates.values()]
    assert len(means) >= 4 and means == sorted(means, reverse=True)


def test_a_profile_is_not_gone_on_with_for_another_agent(tmp_path, capsys):
    flags = ["profile", "--env", "Arithmetic-v0", "--levels", "1", "--plan.num-samples", "2"]
    flags += ["--output", str(tmp_path / "profile.jsonl"), "--plan.num-problems"]
    assert main([*flags, "8", "--agent", "constant:1"]) == 0
    before = (tmp_path / "profile.jsonl").read_text()
    for count in ("8", "64"):  # fewer problems than a batch may be there already
        assert main([*flags, count, "--agent", "oracle"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "with another agent" in error
    (tmp_path / "profile.jsonl").write_text(f"[1, 2]\n{before}")
    assert main([*flags, "64", "--agent", "constant:1"]) == 2
    told = f"{tmp_path / 'profile.jsonl'}:1: must be a JSON object, got list\n"
    assert capsys.readouterr().err == f"edgewise: {told}"


@pytest.mark.parametrize("command", ["profile", "eval"])
@pytest.mark.parametrize(
    ("flag", "name"), [("--threads", "threads"), ("--max-tokens", "max_tokens")]
)
@pytest.mark.parametrize("count", ["0", "-5"])
def test_counts_below_one_are_refused(command, flag, name, count, capsys):
    assert main([command, "--agent", "oracle", flag, count]) == 2
    error = capsys.readouterr().err
    assert f"`{name}` must be at least 1, got {count}" in error and error.count("\n") == 1
