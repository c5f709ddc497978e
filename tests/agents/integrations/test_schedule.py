"""A schedule's file has what the rule poses, step after step."""

import json
from collections import Counter

import gymnasium as gym
import numpy as np
import pytest

from edgewise.agents.integrations.schedule import LevelSource, ProfileSource, Shares, lay_out
from edgewise.agents.training.profile_file import Measured, control, in_band, read_profile
from edgewise.cli import main
from edgewise.files import FileError
from edgewise.wrappers import E2HGaussian, make_rule
from edgewise.wrappers.vector import Curriculum


def levels(num_problems, seed=0, preset="seedling"):
    envs = gym.make_vec("Countdown-v0", num_envs=num_problems, group_size=1, preset=preset)
    return LevelSource(envs, seed)


class Arms:
    """A source of which only the arms matter."""

    def __init__(self, num_arms):
        self.arms = [{}] * num_arms

    def begin(self, arms):
        pass

    def draw(self, arms):
        return [""] * len(arms)


def test_the_published_setting_of_e2h_has_its_3580_hard_samples():
    steps = range(1600)
    rule = E2HGaussian(num_steps=1600, beta=0.5, sigma=0.5)
    even = Counter(placed.arm for placed in lay_out(rule, Arms(4), steps, 8, 0, even=True))
    assert even.total() == 12_800 and even[3] == 3_580
    drawn = Counter(placed.arm for placed in lay_out(rule, Arms(4), steps, 8, 0))
    assert abs(drawn[3] - 3_580) < 4 * np.sqrt(3_580 * (1 - 3_580 / 12_800))


@pytest.mark.parametrize("text", ["e2h-gaussian", "e2h-cosine", "e2h-classic", "subset:arms=[1]"])
@pytest.mark.parametrize("seed", [0, 5])
def test_the_problems_are_those_of_a_run_with_the_seed(text, seed):
    envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=2, preset="seedling")
    own = Curriculum(envs, make_rule(text, 6))
    own.reset(seed=seed)
    own.lesson.forget()
    expected = []
    for _ in range(6):
        prompts, infos = own.reset()
        expected += infos["problem"][::2].tolist()
        own.step(["?"] * len(prompts))
    placed = list(lay_out(make_rule(text, 6), levels(4, seed), range(6), 4, seed))
    assert [one.name for one in placed] == expected
    assert [one.step for one in placed] == np.repeat(np.arange(6), 4).tolist()
    later = list(lay_out(make_rule(text, 6), levels(4, seed), range(4, 6), 4, seed))
    assert later == placed[16:]


@pytest.mark.parametrize("size", [1, 3, 16])
def test_even_counts_are_within_one_of_what_is_expected_at_every_step(size):
    rng = np.random.default_rng(0)
    shares, expected, counts = Shares(5), np.zeros(5), np.zeros(5)
    for _ in range(300):
        chances = rng.dirichlet(np.full(5, 0.3))
        arms = shares.take(chances, size)
        assert len(arms) == size
        expected += size * chances
        counts += np.bincount(arms, minlength=5)
        assert np.abs(counts - expected).max() < 2
    assert np.abs(counts - expected).mean() < 0.5


def profile(path, rates):
    """A profile of problems of Countdown, with these pass rates."""
    envs = levels(1).envs
    names = [envs.reset(seed=seed)[1]["problem"][0] for seed in range(len(rates))]
    rows = [
        {"problem": json.loads(name), "pass_rate": rate, "error_rate": 1 - rate}
        for name, rate in zip(names, rates, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return names


def test_a_profile_is_posed_by_parts_without_replacement(tmp_path):
    names = profile(tmp_path / "p.jsonl", [1.0, 0.9, 0.5, 0.4, 0.1, 0.0])
    source = ProfileSource(read_profile(tmp_path / "p.jsonl"), 3, seed=0)
    assert [arm["pass_rates"] for arm in source.arms] == [[0.9, 1.0], [0.4, 0.5], [0.0, 0.1]]
    drawn = source.draw(np.array([0, 2, 0, 2, 1, 1, 0, 0]))
    canonical = [json.dumps(json.loads(name)) for name in names]
    assert set(drawn[0:4:2]) == set(canonical[:2]) == set(drawn[6:])
    assert set(drawn[1:5:2]) == set(canonical[4:])
    equal = ProfileSource([Measured("", 0.5)] * 5, 3, seed=0)
    assert [arm["num_problems"] for arm in equal.arms] == [2, 2, 1]
    with pytest.raises(ValueError, match="`num_levels` must be at most 2, got 3"):
        ProfileSource([Measured("", 0.5)] * 2, 3, seed=0)


def test_a_control_is_as_large_as_the_band_and_taken_from_all():
    problems = [Measured(str(place), place / 10) for place in range(11)]
    kept = in_band(problems, 0.2, 0.8)
    assert [problem.pass_rate for problem in kept] == [place / 10 for place in range(2, 9)]
    others = {tuple(control(problems, len(kept), seed)) for seed in range(20)}
    assert {len(set(one)) for one in others} == {7}
    assert {problem for one in others for problem in one} == set(problems)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"problem": {}, "pass_rate": 0.5}', "1: "),
        ('{"pass_rate": 0.5}', "1: must have 'problem'"),
        ("", "must have problems, got none"),
    ],
)
def test_what_is_no_profile_is_refused_with_its_line(tmp_path, line, said):
    (tmp_path / "p.jsonl").write_text(line + "\n")
    with pytest.raises(FileError, match=said):
        read_profile(tmp_path / "p.jsonl")
    names = profile(tmp_path / "q.jsonl", [2.0])
    assert names
    with pytest.raises(FileError, match="`pass_rate` must be in"):
        read_profile(tmp_path / "q.jsonl")


