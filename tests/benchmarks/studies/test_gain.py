import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.gain import interval, score, table


def record(seed, level, before, after, ood=False):
    names = ("pass_at_k_before", "pass_at_k_after")
    return {
        "curriculum": "sec",
        "seed": seed,
        "level": level,
        "ood": ood,
        "before": before,
        "after": after,
        **dict.fromkeys(names, 1.0),
    }


RECORDS = [
    record(0, 1, 0.5, 0.7),
    record(0, 2, 0.1, 0.1),
    record(0, 3, 0.0, 0.9, ood=True),
    record(1, 1, 0.5, 0.9),
    record(1, 2, 0.1, 0.3),
    record(1, 3, 0.0, 0.0, ood=True),
]


def test_the_score_leaves_out_what_is_kept_out_of_training():
    assert score(RECORDS) == pytest.approx((0.2 + 0.0 + 0.4 + 0.2) / 4)


def test_the_interval_is_students():
    # mean 2, standard deviation 1, t(.975, 2) = 4.303, error 1 / sqrt(3)
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, -0.484, 4.484), abs=1e-3)


def test_the_table_has_a_row_for_each_level_and_for_the_mean():
    rows = table(RECORDS)
    assert rows[2].startswith("| sec | 1 | 2 | 0.500 | 0.800 | +0.300 [")
    assert rows[4].startswith("| sec | 3 (OOD) | 2 | 0.000 | 0.450 | +0.450 [")
    assert rows[5].startswith("| sec | mean of training levels | 2 | 0.300 | 0.500 | +0.200 [")
