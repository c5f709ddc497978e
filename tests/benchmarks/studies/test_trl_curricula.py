"""The comparison of the two loops poses the same problems in both, and sums up what it recorded."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from edgewise.benchmarks.studies.trl_curricula import CurriculaConfig, draw, run, summary
from edgewise.benchmarks.studies.trl_curves import read, write

SHORT = CurriculaConfig(seeds=(0, 1), num_steps=2, num_problems=1, num_samples=1)


def made_up(config):
    """Records of runs in which TRL is worse by a known amount."""
    return [
        {
            "trainer": trainer,
            "curriculum": curriculum,
            "seed": seed,
            "step": step,
            "reward": 0.5 + 0.1 * seed - 0.2 * (trainer == "trl"),
            "level": 2.0,
            "test": 0.6 if step == config.num_steps else "",
        }
        for trainer in ("edgewise", "trl")
        for curriculum in config.curricula
        for seed in config.seeds
        for step in range(1, config.num_steps + 1)
    ]


def test_the_summary_has_paired_differences(tmp_path):
    config = CurriculaConfig(seeds=(0, 1), num_steps=8, curricula=("random",))
    lines = summary(config, 0.5, made_up(config))
    assert lines[0] == "pass@1 before training 0.500; 8 steps, seeds [0, 1]"
    told = "| random | reward, mean of all steps | 0.550 | 0.350 | +0.200 [+0.200, +0.200] |"
    assert told in lines
    draw(config, made_up(config), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of TRL
@pytest.mark.parametrize("curriculum", ["random", "e2h-gaussian"])
def test_rules_that_ignore_rewards_pose_the_same_in_both_loops(curriculum):
    pytest.importorskip("trl")
    ours, theirs = (run(SHORT, trainer, curriculum, 3) for trainer in ("edgewise", "trl"))
    assert [row["level"] for row in ours] == [row["level"] for row in theirs]
    assert 0 <= ours[-1]["test"] <= 1 and ours[0]["test"] == ""


def test_the_table_is_written_whole_and_read_again(tmp_path):
    path = tmp_path / "new" / "table.csv"
    rows = made_up(SHORT)
    write(path, rows)
    again = read(path)
    assert [row["reward"] for row in again] == [str(row["reward"]) for row in rows]
    with pytest.raises(ValueError, match="fields"):
        write(path, [*rows, {**rows[0], "unknown": 1}])  # as a kill in the middle of writing
    assert read(path) == again
