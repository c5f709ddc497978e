import json

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.benchmarks.studies.race_ranking import (
    common,
    correlation,
    main,
    real_table,
    reliability,
    simulated_name,
    simulated_table,
)

CELLS = """world,curriculum,seed,final_id
flat,random,0,0.2
flat,sec,0,0.4
flat,random+dapo,0,0.3
hard,random,0,0.4
hard,sec,0,0.6
hard,random+dapo,0,0.5
"""


def entrant(name, curriculum, algorithm="grpo", **more):
    return {"schedule": name, "curriculum": curriculum, "algorithm": algorithm, **more}


ENTRANTS = [
    entrant("random", "random"),
    entrant("sec", "sec"),
    entrant("dapo", "random", "grpo:filter=dapo"),
    entrant("vip", "random", allocation="vip"),
]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (ENTRANTS[0], "random"),
        (ENTRANTS[2], "random+dapo"),
        (entrant("x", "mt-grpo", "grpo:filter=rps:filter_rounds=2"), "mt-grpo+rps:rounds=2"),
        (ENTRANTS[3], None),  # simulated learners have no allocation
    ],
)
def test_an_entrant_is_named_as_simulated_learners_name_it(record, name):
    assert simulated_name(record) == name


def test_rankings_that_agree_for_every_seed_correlate_without_doubt():
    table = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    found = correlation(table, 2 * table[:, :1], np.random.default_rng(0))
    assert (found.low, found.value, found.high) == pytest.approx((1, 1, 1))
    assert correlation(table, -table, np.random.default_rng(0)).high == pytest.approx(-1)
    assert reliability(table, np.random.default_rng(0)) == pytest.approx(1)


def written(tmp_path):
    (tmp_path / "race").mkdir()
    settings = {f"entrant {row['schedule']}": row for row in ENTRANTS}
    (tmp_path / "race" / "race.json").write_text(json.dumps(settings))
    for bed, better in (("one", "sec"), ("two", "dapo")):
        for record in ENTRANTS:
            for seed in (1, 2):
                test = 0.5 * (record["schedule"] == better) + 0.1 * seed
                row = {**record, "bed": bed, "seed": seed, "test": test}
                path = tmp_path / "race" / bed / f"{record['schedule']}-s{seed}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(row))
    rate = tmp_path / "race" / "one" / "rate" / "random-0.1-s0.json"
    rate.parent.mkdir()
    rate.write_text("{}")  # is no run of an entrant
    (tmp_path / "simulated").mkdir()
    (tmp_path / "simulated" / "cells.csv").write_text(CELLS)
    return tmp_path


def test_tables_are_means_over_beds_and_worlds(tmp_path):
    rows = [{**row, "bed": bed, "seed": 1, "test": 0.2} for row in ENTRANTS for bed in "ab"]
    rows[2]["test"] = 0.4  # of "sec" on one bed
    np.testing.assert_allclose(real_table(rows, None, ["random", "sec"]), [[0.2], [0.3]])
    assert real_table(rows, "a", ["random", "sec"]).tolist() == [[0.2], [0.4]]
    found = simulated_table(written(tmp_path) / "simulated" / "cells.csv", ["sec", "random"])
    np.testing.assert_allclose(found, [[0.5], [0.3]])
    with pytest.raises(ValueError, match=r"cells\.csv: must have the curriculum pac"):
        simulated_table(tmp_path / "simulated" / "cells.csv", ["pac"])


def test_a_ranking_is_of_the_entrants_that_ran():
    rows = [{"bed": bed, "schedule": name} for bed, name in ("ax", "ay", "bx", "bz")]
    assert common(rows, None, ["z", "y", "x"]) == ["x"]
    assert common(rows, "a", ["z", "y", "x"]) == ["y", "x"]


def test_the_command_names_curricula_and_correlates(tmp_path, capsys):
    folder = written(tmp_path)
    main([str(folder / "race")])
    assert sorted(capsys.readouterr().out.strip().split(",")) == ["random", "random+dapo", "sec"]
    main([str(folder / "race"), str(folder / "simulated")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == [
        f"{beds}, 3 entrants" for beds in ("all beds", "one", "two")
    ]
    # sec, dapo, random by simulation; on "one" dapo and random are level, on "two" sec and random
    assert ": +0.87" in lines[2] and ": +0.00" in lines[3]
