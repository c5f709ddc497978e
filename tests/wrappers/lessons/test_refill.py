"""The ratio-preserving refill against numbers worked by hand, and that it preserves ratios."""

import json

import numpy as np
import pytest

from edgewise.wrappers.lessons.refill import Refill


def known(*rejected, **arguments):
    refill = Refill(**arguments)
    refill.start(len(rejected))
    refill.rejected[:] = rejected
    return refill


def arms(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_what_is_lacking_is_drawn_and_more_of_what_is_often_rejected():
    # m = (1, 2, 5) of rho (0, .5, .9); d = (0, 3, 5); d m = (0, 6, 25) of 31
    refill = known(0.0, 0.5, 0.9)
    np.testing.assert_allclose(refill.factors(), [1, 2, 5])
    found = refill.probabilities(arms(16, 10, 6), arms(20, 7, 1))
    np.testing.assert_allclose(found, [0, 0.193548, 0.806452], atol=5e-7)
    code = known(0.0, 0.5, 0.9, variant="code").probabilities(arms(16, 10, 6), arms(20, 7, 1))
    np.testing.assert_allclose(code, [0, 3 / 8, 5 / 8])
    np.testing.assert_allclose(known(1.0, cap=3.0).factors(), [3])


def test_where_nothing_was_kept_arms_are_drawn_as_in_an_inflated_first_draw():
    # z = (.5, .3, .2) and m = (1, 2, 5): z m = (.5, .6, 1) of 2.1
    found = known(0.0, 0.5, 0.9).probabilities(arms(5, 3, 2), arms(0, 0, 0))
    np.testing.assert_allclose(found, [0.238095, 0.285714, 0.476190], atol=5e-7)


def test_the_share_of_equal_groups_is_averaged_over_batches_with_the_arm():
    # 1 of 2, then .9 x .5 + .1 x 1; arm 1 is not posed in the second
    refill = Refill()
    refill.start(3)
    refill.observe(np.array([0, 0, 1]), np.array([True, False, True]))
    refill.observe(np.array([0]), np.array([True]))
    np.testing.assert_allclose(refill.rejected, [0.55, 1.0, 0.0])
    again = Refill.from_json(json.loads(json.dumps(refill.to_json())))
    again.observe(np.array([2]), np.array([True]))
    np.testing.assert_allclose(again.rejected, [0.55, 1.0, 1.0])


def test_a_batch_keeps_its_ratios_where_a_plain_refill_loses_them():
    # arm 1 is rejected four times in five; both refills draw for free places, 10 rounds at most
    rng, keep, z = np.random.default_rng(0), np.array([1.0, 0.2]), np.array([0.5, 0.5])
    shares = {"plain": [], "paper": [], "code": []}
    for name, found in shares.items():
        refill = None if name == "plain" else known(0.0, 0.8, variant=name)
        for _ in range(100):
            drawn = now = rng.choice(2, 40, p=z)
            kept = now[rng.random(40) < keep[now]]
            for _ in range(10):
                if len(kept) == 40:
                    break
                p = z if refill is None else refill.probabilities(drawn, kept)
                now = rng.choice(2, 40 - len(kept), p=p)
                kept = np.concatenate([kept, now[rng.random(len(now)) < keep[now]]])
            found.append(kept.mean())
    assert np.mean(shares["plain"]) < 0.25
    assert np.mean(shares["paper"]) > 0.45 and np.mean(shares["code"]) > 0.45


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Refill(variant="both"), "`variant` must be one of paper, code"),
        (lambda: Refill(cap=0.5), "`cap` must be at least 1, got 0.5"),
        (lambda: Refill(momentum=1), r"`momentum` must be in \[0, 1\), got 1"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
