import json

import gymnasium as gym
import numpy as np
import pytest

from edgewise.wrappers import (
    DOTS,
    GRESO,
    PLR,
    PROBLEM_CURRICULA,
    SFL,
    AdaRFTProblems,
    Groups,
    MoPPS,
    make_rule,
    vector,
)
from edgewise.wrappers.rules.catalogue import example_of
from edgewise.wrappers.rules.learnability import PCL
from edgewise.wrappers.rules.problem_rule import draw
from edgewise.wrappers.rules.rule_record import from_json, to_json
from edgewise.wrappers.rules.signal import Updated, group_advantages

POOL = (list("abcdefgh"), [0.0, 0.0, 0.0, 50.0, 50.0, 50.0, 100.0, 100.0])


def groups(*right, size=4):
    """One group for each number of right completions."""
    correct = np.arange(size) < np.array(right)[:, None]
    rewards = correct.astype(float)
    lengths = np.ones(rewards.shape, np.int64)
    return Groups(rewards, correct, np.abs(group_advantages(rewards)), lengths)


def started(rule, *steps):
    """Start on the pool, and observe {name: right} steps."""
    rule.start(*POOL)
    for step in steps:
        rule.observe(list(step), groups(*step.values()))
    return rule


def learn_after(rule, names, step):
    """Tell of an update of the policy that gains other than the last."""
    if rule.learns_after:
        advantages = np.array([[1.0, -1.0], [0.5, 0.0], [step, 1.0]])
        rows = np.array([rule.rows[name] for name in names])
        rule.learn_after(rows, Updated(advantages, advantages / 10, advantages < 9))


def rng():
    return np.random.default_rng(0)


def test_plr_worked_by_hand():
    # scores .2, .8, .5 of steps 1, 2, 3: ranks 3, 1, 2; ages 3, 2, 1 of 6
    rule = started(PLR(beta=1.0, ages="steps"))
    for name, score in zip("abc", (0.2, 0.8, 0.5), strict=True):
        told = groups(2)
        told.abs_advantages[:] = score
        rule.observe([name], told)
    by_score, by_age = np.array([1 / 3, 1, 1 / 2]) / (11 / 6), np.array([3, 2, 1]) / 6
    np.testing.assert_allclose(rule.replay_probabilities(), 0.9 * by_score + 0.1 * by_age)
    np.testing.assert_allclose(rule.replay_probabilities(), [0.2136, 0.5242, 0.2621], atol=5e-5)


def test_plr_counts_ages_in_draws():
    # scores .5, .2, .4: ranks 1, 3, 2 to the power -10; ages 2, 1, 0 of 3
    rule = PLR()
    rule.start(list("abc"), [0.0] * 3)
    rule.scores[:], rule.posed[:] = [0.5, 0.2, 0.4], 1
    generator = rng()
    order = [rule.propose(1, generator)[0] for _ in range(200)]
    ages = [order[::-1].index(name) for name in "abc"]
    assert rule.drawn.tolist() == ages
    rule.drawn[:] = [2, 1, 0]
    np.testing.assert_allclose(
        rule.replay_probabilities(), [0.965773, 0.033349, 0.000878], atol=5e-7
    )
    rule.propose(3, generator)
    assert sorted(rule.drawn) == [0, 1, 2]


def test_plr_replays_nothing_before_all_was_posed():
    steps = [dict.fromkeys("abcdefg", 2)]
    for after, alone in ((1.0, True), (0.5, False)):
        rule = started(PLR(replay=0.5, after=after), *steps)
        found = {rule.propose(1, np.random.default_rng(seed))[0] for seed in range(20)}
        assert "h" in found and (found == {"h"}) == alone


def test_plr_replays_what_it_has_seen_or_not():
    rule = started(PLR(replay=1.0, after=0.0), {"a": 2, "b": 1})
    assert set(rule.propose(2, rng())) == {"a", "b"}
    rule.replay = 0.0
    assert set(rule.propose(6, rng())) == set("cdefgh")
    assert set(rule.propose(8, rng())) == set("abcdefgh")


def test_mopps_worked_by_hand():
    # 3 of 4: .5 + .5 + 3, .5 + .5 + 1; then none: 2 + .5 + 0, 1 + .5 + 4
    rule = started(MoPPS(), {"b": 3})
    assert rule.belief[1].tolist() == [4.0, 2.0] and rule.belief[0].tolist() == [1.0, 1.0]
    rule.observe(["b"], groups(0))
    assert rule.belief[1].tolist() == [2.5, 5.5]
    twice = started(MoPPS())  # rejected by a filter, and proposed again
    twice.observe(["b", "b"], groups(3, 0))
    assert twice.belief[1].tolist() == [2.5, 5.5]


