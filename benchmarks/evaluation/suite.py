"""What the papers evaluate on: environments, presets and the protocol of sampling.

Suites "sec" of Chen et al. (2025), arXiv 2505.14970, "e2h" of Parashar et al. (2025), arXiv
2506.06632, and "soar" of arXiv 2601.18778; "turns" is of Edgewise itself: episodes of several turns. Test
sets are those of `edgewise.evaluation_set`, 200 problems of each level or all that a data set has.

Where they differ from the papers:
    - sec: the problems of Countdown, Zebra and ARC-1D are generated here, 200 of each level as there.
    - e2h: tests have 200 problems of each level; AQuA is one level, not quartiles of error rates.
    - soar: the paper keeps only what its base model never solves in 128 attempts, which has to be
      measured first (`edgewise profile --fail-at 128`); here are all problems of the test split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgewise.errors import unknown
from edgewise.frame import E2H_FRAME, SOAR_FRAME
from edgewise.registration import task_of
from edgewise.task import Protocol

OWN = "own"  # in place of a suite, where one environment alone is evaluated
GREEDY = Protocol(temperature=0.0, num_samples=1)
E2H_MATH = {"frame": asdict(replace(E2H_FRAME, max_completion_tokens=1600))}
SOAR_MATH = {"frame": asdict(replace(SOAR_FRAME, max_completion_tokens=1024))}


@dataclass(frozen=True)
class Part:
    """One environment of a suite, with all its levels."""

    suite: str
    env: str
    preset: str | None  # None for the environment's first
    protocol: Protocol
    ood: bool = False  # whether all of it is out of distribution
    options: Mapping[str, Any] = field(default_factory=dict)  # keywords of the environment
    reason: str = ""  # why it is not evaluated, if it is known beforehand
    label: str = ""  # tells it from another part of the same environment

    @property
    def name(self) -> str:
        """Name the part in files and tables, as "sec/Countdown-v0" or "turns/Countdown-v0-tools"."""
        return "-".join(filter(None, [f"{self.suite}/{self.env}", self.label]))


def sec(env: str, ood: bool = False) -> Part:
    """Return a part of the suite of SEC: eight samples at temperature 1."""
    return Part("sec", env, "sec", Protocol(temperature=1.0, num_samples=8), ood)


def e2h(env: str, **options: Any) -> Part:
    """Return a part of the suite of E2H: one greedy answer."""
    return Part("e2h", env, "e2h", GREEDY, options=options)


def soar(env: str, ood: bool = False, **options: Any) -> Part:
    """Return a part of the suite of SOAR: 32 samples at temperature 1."""
    protocol = Protocol(temperature=1.0, num_samples=32)
    return Part("soar", env, "sec", protocol, ood, {**options, **SOAR_MATH})


def turns(env: str, preset: str, label: str = "", **options: Any) -> Part:
    """Return a part of the suite of turns: eight episodes at temperature 1."""
    protocol = Protocol(temperature=1.0, num_samples=8)
    return Part("turns", env, preset, protocol, options=options, label=label)


SUITES: Mapping[str, tuple[Part, ...]] = {
    "sec": (
        *map(sec, ("Countdown-v0", "Zebra-v0", "ARC1D-v0", "MATH500-v0")),
        sec("AMC-v0", ood=True),
        sec("AIME24-v0", ood=True),
    ),
    "e2h": (
        e2h("Blocksworld-v0"),
        e2h("Countdown-v0"),
        e2h("MATH-v0", **E2H_MATH),
        e2h("GSM8K-v0"),
        e2h("AQuA-v0"),
    ),
    "soar": (
        soar("MATH-v0", partition="soar"),
        soar("HARP-v0"),
        soar("OlympiadBench-v0", ood=True),
    ),
    "turns": (
        turns("Guess-v0", "plain"),
        turns("Blocksworld-v0", "e2h", interactive=True),
        turns("Countdown-v0", "sec", "attempts", attempts={"most": 3, "explain": True}),
        turns("Countdown-v0", "sec", "tools", tools=["calculator"]),
    ),
}


def parts_of(suite: str) -> tuple[Part, ...]:
    """Return the parts of a suite, or with "all" those of every one.

    >>> [part.name for part in parts_of("soar")]
    ['soar/MATH-v0', 'soar/HARP-v0', 'soar/OlympiadBench-v0']

    Raises:
        ValueError: If there is no such suite.
    """
    if suite == "all":
        return tuple(part for parts in SUITES.values() for part in parts)
    if suite not in SUITES:
        raise ValueError(unknown("suite", suite, [*SUITES, "all"]))
    return SUITES[suite]


def described(asked: Mapping[str, Any]) -> str:
    """Describe the protocol of a part in words.

    Args:
        asked: Its record in a config.json.
    """
    how = "greedy" if asked["temperature"] == 0 else f"temperature {asked['temperature']:g}"
    nucleus = f", top-p {asked['top_p']:g}" if asked["top_p"] < 1 else ""
    left_out = f" ({long} left out, too long)" if (long := asked.get("num_too_long")) else ""
    plural = "s" if asked["num_samples"] > 1 else ""
    words = (
        f"{asked['name']}: preset {asked['preset']}, {asked['num_problems']} problems, "
        f"{asked['num_samples']} sample{plural} of each{left_out}, {how}{nucleus}, at most "
        f"{asked['max_tokens']} tokens, checksum {asked['checksum']}"
    )
    others = departures(asked)
    return f"{words}; departs from the suite, which has {', '.join(others)}" if others else words


def departures(asked: Mapping[str, Any]) -> list[str]:
    """List the settings in which a part departs from its suite."""
    suite = SUITES.get(asked["name"].partition("/")[0], ())
    part = next((part for part in suite if part.name == asked["name"]), None)
    if part is None:
        return []
    own = {
        "preset": (part.preset, asked["preset"].rstrip("+")),
        "samples": (part.protocol.num_samples, asked["num_samples"]),
        "temperature": (part.protocol.temperature, asked["temperature"]),
        "max_tokens": (longest(part), asked["max_tokens"]),
    }
    return [f"{name} {wanted}" for name, (wanted, got) in own.items() if wanted != got]


def longest(part: Part) -> int:
    """Return the token limit of a part's own preset."""
    frame: Mapping[str, int] | None = part.options.get("frame")
    if frame is not None:
        return frame["max_completion_tokens"]
    task = task_of(part.env)
    assert task is not None
    return task.presets[str(part.preset)].frame.max_completion_tokens
