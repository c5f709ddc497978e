"""What the papers report, to stand beside what is measured here.

SEC: arXiv 2505.14970, tables 1 and 2, Qwen2.5-3B and 7B, GRPO unless said; accuracies over the
levels that were trained on (ID) and the one that was not (OOD). E2H Reasoner: arXiv 2506.06632,
tables 1 to 3, Qwen2.5-1.5B; accuracies on the level "hard" and on the one that was not trained on;
its Gaussian is the best of three settings for each task, and its "balanced" is sampling at random
here. Subsets are of its four levels. With DAPO's filter it is the level "hard" alone. SEC reports
the best checkpoint. SOAR: arXiv 2601.18778, pass@32 on held-out hard problems,
Llama-3.2-3B-Instruct.
"""

from __future__ import annotations

from collections.abc import Mapping

SOAR_METHODS = {  # rows of its tables, and our own
    "base": "Base",
    "hard": "Hard-Only",
    "base-t": "Base-T",
    "intrinsic-t": "Intrinsic-T",
    "grounded-t": "Grounded-T",
    "pq": "SOAR-PQ",
    "pq-correct": "SOAR-PQ, right answers",
    "pq-well-posed": "SOAR-PQ, well posed",
    "ps": "SOAR-PS",
    "serl": "SeRL",
    "easier": "Easier problems of the generator",
    "full": "The full training set",
    "teacher": "The teacher as a solver",
}
Figures = Mapping[str, Mapping[str, float]]  # accuracy in percent, by column and curriculum


def row(**columns: tuple[float, float, float]) -> Figures:
    """Return the figures of SEC's table 1, in its order of columns."""
    rules = ("random", "ordered", "sec")
    return {name: dict(zip(rules, values, strict=True)) for name, values in columns.items()}


def pair(trained: tuple[float, float], ood: tuple[float, float]) -> Figures:
    """Return figures of random and SEC alone."""
    rules = ("random", "sec")
    return {
        "ID": dict(zip(rules, trained, strict=True)),
        "OOD": dict(zip(rules, ood, strict=True)),
    }


def schedules(*values: float) -> dict[str, float]:
    """Return a row of E2H's table 2, in its order of columns."""
    rules = ("random", "e2h-classic", "e2h-gaussian", "e2h-cosine")
    return dict(zip(rules, values, strict=True))


BLOCKS_HARD = {"subset:arms=[3]": 0.0, "subset:arms=[2,3]": 0.0, "subset:arms=[1,2,3]": 15.5}