def test_mopps_takes_its_candidates_in_passes_over_the_pool():
    rule, generator = started(MoPPS(ratio=2)), rng()
    for _ in range(3):  # 2 x 2 of 8 twice are the pool
        first, second = (rule.candidate_rows(4, generator).tolist() for _ in range(2))
        assert sorted(first + second) == list(range(8))
    parts = [rule.candidate_rows(3, generator).tolist() for _ in range(8)]
    assert all(len(set(part)) == 3 for part in parts)  # also where a pass ends
    assert np.bincount(np.concatenate(parts)).tolist() == [3] * 8
    rule.candidates = "fresh"
    assert rule.candidate_rows(8, generator).tolist() != rule.candidate_rows(8, generator).tolist()


def test_mopps_poses_what_it_believes_to_be_half_right():
    steps = [dict.fromkeys("abc", 4) | dict.fromkeys("def", 0) | dict.fromkeys("gh", 2)] * 30
    rule = started(MoPPS(discount=1.0, ratio=None), *steps)
    assert set(rule.propose(2, rng())) == set("gh")
    rule.low, rule.high = 0.9, 1.0
    assert set(rule.propose(3, rng())) == set("abc")


def test_sfl_takes_the_most_learnable():
    rule = started(SFL(explore=0.0), {"a": 4, "b": 2, "c": 1, "d": 0})
    assert set(rule.propose(2, rng())) == {"b", "c"}
    rule.explore = 0.5
    proposed = rule.propose(4, rng())
    assert set(proposed[:2]) == {"b", "c"} and set(proposed[2:]) <= set("efgh")


def test_dots_prefers_even_odds_and_infers_those_of_the_same_difficulty():
    rule = started(DOTS(temperature=1e-6), {"a": 2, "d": 4, "g": 3})
    # b and c are taken for a's 1/2; h for g's 3/4; e and f for d's 1
    assert set(rule.propose(3, rng())) == set("abc")
    assert set(rule.propose(5, rng())) == set("abcgh")


def test_pcl_takes_the_candidates_of_the_value_nearest_to_its_target():
    # V = (.1, .45, .6, .9)
    rule = PCL()
    rule.start(list("abcd"), [0.0] * 4)
    rule.success[:] = [0.1, 0.45, 0.6, 0.9]
    assert rule.propose(2, rng()) == ["b", "c"]
    rule.target, rule.ratio = 1.0, 1
    assert len({tuple(rule.propose(1, np.random.default_rng(seed))) for seed in range(40)}) == 4


def test_dots_of_the_released_temperature_takes_the_nearest():
    # d = (.5, .6, .75): at 1e-3 the first alone, at .1 (.690, .254, .057)
    for temperature, expected in ((1e-3, [1.0, 0.0, 0.0]), (0.1, [0.690, 0.254, 0.057])):
        rule = DOTS(temperature=temperature)
        rule.start(list("abc"), [0.0] * 3)
        rule.success[:] = [0.5, 0.4, 0.25]
        generator = rng()
        first = [rule.propose(1, generator)[0] for _ in range(4000)]
        shares = [first.count(name) / 4000 for name in "abc"]
        np.testing.assert_allclose(shares, expected, atol=0.025)
    assert DOTS().temperature == 1e-3


def test_dots_worked_by_hand():
    # |d - 1/2| = 0, 1/4, 1/2 with tau 1/4: 1, e^-1, e^-2 of 1.5032
    rule = DOTS(temperature=0.25)
    rule.start(list("abc"), [0.0, 50.0, 100.0])
    rule.observe(list("abc"), groups(2, 3, 4))
    generator = rng()
    first = [rule.propose(1, generator)[0] for _ in range(4000)]
    shares = [first.count(name) / 4000 for name in "abc"]
    np.testing.assert_allclose(shares, [0.6652, 0.2447, 0.0900], atol=0.025)


@pytest.mark.parametrize("name", PROBLEM_CURRICULA)
def test_what_is_learned_does_not_depend_on_the_order_of_the_pool(name):
    order = [3, 0, 7, 4, 1, 6, 2, 5]
    one, other = make_rule(example_of(name), 10), make_rule(example_of(name), 10)
    one.start(*POOL)
    other.start([POOL[0][place] for place in order], [POOL[1][place] for place in order])
    for step in ({"a": 1, "f": 4, "c": 0}, {"b": 2, "a": 4, "h": 0}, {"c": 0, "f": 3}):
        for rule in (one, other):
            rule.observe(list(step), groups(*step.values()))
    for key, value in one.state_dict().items():
        learned = other.state_dict()[key]
        if isinstance(value, list) and len(value) == 8:  # of each problem
            assert learned == [value[place] for place in order]
        else:
            assert learned == value