def test_the_command_writes_rows_in_order_and_a_card(tmp_path, capsys):
    output = tmp_path / "rows.jsonl"
    words = ["schedule", "--env", "Countdown-v0", "--curriculum", "e2h-gaussian", "--steps", "5"]
    assert main([*words, "--batch", "4", "--layout", "verl", "--output", str(output)]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["step"] for row in rows] == np.repeat(np.arange(5), 4).tolist()
    assert all(row["extra_info"]["level"] == row["arm"] + 1 for row in rows)
    card = json.loads((tmp_path / "rows.jsonl.card.json").read_text())
    counts = Counter(row["arm"] for row in rows)
    assert [arm["num_rows"] for arm in card["arms"]] == [
        counts[arm] for arm in range(len(card["arms"]))
    ]
    assert card["rule"]["num_steps"] == 5 and card["num_rows"] == 20
    assert "20 rows of 5 steps" in capsys.readouterr().out


def test_the_command_lays_out_a_band_of_a_profile_and_its_control(tmp_path):
    rates = [1.0] * 5 + [0.7, 0.6, 0.5, 0.4] + [0.0] * 5
    names = profile(tmp_path / "p.jsonl", rates)
    words = ["schedule", "--profile", str(tmp_path / "p.jsonl"), "--curriculum", "balanced"]
    words += ["--num-levels", "2", "--steps", "10", "--batch", "2", "--pass-rates", "0.2", "0.8"]
    found = {}
    for name, more in (("band", []), ("control", ["--control"])):
        assert main([*words, *more, "--output", str(tmp_path / f"{name}.jsonl")]) == 0
        rows = (tmp_path / f"{name}.jsonl").read_text().splitlines()
        found[name] = {json.dumps(json.loads(json.loads(row)["problem"])) for row in rows}
    assert found["band"] == {json.dumps(json.loads(name)) for name in names[5:9]}
    assert len(found["control"]) == 4 and found["control"] != found["band"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--curriculum", "sec"], "`curriculum` must not learn from outcomes"),
        (["--curriculum", "plr"], "`curriculum` must not learn from outcomes"),
        (["--first-step", "1000"], "`first_step` must be from 0 to 999, got 1000"),
        (["--control"], "`profile` must be given"),
        (["--pass-rates", "0.8", "0.2"], "`pass_rates` must ascend, got"),
        (["--output", "rows.txt"], "`output` must end with .jsonl or .parquet"),
        (["--profile", "nowhere.jsonl"], "nowhere.jsonl"),
        (
            ["--batch", "99999999999"],
            "`num_problems` must be at most 10000000, got 99999999999",
        ),
        (["--steps", "99999999999"], "`num_steps` must be at most 10000000, got 99999999999"),
    ],
)
def test_mistakes_are_told_in_one_line(words, said, capsys):
    assert main(["schedule", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["--attempts", "3"], ["--levels", "2"], ["--env", "Zebra-v0"], ["--preset", "e2h"], ["--tools", "calculator"]],
)  # fmt: skip
def test_flags_of_an_environment_are_refused_beside_a_profile(words, tmp_path, capsys):
    profile(tmp_path / "p.jsonl", [0.5, 0.2])
    output = ["--output", str(tmp_path / "rows.jsonl")]
    given = ["--profile", str(tmp_path / "p.jsonl"), "--num-levels", "1", "--steps", "2"]
    assert main(["schedule", *given, *output, *words]) == 2
    assert "must be left out with `profile`" in capsys.readouterr().err


def test_a_profile_is_not_written_over(tmp_path, capsys):
    profile(tmp_path / "p.jsonl", [0.5, 0.2])
    before = (tmp_path / "p.jsonl").read_bytes()
    path = str(tmp_path / "p.jsonl")
    assert main(["schedule", "--profile", path, "--num-levels", "1", "--output", path]) == 2
    assert "`output` must be another file" in capsys.readouterr().err
    assert (tmp_path / "p.jsonl").read_bytes() == before