PUBLISHED: Mapping[str, Mapping[tuple[str, str], Mapping[str, Figures]]] = {
    # suite -> (task, algorithm) -> model -> figures
    "sec": {
        ("Countdown", "grpo"): {
            "3B": row(ID=(85.9, 55.1, 86.6), OOD=(47.9, 32.1, 54.2)),
            "7B": row(ID=(85.8, 82.0, 87.2), OOD=(56.6, 44.2, 55.5)),
        },
        ("Zebra", "grpo"): {
            "3B": row(ID=(51.7, 53.4, 54.7), OOD=(28.5, 32.9, 34.5)),
            "7B": row(ID=(57.3, 57.2, 58.7), OOD=(32.1, 31.1, 35.5)),
        },
        ("ARC-1D", "grpo"): {
            "3B": row(ID=(50.1, 47.6, 50.0), OOD=(31.3, 36.3, 38.1)),
            "7B": row(ID=(51.2, 52.6, 51.4), OOD=(43.6, 42.8, 41.8)),
        },
        ("SEC-2D", "grpo"): {
            "3B": {
                "Countdown-v0 ID": {"random": 83.7, "sec": 83.9},
                "Countdown-v0 OOD": {"random": 41.8, "sec": 42.8},
                "Zebra-v0 ID": {"random": 51.3, "sec": 53.9},
                "Zebra-v0 OOD": {"random": 25.4, "sec": 31.2},
                "ARC1D-v0 ID": {"random": 38.0, "sec": 41.8},
                "ARC1D-v0 OOD": {"random": 25.1, "sec": 32.7},
            }
        },
        ("Mathematics", "grpo"): {
            "3B": {
                "MATH-v0 ID": {"random": 66.8, "ordered": 67.2, "sec": 67.2},
                "AMC-v0 OOD": {"random": 34.5, "ordered": 35.2, "sec": 35.1},
                "AIME24-v0 OOD": {"random": 7.5, "ordered": 5.4, "sec": 10.0},
            },
            "7B": {
                "MATH-v0 ID": {"random": 77.4, "ordered": 75.9, "sec": 76.1},
                "AMC-v0 OOD": {"random": 48.6, "ordered": 47.7, "sec": 51.1},
                "AIME24-v0 OOD": {"random": 13.8, "ordered": 15.0, "sec": 17.5},
            },
        },
        ("Countdown", "ppo"): {"3B": pair((62.1, 75.0), (15.9, 22.4))},
        ("Countdown", "rloo"): {"3B": pair((82.1, 85.9), (46.5, 49.4))},
    },
    "e2h": {
        ("Countdown", "grpo:filter=dapo"): {
            "1.5B": {"Hard": {"random": 36.0, "e2h-gaussian": 43.7}}
        },
        ("Blocksworld", "grpo:filter=dapo"): {
            "1.5B": {"Hard": {"random": 26.2, "e2h-gaussian": 35.1}}
        },
        ("Countdown", "grpo"): {
            "1.5B": {
                "Hard": {**schedules(18.1, 31.5, 41.0, 15.8), "sec": 17.8, "subset:arms=[3]": 18.1},
                "OOD": {**schedules(9.2, 12.6, 19.2, 6.4), "sec": 9.5, "subset:arms=[3]": 6.5},
            }
        },
        ("Blocksworld", "grpo"): {
            "1.5B": {
                "Hard": {**schedules(21.1, 5.8, 32.9, 0.0), **BLOCKS_HARD},
                "OOD": {**schedules(2.6, 0.7, 7.3, 0.0), **dict.fromkeys(BLOCKS_HARD, 0.0)},
            }
        },
    },
}


def published_effect(
    suite: str, task: str, algorithm: str, column: str, curriculum: str
) -> dict[str, float]:
    """Return the published effect of `curriculum` against random in points, by model.

    Arguments of a rule do not count, but for the arms of a subset.

    >>> published_effect("sec", "Countdown", "grpo", "OOD", "sec:temperature=0.2")
    {'3B': 6.3, '7B': -1.1}
    """
    name = curriculum if curriculum.startswith("subset:") else curriculum.split(":")[0]
    effects = {}
    for model, figures in PUBLISHED.get(suite, {}).get((task, algorithm), {}).items():
        values = figures.get(column, {})
        if name in values:
            effects[model] = round(values[name] - values["random"], 1)
    return effects


SOAR: Mapping[str, Mapping[str, float]] = {  # data set -> method -> pass@32 in percent
    "MATH": {
        "base": 7.5,
        "hard": 9.6,
        "intrinsic-t": 14.1,
        "grounded-t": 19.1,
        "pq": 18.9,
        "ps": 18.1,
        "serl": 12.4,
        "full": 22.0,
    },
    "HARP": {
        "base": 6.4,
        "hard": 8.2,
        "intrinsic-t": 9.6,
        "grounded-t": 11.2,
        "pq": 12.3,
        "ps": 11.8,
        "serl": 10.9,
        "full": 16.2,
    },
}


def published_soar(method: str) -> dict[str, float]:
    """Return the published effect of a method against Hard-Only at pass@32 in points, by data set.

    >>> published_soar("pq"), published_soar("easier")
    ({'MATH': 9.3, 'HARP': 4.1}, {})
    """
    return {
        data: round(figures[method] - figures["hard"], 1)
        for data, figures in SOAR.items()
        if method in figures
    }