def test_draws_without_replacement_follow_the_weights():
    generator = rng()
    first = [draw(np.log([0.7, 0.2, 0.1]), 2, generator)[0] for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(first) / 4000, [0.7, 0.2, 0.1], atol=0.03)


def test_adarft_takes_the_problems_nearest_to_the_target():
    rule = started(AdaRFTProblems())
    assert set(rule.propose(3, rng())) == set("abc")
    rule.observe(["a"], groups(4))  # T = 38.08
    assert set(rule.propose(3, rng())) == set("def")


def test_adarft_breaks_ties_by_the_pool_where_asked():
    rule = started(AdaRFTProblems(ties="first"))
    assert [rule.propose(2, np.random.default_rng(seed)) for seed in range(5)] == [["a", "b"]] * 5


@pytest.mark.parametrize("name", PROBLEM_CURRICULA)
def test_a_rule_restored_from_json_continues(name):
    rule, generator = make_rule(example_of(name), 10), rng()
    rule.start(*POOL)
    for step in range(6):
        names = rule.propose(3, generator)
        rule.observe(names, groups(step % 5, 2, 4))
        learn_after(rule, names, step)
    again = from_json(json.loads(json.dumps(to_json(rule))))
    again.start(*POOL)
    again.load_state_dict(json.loads(json.dumps(rule.state_dict())))
    one, other = rng(), rng()
    for step in range(6):
        names = rule.propose(3, one)
        assert again.propose(3, other) == names and len(set(names)) == 3
        for each in (rule, again):
            each.observe(names, groups(0, step % 5, 4))
            learn_after(each, names, step)


