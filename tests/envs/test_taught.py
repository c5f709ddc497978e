"""A student is paid for the teacher's answer, and problems keep where they come from."""

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

import edgewise
from edgewise.agents.soar.pairs import Pair, load_pairs, save_pairs
from edgewise.envs.taught import Taught

PAIRS = (("2+3", "5"), ("9-9", "1"), ("1/2", "1/2"))
ODD = ["", "five", "5 5", "\udcff", "{}{0}%s", "9**9**9", r"\boxed{5", "nan", "1" * 5_000]


def test_it_is_an_environment_like_the_others():
    check_env(gym.make("Taught-v0").unwrapped)
    envs = gym.make_vec(
        "Taught-v0", num_envs=6, group_size=2, problems=PAIRS, template="{problem}="
    )
    prompts, infos = envs.reset(seed=0)
    assert sorted(set(prompts)) == ["1/2=", "2+3=", "9-9="]  # each once before any again
    rewards = envs.step([rf"\boxed{{{dict(PAIRS)[prompt[:-1]]}}}" for prompt in prompts])[1]
    assert rewards.tolist() == [1.0] * 6
    again = edgewise.pose(infos["problem"][0])
    assert again.render() == prompts[0]


def test_only_the_teachers_answer_counts_even_if_it_is_wrong():
    task = Taught(problems=PAIRS)
    wrong = task.rows("train")[1]
    assert task.verify(wrong, "1") and task.verify(wrong, "2/2") and not task.verify(wrong, "0")
    assert not any(task.verify(wrong, answer) for answer in ODD)


def test_the_rewards_of_the_paper():
    # 120 if it is right, 20 if it is wrong and the answer occurs in it, 10 if it is boxed only
    env = gym.make("Taught-v0", problems=(("6*7", "42"),), rewards=(120, 10, 0), partial=1 / 11)
    paid = []
    for completion in (r"\boxed{42}", r"\boxed{42 or 43}", r"\boxed{7}", "42"):
        env.reset(seed=0)
        paid.append(env.step(completion)[1])
    assert paid == pytest.approx([120, 20, 10, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"problems": ()}, "`problems` must have at least one pair"),
        ({"problems": (("2", " "),)}, "`problems` must be pairs of texts"),
        ({"problems": ("23",)}, "`problems` must be pairs of texts"),
        ({"kind": "numbers"}, "did you mean 'number'"),
        ({"partial": 2.0}, r"`partial` must be in \[0, 1\]"),
    ],
)
def test_what_is_no_set_of_problems_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make("Taught-v0", **options)


def test_pairs_are_saved_with_where_they_come_from(tmp_path):
    path = tmp_path / "made" / "pairs.jsonl"
    pairs = [Pair("2+3?\n", "5", 7, 1, 0.25), Pair("é", r"\frac{1}{2}")]
    save_pairs(path, pairs)
    assert load_pairs(path) == pairs and [p.name for p in path.parent.iterdir()] == ["pairs.jsonl"]
    path.write_text('{"question": "1", "answer": "1"}\n{"question": "2"}\n')
    with pytest.raises(ValueError, match=r"^.*pairs.jsonl:2: must have 'answer', got"):
        load_pairs(path)


@pytest.mark.parametrize("kind", ["number", "expression"])
def test_forms_of_the_same_answer_count_as_the_kind_says(kind):
    pytest.importorskip("flint")
    task = Taught(problems=(("?", r"\frac{x}{2}"),), kind=kind)
    assert task.verify(task.rows("train")[0], "x/2") == (kind == "expression")