@pytest.mark.parametrize("name", PROBLEM_CURRICULA)
def test_what_is_wrong_is_refused_and_changes_nothing(name):
    rule = make_rule(example_of(name), 10)
    rule.start(*POOL)
    before = json.dumps(rule.state_dict())
    bad = groups(2)
    bad.rewards[0, 0] = np.nan
    for names, told, message in (
        (["z"], groups(2), "`names` must be of the pool, got 'z'"),
        (["a", "b"], groups(2), "`groups` must be of 2 problems"),
        ([], groups(2), "`groups` must be of 0 problems, at least one"),
        (["a"], bad, "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            rule.observe(names, told)
    for number in (0, 9):
        with pytest.raises(ValueError, match=f"at most 8, the size of the pool, got {number}"):
            rule.propose(number, rng())
    assert json.dumps(rule.state_dict()) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PLR(beta=0), "`beta` must be positive, got 0"),
        (lambda: PLR(staleness=2), r"`staleness` must be in \[0, 1\], got 2"),
        (lambda: PLR(replay=2), r"`replay` must be in \[0, 1\], got 2"),
        (lambda: MoPPS(low=0.6, high=0.5), r"`low` and `high` must be in \[0, 1\]"),
        (lambda: MoPPS(discount=2), r"`discount` must be in \[0, 1\], got 2"),
        (lambda: MoPPS(prior=(0, 1)), "`prior` must be two positive numbers"),
        (lambda: MoPPS(ratio=0), "`ratio` must be at least 1, got 0"),
        (lambda: MoPPS(candidates="all"), "`candidates` must be one of pass, fresh"),
        (lambda: PLR(after=2), r"`after` must be in \[0, 1\], got 2"),
        (lambda: PLR(ages="days"), "`ages` must be one of draws, steps"),
        (lambda: PCL(ratio=0), "`ratio` must be at least 1, got 0"),
        (lambda: PCL(target=2), r"`target` must be in \[0, 1\], got 2"),
        (lambda: GRESO(most=0.01), r"`most` must be in \[0.05, 1\], got 0.01"),
        (lambda: GRESO(variant="paper"), "`variant` must be one of code, v0.1"),
        (lambda: AdaRFTProblems(ties="last"), "`ties` must be one of random, first"),
        (lambda: SFL(explore=2), r"`explore` must be in \[0, 1\], got 2"),
        (lambda: DOTS(temperature=0), "`temperature` must be positive, got 0"),
        (lambda: GRESO(step=0), "`step` must be positive, got 0"),
        (lambda: GRESO(explore=0.01), r"`explore` must be in \[0.05, 1\], got 0.01"),
        (lambda: GRESO(target_easy=2), r"`target_easy` must be in \[0, 1\], got 2"),
        (lambda: AdaRFTProblems(target=101), r"`target` must be in \[0, 100\], got 101"),
        (lambda: SFL().start(["a", "a"], [0, 0]), "`names` must be different"),
        (lambda: SFL().start(["a"], [0, 0]), "`difficulties` must be of 1 problems"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def curriculum(rule, **arguments):
    envs = gym.make_vec("Countdown-v0", num_envs=6, group_size=2, levels=(1, 2))
    return vector.ProblemCurriculum(envs, rule, pool_size=20, **arguments)


def answers(envs, *right):
    return [
        rf"\boxed{{{problem.solution}}}" if correct else "no"
        for problem, group in zip(envs.unwrapped.problems, right, strict=True)
        for correct in group
    ]


def test_the_wrapper_poses_what_the_rule_proposes_and_tells_it_how_it_went():
    envs = curriculum(rule := SFL())
    _, infos = envs.reset(seed=0)
    names = infos["problem"][::2].tolist()
    assert len(set(names)) == 3 and [rule.names[row] for row in infos["arm"][::2]] == names
    assert "arm_probability" not in infos
    envs.step(answers(envs, [1, 0], [1, 1], [0, 0]))
    metrics = vector.teach(envs, np.ones((3, 2)))
    assert rule.success[[rule.rows[name] for name in names]].tolist() == [0.5, 1.0, 0.0]
    assert metrics["pool/num_seen"] == 3 and metrics["effective_prompt_ratio"] == pytest.approx(
        1 / 3
    )


def test_a_problem_that_was_rejected_and_posed_again_is_known_by_its_last_group():
    envs = gym.make_vec("Countdown-v0", num_envs=6, group_size=2, levels=(1,))
    envs = vector.ProblemCurriculum(envs, rule := SFL(), pool_size=3)
    envs.reset(seed=0)
    envs.step(answers(envs, [0, 0], [0, 0], [0, 0]))
    envs.reset(options={"reset_mask": np.ones(6, bool)})
    envs.step(answers(envs, [1, 0], [1, 0], [1, 0]))
    envs.learn()
    assert rule.success.tolist() == [0.5] * 3


def test_a_seed_gives_the_same_pool_and_other_seeds_others():
    one, again, other = (curriculum(SFL(), pool_seed=seed).lesson.rule for seed in (0, 0, 1))
    assert one.names == again.names and not set(one.names) & set(other.names)
    assert sorted(one.difficulties) == [0.0] * 10 + [100.0] * 10


def test_the_size_of_the_pool():
    envs = gym.make_vec("Countdown-v0", num_envs=1, levels=(1,))
    assert len(vector.ProblemCurriculum(envs, SFL(), pool_size=3).arms) == 3
    with pytest.raises(ValueError, match=r"`pool_size` must be at least 1, .*, got 0"):
        vector.ProblemCurriculum(envs, SFL(), pool_size=0)


def test_rejected_problems_are_observed_too():
    envs = curriculum(rule := SFL())
    _, first = envs.reset(seed=0)
    envs.step(answers(envs, [1, 0], [1, 1], [0, 0]))
    _, second = envs.reset(options={"reset_mask": np.array([0, 0, 1, 1, 0, 0], bool)})
    envs.step(answers(envs, [0, 0], [1, 0], [0, 0]))
    envs.learn()
    posed = {*first["problem"], second["problem"][2]}
    assert {rule.names[row] for row in np.flatnonzero(rule.seen())} == posed


@pytest.mark.parametrize("name", PROBLEM_CURRICULA)
def test_state_continues_the_run(name):
    def steps(envs):
        for _ in range(4):
            yield envs.reset()[0]
            envs.step(answers(envs, [1, 0], [0, 0], [1, 1]))

    envs = curriculum(make_rule(example_of(name), 10))
    envs.reset(seed=0)
    list(steps(envs))
    state = json.loads(json.dumps(envs.state_dict()))
    again = curriculum(make_rule(example_of(name), 10))
    again.load_state_dict(state)
    assert list(steps(again)) == list(steps(envs))
    assert again.metrics() == envs.metrics()


def test_it_poses_problems_of_a_mixture():
    members = [{"id": "Countdown-v0", "levels": (1,)}, {"id": "Blocksworld-v0", "levels": (1,)}]
    envs = vector.ProblemCurriculum(
        gym.make_vec("Mixture-v0", num_envs=4, group_size=2, envs=members), SFL(), pool_size=6
    )
    prompts, _ = envs.reset(seed=0)
    envs.step([""] * 4)
    envs.learn()
    assert envs.metrics()["pool/num_seen"] == 2 and prompts[0] == prompts[1]
